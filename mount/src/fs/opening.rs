//! Open files of both sides.

use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;

use super::handles::{Handle, Shown};
use super::{Core, answered};
use crate::attributes::{Answer, Step};
use crate::backing::{Backing, OpenFile, read_full};
use crate::errno::{Refusal, refused};
use crate::{Kind, NodeId, Opened};

/// A copy request never moves more at once, so that no thread is busy for long; the caller asks again.
const COPY_BYTES_MAX: usize = 64 << 20;

/// A file that was opened.
#[derive(Debug)]
pub(crate) struct OpenedFile {
    pub(crate) handle: u64,
    pub(crate) how: OpenedHow,
}

/// What the kernel may do with an open file.
#[derive(Debug)]
pub(crate) enum OpenedHow {
    /// Read and write the backing file by itself, or keep its pages while nothing changes.
    Backing(Arc<OpenFile>),
    /// Keep its pages for ever: the bytes never change.
    Immutable,
    /// Ask for every read: the length is not known, or the bytes are another open's.
    Direct,
}

/// What reading gives.
pub(crate) enum Reading {
    /// This many bytes are at the beginning of the buffer.
    Buffered(usize),
    Bytes(Bytes),
    Wait(Box<dyn FnOnce() -> Answer<Bytes> + Send>),
}

impl Core {
    /// Opens a file.
    pub(crate) fn open(self: &Arc<Self>, number: u64, flags: OFlags) -> Step<OpenedFile> {
        match self.backing_of(number) {
            Err(errno) => Step::Done(Err(errno)),
            Ok(Some(backing)) => Step::Done(backing.open_file(number, flags).map(|file| self.opened_backing(file))),
            Ok(None) => self.open_shown(NodeId(number), flags),
        }
    }

    pub(super) fn opened_backing(&self, file: Arc<OpenFile>) -> OpenedFile {
        let handle = self.handles.insert(Handle::Backing(Arc::clone(&file)));
        OpenedFile { handle, how: OpenedHow::Backing(file) }
    }

    fn open_shown(self: &Arc<Self>, node: NodeId, flags: OFlags) -> Step<OpenedFile> {
        if flags & OFlags::ACCMODE != OFlags::RDONLY || flags.contains(OFlags::TRUNC) {
            return Step::Done(Err(refused(Refusal::ReadOnly)));
        }
        let (attr, opened) = match answered(self.tree.attr(node).and_then(|attr| Ok((attr, self.tree.open(node)?)))) {
            Ok(found) => found,
            Err(errno) => return Step::Done(Err(errno)),
        };
        let size = match attr.kind {
            Kind::File => attr.size,
            Kind::Report | Kind::Directory => None,
        };
        match opened {
            Opened::Bytes(bytes) => Step::Done(Ok(self.opened_shown(node, Shown::Bytes(bytes), size))),
            Opened::File(file) => Step::Done(Ok(self.opened_shown(node, Shown::File(file), size))),
            Opened::Remote => {
                let remote = self.contents.open(node, size);
                if remote.is_ready() {
                    return Step::Done(Ok(self.opened_shown(node, Shown::Remote(remote), size)));
                }
                let core = Arc::clone(self);
                Step::Wait(Box::new(move || {
                    answered(remote.prepare())?;
                    Ok(core.opened_shown(node, Shown::Remote(remote), size))
                }))
            }
        }
    }

    /// Remembers an open file of the tree; its true length decides whether the kernel may keep its pages.
    fn opened_shown(&self, node: NodeId, shown: Shown, size: Option<u64>) -> OpenedFile {
        let true_size = shown.size();
        let how = if size.is_some() && size == true_size { OpenedHow::Immutable } else { OpenedHow::Direct };
        if let (OpenedHow::Direct, Some(true_size)) = (&how, true_size) {
            self.sizes.learn(node, true_size);
        }
        OpenedFile { handle: self.handles.insert(Handle::Shown(node, shown)), how }
    }

