//! From text to tree: one pass over the parser's events with a stack of our own, so that depth is a number we choose.

use std::collections::BTreeMap;

use indexmap::map::Entry as Slot;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::quick::parse_plainest;
use super::{Entry, Limits, Mapping, Node, Scalar, Style, YamlError};

/// Returns the one document in `text`; an empty text is an unquoted null.
pub fn parse(text: &str, limits: Limits) -> Result<Node, YamlError> {
    match parse_plainest(text, limits) {
        Some(document) => Ok(document),
        None => parse_fully(text, limits),
    }
}

/// Returns the same with the full parser, for documents of every kind.
pub(super) fn parse_fully(text: &str, limits: Limits) -> Result<Node, YamlError> {
    if text.len() > limits.bytes_max {
        return Err(YamlError::TooLarge { limit: limits.bytes_max, unit: "bytes" });
    }
    let mut builder = Builder::new(limits);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info().to_owned(),
        })?;
        builder.accept(event, span)?;
    }
    Ok(builder.document.unwrap_or_else(|| Scalar::bare("").into()))
}

/// A sequence or mapping that is not finished.
#[derive(Debug)]
struct Open {
    anchor: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Sequence(Vec<Node>),
    Mapping { mapping: Mapping, key: Option<Scalar> },
}

/// What an anchor stands for and what another copy of it costs.
#[derive(Debug)]
struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Builder {
    limits: Limits,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    document: Option<Node>,
    documents: usize,
    nodes: usize,
    bytes: usize,
}

impl Builder {
    fn new(limits: Limits) -> Self {
        Self { limits, open: Vec::new(), anchors: BTreeMap::new(), document: None, documents: 0, nodes: 0, bytes: 0 }
    }

    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.start_document(line),
            Event::Alias(anchor) => self.repeat(anchor, line),
            Event::Scalar(text, style, anchor, tag) => {
                let style = resolve_style(style, tag.as_deref(), line)?;
                self.charge(1, text.len())?;
                self.finish(Scalar { text: text.into_owned(), style }.into(), anchor, line)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), line)?;
                self.start(anchor, Content::Sequence(Vec::new()), line)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), line)?;
                self.start(anchor, Content::Mapping { mapping: Mapping::default(), key: None }, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
        }
    }

    fn start_document(&mut self, line: usize) -> Result<(), YamlError> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(YamlError::Unsupported { line, feature: "several documents in one file" });
        }
        Ok(())
    }

    fn charge(&mut self, nodes: usize, bytes: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > self.limits.nodes_max {
            return Err(YamlError::TooLarge { limit: self.limits.nodes_max, unit: "nodes" });
        }
        // Twice: escapes of two bytes can stand for characters of three, and a few aliases are honest.
        if self.bytes > self.limits.bytes_max.saturating_mul(2) {
            return Err(YamlError::TooLarge { limit: self.limits.bytes_max.saturating_mul(2), unit: "bytes of text" });
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, content: Content, line: usize) -> Result<(), YamlError> {
        if self.expects_key() {
            return Err(YamlError::Unsupported { line, feature: "keys other than scalars" });
        }
        if self.open.len() >= self.limits.depth_max {
            return Err(YamlError::TooLarge { limit: self.limits.depth_max, unit: "levels" });
        }
        self.charge(1, 0)?;
        self.open.push(Open { anchor, content });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    fn end(&mut self, line: usize) -> Result<(), YamlError> {
        let Some(Open { anchor, content }) = self.open.pop() else {
            return Err(YamlError::Syntax { line, column: 1, reason: "nothing to close".to_owned() });
        };
        let node = match content {
            Content::Sequence(elements) => Node::Sequence(elements),
            Content::Mapping { mapping, .. } => Node::Mapping(mapping),
        };
        self.finish(node, anchor, line)
    }

    fn repeat(&mut self, anchor: usize, line: usize) -> Result<(), YamlError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(YamlError::Unsupported { line, feature: "aliases of an enclosing node" });
        };
        let (nodes, bytes) = (anchored.nodes, anchored.bytes);
        // Paid before it is copied: a document of a few bytes must not make us copy gigabytes.
        self.charge(nodes, bytes)?;
        let node = self.anchors.get(&anchor).map(|anchored| anchored.node.clone());
        if let Some(node) = &node
            && self.open.len() + depth(node) > self.limits.depth_max
        {
            return Err(YamlError::TooLarge { limit: self.limits.depth_max, unit: "levels" });
        }
        node.map_or(Ok(()), |node| self.finish(node, 0, line))
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, line: usize) -> Result<(), YamlError> {
        if anchor != 0 {
            let (nodes, bytes) = cost(&node);
            // The copy kept for aliases is paid for too: every node of a deep tree may have an anchor of its own.
            self.charge(nodes, bytes)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, bytes });
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document = Some(node),
            Some(Content::Sequence(elements)) => elements.push(node),
            Some(Content::Mapping { mapping, key }) => match (key.take(), node) {
                (Some(key), value) => insert(mapping, key, value, line)?,
                (None, Node::Scalar(scalar)) => *key = Some(scalar),
                (None, Node::Sequence(_) | Node::Mapping(_)) => {
                    return Err(YamlError::Unsupported { line, feature: "keys other than scalars" });
                }
            },
        }
        Ok(())
    }
}

fn insert(mapping: &mut Mapping, key: Scalar, value: Node, line: usize) -> Result<(), YamlError> {
    match mapping.entries.entry(key.text) {
        Slot::Occupied(taken) => {
            let key = taken.key().chars().take(80).flat_map(char::escape_default).collect();
            Err(YamlError::RepeatedKey { line, key })
        }
        Slot::Vacant(slot) => {
            slot.insert(Entry { key_style: key.style, value });
            Ok(())
        }
    }
}

fn resolve_style(style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Style, YamlError> {
    check_tag(tag, line)?;
    match (style, tag) {
        // `!!str 1` and `! 1` say "a string" as loudly as quotes do.
        (ScalarStyle::Plain, Some(tag)) if tag.suffix == "str" || tag.suffix.is_empty() => Ok(Style::Quoted),
        (ScalarStyle::Plain, _) => Ok(Style::Plain),
        (ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded, _) => {
            Ok(Style::Quoted)
        }
    }
}

fn check_tag(tag: Option<&Tag>, line: usize) -> Result<(), YamlError> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() || (tag.handle == "!" && tag.suffix.is_empty()) => Ok(()),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(()),
        Some(_) => Err(YamlError::Unsupported { line, feature: "tags of other schemas" }),
    }
}

fn cost(node: &Node) -> (usize, usize) {
    match node {
        Node::Scalar(scalar) => (1, scalar.text.len()),
        Node::Sequence(elements) => elements.iter().map(cost).fold((1, 0), add),
        Node::Mapping(mapping) => mapping.iter().map(|(key, value)| add(cost(value), (1, key.len()))).fold((1, 0), add),
    }
}

fn add(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
}

fn depth(node: &Node) -> usize {
    match node {
        Node::Scalar(_) => 0,
        Node::Sequence(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Node::Mapping(mapping) => 1 + mapping.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
    }
}
