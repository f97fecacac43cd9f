//! Error numbers: the one table of what a failure looks like to whoever uses the mount.
//!
//! Failures of the backing file system pass through as they are; everything else has a row here, and the documentation
//! is made from the rows.

use std::io;

use rustix::io::Errno;

use crate::TreeError;

/// A situation of the mount's own and the error number it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrnoRow {
    /// What was tried, or what went wrong.
    pub situation: &'static str,
    /// The name of the error number.
    pub errno: &'static str,
}

/// Why the mount refuses an operation that no file system has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    /// A change to something that is only shown.
    ReadOnly,
    /// A rename or link that leaves the writable directory or enters it, or a directory's to where the observer wants none.
    Across,
    /// A name that has no place in what is pushed, or a change of what belongs to the datastore itself.
    NotAdmitted,
    /// A change could not be recorded before it was made.
    NotRecorded,
    /// What a number stood for is no longer there.
    Gone,
    /// A handle that was never given out, or an operation it was not opened for.
    BadHandle,
    /// An operation that the mount leaves to the kernel.
    LeftToKernel,
    /// A control command to a device.
    Ioctl,
    /// A name longer than 255 bytes.
    NameTooLong,
    /// A name that cannot be one: empty, `.`, `..`, or with a slash.
    BadName,
    /// A change of a directory that something is a file in, or the reverse.
    NotADirectory,
    /// Reading the bytes of a directory.
    IsADirectory,
    /// Asking for the target of what is no symbolic link, or another operation that its kind has not.
    WrongKind,
    /// No answer within the deadline.
    TimedOut,
    /// Too much is waiting already, or a handler panicked.
    Failed,
}

/// Returns the error number of a refusal.
pub(crate) const fn refused(refusal: Refusal) -> Errno {
    match refusal {
        Refusal::ReadOnly => Errno::ROFS,
        Refusal::Across => Errno::XDEV,
        Refusal::NotAdmitted => Errno::PERM,
        Refusal::NotRecorded | Refusal::Failed => Errno::IO,
        Refusal::Gone => Errno::STALE,
        Refusal::BadHandle => Errno::BADF,
        Refusal::LeftToKernel => Errno::NOSYS,
        Refusal::Ioctl => Errno::NOTTY,
        Refusal::NameTooLong => Errno::NAMETOOLONG,
        Refusal::BadName | Refusal::WrongKind => Errno::INVAL,
        Refusal::NotADirectory => Errno::NOTDIR,
        Refusal::IsADirectory => Errno::ISDIR,
        Refusal::TimedOut => Errno::TIMEDOUT,
    }
}

/// Returns the error number of a tree's failure.
pub(crate) const fn of_tree(error: TreeError) -> Errno {
    match error {
        TreeError::NotFound => Errno::NOENT,
        TreeError::NotADirectory => Errno::NOTDIR,
        TreeError::IsADirectory => Errno::ISDIR,
        TreeError::Stale => Errno::STALE,
        TreeError::Denied => Errno::ACCESS,
        TreeError::Unreachable => Errno::HOSTUNREACH,
        TreeError::TimedOut => Errno::TIMEDOUT,
        TreeError::Input => Errno::IO,
    }
}

