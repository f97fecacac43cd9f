//! How the outside learns of writes and failures: before a change is acknowledged, whoever pushes has heard of it.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;

/// Lives as long as a change may go on: one operation, or an open handle that may be written to.
///
/// A directory for which one of these lives is never clean, whatever is pushed meanwhile.
pub type Changing = Box<dyn Any + Send + Sync>;

/// What kind of name is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, pipe, socket or device.
    Special,
}

/// Hears what happens in a backing directory. All paths are relative to its root; the root itself is the empty path.
pub trait Observer: Send + Sync + fmt::Debug {
    /// Decides whether a name may be made; the observer keeps the reason of a refusal, which becomes EPERM.
    fn admits(&self, path: &Path, made: Made) -> bool;

    /// Decides whether a directory may be moved with all that is in it. If not (EXDEV), whoever moves it copies file by file.
    fn moves(&self, _source: &Path, _target: &Path) -> bool {
        true
    }

    /// Records durably that something in a directory is about to change; an error fails the operation, and EPERM says that
    /// nothing there may change.
    ///
    /// Of what is directly in the root the path itself is given; the root stands for anything anywhere.
    fn changing(&self, directory: &Path) -> io::Result<Changing>;

    /// Hears that a file or name has changed: written and closed, made, removed, or one side of a rename.
    fn changed(&self, path: &Path);

    /// Returns once everything recorded by [`Observer::changing`] would survive a loss of power: what `fsync` waits for.
    fn settle(&self) -> io::Result<()>;

    /// Hears of an operation that failed for another reason than the caller's: with its error number.
    fn failed(&self, operation: &'static str, path: &Path, errno: i32);
}
