//! Cutting a JSON list into its elements, found by brackets and quotes alone, without holding more than one of them.

use std::io::{self, BufRead};

/// Why a list ends before its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is no list.
    Malformed(&'static str),
    /// It has more bytes than it may have.
    TooLong,
    /// It cannot be read.
    Unreadable(io::Error),
}

/// The elements of a list, one at a time; nothing follows an error.
#[derive(Debug)]
pub(super) struct Elements<R> {
    source: R,
    state: State,
    /// The bytes of the present element, as far as they are kept.
    element: Vec<u8>,
    /// How long the present element is.
    length: usize,
    element_max: usize,
    bytes_left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    First,
    Further,
    After,
}

impl<R: BufRead> Elements<R> {
    /// Returns the elements of a list of at most `bytes_max` bytes; of an element at most `element_max` bytes are kept.
    pub(super) fn new(source: R, element_max: usize, bytes_max: usize) -> Self {
        Self { source, state: State::Before, element: Vec::new(), length: 0, element_max, bytes_left: bytes_max }
    }

    /// Moves on to the next element; false if there is none.
    pub(super) fn advance(&mut self) -> Result<bool, Broken> {
        let advanced = self.try_advance();
        if advanced.is_err() {
            self.end();
        }
        advanced
    }

    /// Returns the present element, or its length if it is too long to be kept.
    pub(super) fn element(&self) -> Result<&[u8], usize> {
        if self.length > self.element_max { Err(self.length) } else { Ok(self.element.trim_ascii()) }
    }

    /// Goes to the end, whatever is left.
    pub(super) fn end(&mut self) {
        self.state = State::After;
    }

    fn try_advance(&mut self) -> Result<bool, Broken> {
        if self.state == State::Before {
            if self.skip_space()? != Some(b'[') {
                return Err(Broken::Malformed("it does not begin with `[`"));
            }
            self.consume(1)?;
            self.state = State::First;
        }
        if self.state == State::After {
            return Ok(false);
        }
        self.skip_space()?;
        let end = self.read_element()?;
        let is_empty_list = self.state == State::First && end == b']' && self.element.trim_ascii().is_empty();
        self.state = if end == b']' { State::After } else { State::Further };
        if end == b']' && self.skip_space()?.is_some() {
            return Err(Broken::Malformed("something follows the list"));
        }
        Ok(!is_empty_list)
    }

    /// Skips white space and returns the byte after it, which is not consumed.
    fn skip_space(&mut self) -> Result<Option<u8>, Broken> {
        loop {
            let buffer = self.source.fill_buf().map_err(Broken::Unreadable)?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let space = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = buffer.get(space).copied();
            self.consume(space)?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Reads an element and the byte that ends it, which is returned.
    fn read_element(&mut self) -> Result<u8, Broken> {
        self.element.clear();
        self.length = 0;
        let mut scan = Scan::default();
        loop {
            let buffer = self.source.fill_buf().map_err(Broken::Unreadable)?;
            if buffer.is_empty() {
                return Err(Broken::Malformed("it ends too early"));
            }
            let end = buffer.iter().position(|byte| scan.is_end(*byte));
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
            let room = self.element_max.saturating_sub(self.element.len()).min(part.len());
            self.element.extend_from_slice(part.get(..room).unwrap_or(part));
            self.length = self.length.saturating_add(part.len());
            let ended_by = end.and_then(|end| buffer.get(end).copied());
            let consumed = part.len() + usize::from(ended_by.is_some());
            self.consume(consumed)?;
            if let Some(ended_by) = ended_by {
                return Ok(ended_by);
            }
        }
    }

    fn consume(&mut self, bytes: usize) -> Result<(), Broken> {
        self.source.consume(bytes);
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Broken::TooLong)?;
        Ok(())
    }
}

/// Where in an element a byte is.
#[derive(Default)]
struct Scan {
    depth: u64,
    is_text: bool,
    is_escaped: bool,
}

impl Scan {
    /// Whether this byte ends the element.
    fn is_end(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.is_text => self.is_escaped = true,
            b'"' => self.is_text = !self.is_text,
            _ if self.is_text => {}
            b',' | b']' if self.depth == 0 => return true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}
