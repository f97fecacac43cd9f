//! Words of the protocol and ours.

use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, INodeNo, Request, TimeOrNow};
use rustix::fs::{OFlags, SeekFrom};

use crate::attributes::{Answer, Attributes, Caller, Stamp, Time};
use crate::errno::{Refusal, refused};

pub(super) fn code(errno: rustix::io::Errno) -> Errno {
    Errno::from_i32(errno.raw_os_error())
}

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid() }
}

pub(super) const fn open_flags(flags: i32) -> OFlags {
    OFlags::from_bits_retain(flags.cast_unsigned())
}

pub(super) const fn kind(kind: rustix::fs::FileType) -> FileType {
    match kind {
        rustix::fs::FileType::Directory => FileType::Directory,
        rustix::fs::FileType::Symlink => FileType::Symlink,
        rustix::fs::FileType::Fifo => FileType::NamedPipe,
        rustix::fs::FileType::Socket => FileType::Socket,
        rustix::fs::FileType::CharacterDevice => FileType::CharDevice,
        rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
        rustix::fs::FileType::RegularFile | rustix::fs::FileType::Unknown => FileType::RegularFile,
    }
}

pub(super) fn attr(attributes: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(attributes.number),
        size: attributes.size,
        blocks: attributes.blocks,
        atime: attributes.accessed.to_system(),
        mtime: attributes.modified.to_system(),
        ctime: attributes.changed.to_system(),
        crtime: SystemTime::UNIX_EPOCH,
        kind: kind(attributes.kind),
        perm: u16::try_from(attributes.mode & 0o7777).unwrap_or_default(),
        nlink: attributes.links,
        uid: attributes.uid,
        gid: attributes.gid,
        rdev: attributes.device,
        blksize: attributes.block_size,
        flags: 0,
    }
}

/// Returns the entry that says that there is none.
pub(super) const fn missing() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: SystemTime::UNIX_EPOCH,
        mtime: SystemTime::UNIX_EPOCH,
        ctime: SystemTime::UNIX_EPOCH,
        crtime: SystemTime::UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

pub(super) fn stamp(time: TimeOrNow) -> Stamp {
    match time {
        TimeOrNow::Now => Stamp::Now,
        TimeOrNow::SpecificTime(time) => Stamp::At(sent(time)),
    }
}

/// Returns the time the kernel sent. Before 1970 fuser 0.18 counts the nanoseconds downwards with the seconds, where
/// the kernel counts them upwards: the same two numbers are taken out again as they were put in.
fn sent(time: SystemTime) -> Time {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Time::from_system(time),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).map_or(i64::MIN, |seconds| -seconds);
            Time { seconds, nanoseconds: before.subsec_nanos() }
        }
    }
}

pub(super) fn seek(offset: i64, whence: i32) -> Answer<SeekFrom> {
    const SEEK_DATA: i32 = 3;
    const SEEK_HOLE: i32 = 4;
    match (u64::try_from(offset), whence) {
        (Ok(offset), SEEK_DATA) => Ok(SeekFrom::Data(offset)),
        (Ok(offset), SEEK_HOLE) => Ok(SeekFrom::Hole(offset)),
        (Err(_), SEEK_DATA | SEEK_HOLE) => Err(rustix::io::Errno::NXIO),
        _ => Err(refused(Refusal::WrongKind)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_1970_arrive_as_they_were_sent() {
        // What fuser makes of { tv_sec: -2, tv_nsec: 5 }.
        let received = SystemTime::UNIX_EPOCH - Duration::new(2, 5);

        assert_eq!(sent(received), Time { seconds: -2, nanoseconds: 5 });
    }
}