    /// Reads: into the buffer, or from memory, or later.
    pub(crate) fn read(&self, handle: u64, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Answer<Reading> {
        match &*self.handles.get(handle)? {
            Handle::Directory(_) => Err(refused(Refusal::IsADirectory)),
            Handle::Backing(file) => {
                let backing = self.backing().ok_or(Errno::STALE)?;
                Ok(Reading::Buffered(backing.read(file, offset, room(buffer, length))?))
            }
            Handle::Shown(_, Shown::Bytes(bytes)) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(length).min(bytes.len());
                Ok(Reading::Bytes(bytes.slice(from..to)))
            }
            Handle::Shown(_, Shown::File(file)) => {
                Ok(Reading::Buffered(read_full(file, offset, room(buffer, length))?))
            }
            Handle::Shown(_, Shown::Remote(remote)) => {
                if let Some(bytes) = remote.read_now(offset, length) {
                    return Ok(Reading::Bytes(bytes));
                }
                let remote = remote.clone();
                Ok(Reading::Wait(Box::new(move || answered(remote.read(offset, length)))))
            }
        }
    }

    /// Writes as much as fits.
    pub(crate) fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> Answer<usize> {
        let file = self.handles.file(handle)?;
        self.backing().ok_or(Errno::STALE)?.write(&file, offset, bytes)
    }

    /// Ends an open file; an unknown handle is nobody's loss.
    pub(crate) fn close(&self, handle: u64) {
        if let Some(handle) = self.handles.remove(handle)
            && let Handle::Backing(file) = &*handle
            && let Some(backing) = self.backing()
        {
            backing.close_file(file);
        }
    }

    /// Makes a file durable.
    pub(crate) fn sync(&self, handle: u64, data_only: bool) -> Step<()> {
        match self.handles.get(handle).as_deref() {
            Err(errno) => Step::Done(Err(*errno)),
            Ok(Handle::Backing(file)) => match self.backing() {
                None => Step::Done(Err(Errno::STALE)),
                Some(backing) => {
                    let (backing, file) = (Arc::clone(backing), Arc::clone(file));
                    Step::Wait(Box::new(move || backing.sync(&file, data_only)))
                }
            },
            Ok(Handle::Shown(..) | Handle::Directory(_)) => Step::Done(Ok(())),
        }
    }

    /// Reserves, punches or shifts space.
    pub(crate) fn allocate(&self, handle: u64, mode: u32, offset: u64, length: u64) -> Answer<()> {
        let file = self.handles.file(handle)?;
        self.backing().ok_or(Errno::STALE)?.allocate(&file, mode, offset, length)
    }

    /// Finds data or a hole.
    pub(crate) fn seek(&self, handle: u64, to: SeekFrom) -> Answer<u64> {
        match (&*self.handles.get(handle)?, to) {
            (Handle::Backing(file), to) => Backing::seek(file, to),
            (Handle::Shown(_, shown), SeekFrom::Data(offset) | SeekFrom::Hole(offset)) => {
                let size = shown.size().unwrap_or(0);
                match to {
                    _ if offset >= size => Err(Errno::NXIO),
                    SeekFrom::Data(_) => Ok(offset),
                    _ => Ok(size),
                }
            }
            (Handle::Shown(..) | Handle::Directory(_), _) => Err(refused(Refusal::WrongKind)),
        }
    }

    /// Copies between two open backing files; where one is the tree's the kernel copies by reading and writing.
    pub(crate) fn copy(&self, source: (u64, u64), target: (u64, u64), length: u64) -> Step<usize> {
        let files = self.handles.file(source.0).and_then(|from| Ok((from, self.handles.file(target.0)?)));
        match (files, self.backing()) {
            (Ok((from, to)), Some(backing)) => {
                let backing = Arc::clone(backing);
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(COPY_BYTES_MAX);
                Step::Wait(Box::new(move || backing.copy((&from, source.1), (&to, target.1), length)))
            }
            _ => Step::Done(Err(Errno::XDEV)),
        }
    }
}

/// Returns the beginning of a buffer that only ever grows: zeroing it anew for every read costs more than reading.
fn room(buffer: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}
