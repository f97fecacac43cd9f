//! Shows a directory read-write at `MOUNTPOINT/own`, and nothing else: what conformance suites are run against.
//!
//! `mirror DIRECTORY MOUNTPOINT [off] [mine]`; `off` sends every byte through the process, `mine` shows it to nobody else.
//! It ends when it is unmounted.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use swamp_mount::{
    Access, Attr, CACHE_BYTES_DEFAULT, Changing, Entry, Fetched, Kind, Made, NodeId, Observer, Opened, Options, Part,
    Passthrough, Tree, TreeError, Waited, Writable, serve,
};

/// A root without entries.
#[derive(Debug)]
struct Bare;

impl Tree for Bare {
    fn attr(&self, _node: NodeId) -> Result<Attr, TreeError> {
        Ok(Attr { kind: Kind::Directory, size: None, modified: SystemTime::UNIX_EPOCH })
    }

    fn lookup(&self, _directory: NodeId, _name: &str) -> Result<(NodeId, Attr), TreeError> {
        Err(TreeError::NotFound)
    }

    fn entries(&self, _directory: NodeId, _after: Option<&str>, _limit: usize) -> Result<Vec<Entry>, TreeError> {
        Ok(Vec::new())
    }

    fn open(&self, _file: NodeId) -> Result<Opened, TreeError> {
        Err(TreeError::IsADirectory)
    }

    fn fetch(&self, _file: NodeId, _part: &Part) -> Result<Fetched, TreeError> {
        Err(TreeError::NotFound)
    }
}

/// Admits everything and remembers nothing.
#[derive(Debug)]
struct Indifferent;

impl Observer for Indifferent {
    fn admits(&self, _path: &Path, _made: Made) -> bool {
        true
    }

    fn changing(&self, _directory: &Path) -> io::Result<Changing> {
        Ok(Box::new(()) as Box<dyn Any + Send + Sync>)
    }

    fn changed(&self, _path: &Path) {}

    fn settle(&self) -> io::Result<()> {
        Ok(())
    }

    fn failed(&self, _operation: &'static str, _path: &Path, _errno: i32) {}
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [directory, mountpoint, rest @ ..] = arguments.as_slice() else {
        return Err("usage: mirror DIRECTORY MOUNTPOINT [off] [mine]".into());
    };
    let has = |word: &str| rest.iter().any(|argument| argument == word);
    let passthrough = if has("off") { Passthrough::Off } else { Passthrough::Auto };
    let access = if has("mine") { Access::Owner } else { Access::Everybody };
    let options = Options {
        mountpoint: mountpoint.into(),
        source: "mirror".to_owned(),
        tree: Arc::new(Bare),
        writable: Some(Writable {
            name: "own".to_owned(),
            directory: directory.into(),
            overlay: Vec::new(),
            observer: Arc::new(Indifferent),
        }),
        read_only: false,
        access,
        passthrough,
        owner: (0, 0),
        cache_bytes: CACHE_BYTES_DEFAULT,
        deadline: Duration::from_secs(30),
    };
    let served = serve(&options, |_| ())?;
    while served.mount().wait(Duration::from_hours(1))? == Waited::Served {}
    Ok(())
}