/// Returns the error number that an error of this machine came with.
pub(crate) fn of_io(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Whether the machine is to blame rather than the caller: such failures are reported to the observer.
pub(crate) fn is_fault(errno: Errno) -> bool {
    [Errno::IO, Errno::NOSPC, Errno::ROFS, Errno::DQUOT, Errno::NFILE, Errno::MFILE, Errno::NOMEM].contains(&errno)
}

const REFUSALS: [(Refusal, &str); 15] = [
    (Refusal::ReadOnly, "any change outside the own namespace, in a view, in `.swamp`, or of a read-only mount"),
    (
        Refusal::Across,
        "rename or link into or out of the own namespace, or of a directory to where its files have no place",
    ),
    (
        Refusal::NotAdmitted,
        "making or changing a name that has no place in the index; the reason is in `.swamp/errors`",
    ),
    (Refusal::NotRecorded, "the change could not be recorded for the push, so it was not made"),
    (Refusal::Gone, "a file was replaced or removed behind the mount; looking it up again helps"),
    (Refusal::BadHandle, "an operation on a handle that was not opened for it"),
    (Refusal::LeftToKernel, "extended attributes, and what the kernel does better itself"),
    (Refusal::Ioctl, "ioctl"),
    (Refusal::NameTooLong, "a name longer than 255 bytes"),
    (Refusal::BadName, "a name that cannot be one"),
    (Refusal::NotADirectory, "a file where a directory must be"),
    (Refusal::IsADirectory, "a directory where a file must be"),
    (Refusal::WrongKind, "an operation that a thing of its kind does not have"),
    (Refusal::TimedOut, "no answer within the deadline"),
    (Refusal::Failed, "a handler panicked, or too much is waiting already; the mount lives on"),
];

const FAILURES: [(TreeError, &str); 8] = [
    (TreeError::NotFound, "there is no such name"),
    (TreeError::NotADirectory, "a name looked up in a file of a view"),
    (TreeError::IsADirectory, "opening a directory of a view as a file"),
    (TreeError::Stale, "foreign content is gone or has another version; opening it again looks it up anew"),
    (TreeError::Denied, "the datastore denies access, or the object is archived"),
    (TreeError::Unreachable, "the datastore cannot be reached, or has not been for the last attempts"),
    (TreeError::TimedOut, "the datastore did not answer in time"),
    (TreeError::Input, "wrong length or digest, or the datastore failed after retries"),
];

/// Returns every situation of the mount's own with its error number, then how the backing directory's failures look.
pub fn errno_rows() -> Vec<ErrnoRow> {
    let refusals = REFUSALS.iter().map(|&(refusal, situation)| ErrnoRow { situation, errno: name(refused(refusal)) });
    let failures = FAILURES.iter().map(|&(error, situation)| ErrnoRow { situation, errno: name(of_tree(error)) });
    let passed = [
        ErrnoRow { situation: "the disk of the own namespace is full", errno: "ENOSPC" },
        ErrnoRow { situation: "the quota of the own namespace's disk is used up", errno: "EDQUOT" },
        ErrnoRow { situation: "any other failure of the own namespace's file system", errno: "as it is" },
    ];
    refusals.chain(failures).chain(passed).collect()
}

/// Returns the error number that a tree's failure becomes.
pub const fn errno(error: TreeError) -> i32 {
    of_tree(error).raw_os_error()
}

/// Returns the name of an error number; of one that a mount does not answer with itself only that it is another.
pub const fn errno_name(errno: i32) -> &'static str {
    name(Errno::from_raw_os_error(errno))
}

/// Returns the name of an error number that the table uses.
const fn name(errno: Errno) -> &'static str {
    match errno {
        Errno::IO => "EIO",
        Errno::NOSPC => "ENOSPC",
        Errno::DQUOT => "EDQUOT",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOMEM => "ENOMEM",
        Errno::EXIST => "EEXIST",
        Errno::ROFS => "EROFS",
        Errno::XDEV => "EXDEV",
        Errno::PERM => "EPERM",
        Errno::STALE => "ESTALE",
        Errno::BADF => "EBADF",
        Errno::NOSYS => "ENOSYS",
        Errno::NOTTY => "ENOTTY",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::INVAL => "EINVAL",
        Errno::NOTDIR => "ENOTDIR",
        Errno::ISDIR => "EISDIR",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::NOENT => "ENOENT",
        Errno::ACCESS => "EACCES",
        Errno::HOSTUNREACH => "EHOSTUNREACH",
        _ => "another error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_and_failure_has_one_row() {
        let refusals: std::collections::HashSet<_> = REFUSALS.iter().map(|row| row.0).collect();
        let failures: std::collections::HashSet<_> = FAILURES.iter().map(|row| row.0).collect();

        assert_eq!((refusals.len(), failures.len()), (REFUSALS.len(), FAILURES.len()));
        assert_eq!(errno_rows().len(), REFUSALS.len() + FAILURES.len() + 3);
    }

    #[test]
    fn only_failures_are_called_input_output_errors() {
        let named = errno_rows().into_iter().filter(|row| row.errno == "EIO").count();

        assert_eq!(named, 3);
    }

    #[test]
    fn errors_of_the_machine_pass_through() {
        assert_eq!(of_io(&io::Error::from_raw_os_error(28)), Errno::NOSPC);
        assert_eq!(of_io(&io::Error::other("no number")), Errno::IO);
    }
}
