//! Which file an inode is: what stays the same while names change, and what a recycled inode number does not share.

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};
use rustix::io::Errno;
use rustix::{fd::AsFd, path::Arg};

use crate::NodeId;
use crate::attributes::Answer;

/// A file of the backing file system for as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
    born: (i64, u32),
}

impl Identity {
    pub(super) fn of(stat: &Statx) -> Self {
        // File systems without a time of birth leave it zero.
        Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec),
        }
    }

    /// Returns the number that the file is shown under unless another file already has it.
    ///
    /// It is a function of the identity so that it survives forgetting and remounting: `git` and `rsync` compare inode
    /// numbers with those they remember. A later file at a recycled inode was born at another time and gets another.
    pub(super) fn number(&self) -> u64 {
        let device = (u64::from(self.device.0) << 32) | u64::from(self.device.1);
        let seconds = self.born.0.cast_unsigned();
        [device, self.inode, seconds, u64::from(self.born.1)].into_iter().fold(0, mixed) | NodeId::END
    }
}

/// Stirs a word into a hash: multiplications by odd constants with shifts between them, so that every bit counts.
const fn mixed(hash: u64, word: u64) -> u64 {
    let mut mixed = hash.rotate_left(23) ^ word;
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xa076_1d64_78bd_642f);
    mixed ^ (mixed >> 32)
}

/// Says what is known of an open file.
pub(super) fn stat_open(file: impl AsFd) -> Answer<Statx> {
    stat_at(file, "", AtFlags::EMPTY_PATH)
}

/// Says what is known of a name in a directory; a symbolic link is described itself.
pub(super) fn stat_name(directory: impl AsFd, name: impl Arg) -> Answer<Statx> {
    stat_at(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn stat_at(directory: impl AsFd, name: impl Arg, flags: AtFlags) -> Answer<Statx> {
    let stat = statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
    if stat.stx_mask & StatxFlags::BASIC_STATS.bits() & StatxFlags::INO.bits() == 0 {
        return Err(Errno::NOSYS);
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Identity = Identity { device: (254, 0), inode: 12, born: (1_700_000_000, 5) };

    #[test]
    fn numbers_belong_to_the_backing_side() {
        assert!(FILE.number() >= NodeId::END);
    }

    #[test]
    fn every_part_of_an_identity_counts() {
        let others = [
            Identity { device: (254, 1), ..FILE },
            Identity { inode: 13, ..FILE },
            Identity { born: (1_700_000_001, 5), ..FILE },
            Identity { born: (1_700_000_000, 6), ..FILE },
        ];

        assert_eq!(others.iter().filter(|other| other.number() == FILE.number()).count(), 0);
    }

    #[test]
    fn many_files_have_many_numbers() {
        let numbers: std::collections::HashSet<u64> =
            (0..100_000).map(|inode| Identity { inode, ..FILE }.number()).collect();

        assert_eq!(numbers.len(), 100_000);
    }
}
