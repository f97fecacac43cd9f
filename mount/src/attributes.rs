//! What is said about an inode, and the other words of the operations: shared by both sides, free of protocol.

use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Statx, makedev};
use rustix::io::Errno;

/// What an operation gives, or the error number it fails with.
pub(crate) type Answer<T> = Result<T, Errno>;

/// An operation that is done, or one that may wait and so belongs on another thread.
pub(crate) enum Step<T> {
    Done(Answer<T>),
    Wait(Box<dyn FnOnce() -> Answer<T> + Send>),
}

/// Whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A point in time as files have it; nanoseconds count upwards before 1970 as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl Time {
    /// Returns the time as the standard library has it.
    pub(crate) fn to_system(self) -> SystemTime {
        let whole = Duration::from_secs(self.seconds.unsigned_abs());
        let base = if self.seconds < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(whole)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(whole)
        };
        let nanoseconds = Duration::from_nanos(u64::from(self.nanoseconds));
        base.and_then(|base| base.checked_add(nanoseconds)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Returns the time of the standard library as files have it.
    pub(crate) fn from_system(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => {
                Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
            }
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).map_or(i64::MIN, |whole| -whole);
                match before.subsec_nanos() {
                    0 => Self { seconds, nanoseconds: 0 },
                    part => Self { seconds: seconds.saturating_sub(1), nanoseconds: 1_000_000_000 - part },
                }
            }
        }
    }
}

/// A time to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    Now,
    At(Time),
}

/// What is to be changed of an inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) accessed: Option<Stamp>,
    pub(crate) modified: Option<Stamp>,
}

/// What `stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) number: u64,
    pub(crate) kind: FileType,
    /// Permissions with the set-id and sticky bits, without the kind.
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u32,
    pub(crate) size: u64,
    /// In units of 512 bytes.
    pub(crate) blocks: u64,
    pub(crate) block_size: u32,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
}

impl Attributes {
    /// Returns what the backing file system says, under our number.
    pub(crate) fn of(number: u64, stat: &Statx) -> Self {
        let mode = u32::from(stat.stx_mode);
        // The kernel's encoding of device numbers is the lower half of the C library's.
        let device = makedev(stat.stx_rdev_major, stat.stx_rdev_minor) & u64::from(u32::MAX);
        Self {
            number,
            kind: FileType::from_raw_mode(mode),
            mode: mode & 0o7777,
            links: stat.stx_nlink,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            device: u32::try_from(device).unwrap_or_default(),
            size: stat.stx_size,
            blocks: stat.stx_blocks,
            block_size: stat.stx_blksize,
            accessed: Time { seconds: stat.stx_atime.tv_sec, nanoseconds: stat.stx_atime.tv_nsec },
            modified: Time { seconds: stat.stx_mtime.tv_sec, nanoseconds: stat.stx_mtime.tv_nsec },
            changed: Time { seconds: stat.stx_ctime.tv_sec, nanoseconds: stat.stx_ctime.tv_nsec },
        }
    }
}

/// A name's inode, and for how long the kernel may remember both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) attributes: Attributes,
    pub(crate) attributes_for: Duration,
    pub(crate) name_for: Duration,
}

/// What is known of a file system as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) blocks: u64,
    pub(crate) blocks_free: u64,
    pub(crate) blocks_available: u64,
    pub(crate) files: u64,
    pub(crate) files_free: u64,
    pub(crate) block_size: u32,
    pub(crate) fragment_size: u32,
    pub(crate) name_max: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_nanoseconds() {
        let time = Time { seconds: -2, nanoseconds: 999_999_999 };

        assert_eq!(time.to_system(), SystemTime::UNIX_EPOCH - Duration::new(1, 1));
        assert_eq!(Time::from_system(time.to_system()), time);
    }

    #[test]
    fn the_first_time_there_is_does_not_overflow() {
        let time = Time { seconds: i64::MIN, nanoseconds: 0 };

        assert_eq!(Time::from_system(time.to_system()).seconds, i64::MIN);
    }
}
