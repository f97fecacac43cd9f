//! How an object is cut into what is fetched at once, and what a fetched piece must be like. Pure arithmetic.

use std::ops::Range;

use crate::{Fetched, Part, TreeError};

/// Objects up to this size are fetched as a whole: one request for a small file.
const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Larger ones, and those of unknown size, are fetched in blocks of this size.
const BLOCK_BYTES_MAX: u64 = 4 << 20;

/// However small the budget, what one read of the kernel may want is fetched at once.
const BLOCK_BYTES_MIN: u64 = 128 << 10;

/// How an object is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Not at all: its only block is number 0.
    Whole,
    /// Into blocks of this many bytes.
    Blocks(u64),
}

/// What the first piece of an object told about all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) version: Option<String>,
}

impl Layout {
    /// Chooses for an object of a size and a budget, which a few pieces must fit in.
    pub(super) fn choose(size: Option<u64>, bytes_max: u64) -> Self {
        let whole_max = WHOLE_BYTES_MAX.min((bytes_max / 2).max(BLOCK_BYTES_MIN));
        if size.is_some_and(|size| size <= whole_max) {
            return Self::Whole;
        }
        let quarter = (bytes_max / 4).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
        Self::Blocks(1 << quarter.ilog2())
    }

    /// Returns the number of the block that holds a byte.
    pub(super) fn block_of(self, offset: u64) -> u64 {
        match self {
            Self::Whole => 0,
            Self::Blocks(length) => offset / length,
        }
    }

    /// Returns where a block begins.
    pub(super) fn start_of(self, block: u64) -> u64 {
        match self {
            Self::Whole => 0,
            Self::Blocks(length) => block.saturating_mul(length),
        }
    }

    /// Returns the blocks that hold some bytes, of which there is at least one.
    pub(super) fn blocks_of(self, bytes: &Range<u64>) -> Range<u64> {
        self.block_of(bytes.start)..self.block_of(bytes.end - 1) + 1
    }

    /// Returns how many bytes a block is expected to have; `size` is the best that is known.
    pub(super) fn length_of(self, block: u64, size: Option<u64>) -> u64 {
        let rest = size.map_or(u64::MAX, |size| size.saturating_sub(self.start_of(block)));
        match self {
            Self::Whole => rest,
            Self::Blocks(length) => rest.min(length),
        }
    }

    /// Returns what to ask a tree for to get a block.
    pub(super) fn part(self, block: u64, facts: Option<&Facts>) -> Part {
        match self {
            Self::Whole => Part::Whole,
            Self::Blocks(length) => {
                let start = self.start_of(block);
                let bytes = start..start.saturating_add(length);
                Part::Range { bytes, version: facts.and_then(|facts| facts.version.clone()) }
            }
        }
    }

    /// Checks what came for a block: of the version that was begun with, and as long as it must be.
    pub(super) fn check(self, block: u64, facts: Option<&Facts>, fetched: &Fetched) -> Result<(), TreeError> {
        if facts.is_some_and(|facts| facts.size != fetched.size || facts.version != fetched.version) {
            return Err(TreeError::Stale);
        }
        if fetched.bytes.len() as u64 != self.length_of(block, Some(fetched.size)) {
            return Err(TreeError::Input);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn facts(size: u64, version: &str) -> Facts {
        Facts { size, version: Some(version.to_owned()) }
    }

    fn fetched(length: usize, size: u64, version: &str) -> Fetched {
        Fetched { bytes: Bytes::from(vec![7; length]), version: Some(version.to_owned()), size }
    }

    #[test]
    fn small_objects_are_whole_and_the_rest_is_cut() {
        let chosen = [Some(0), Some(8 * MIB), Some(8 * MIB + 1), None].map(|size| Layout::choose(size, 256 * MIB));

        let blocks = Layout::Blocks(4 * MIB);
        assert_eq!(chosen, [Layout::Whole, Layout::Whole, blocks, blocks]);
    }

    #[test]
    fn a_small_budget_makes_small_pieces() {
        let chosen = [Some(600 << 10), Some(500 << 10), None].map(|size| Layout::choose(size, MIB));

        assert_eq!(chosen, [Layout::Blocks(256 << 10), Layout::Whole, Layout::Blocks(256 << 10)]);
        assert_eq!(Layout::choose(None, 0), Layout::Blocks(128 << 10));
    }

    #[test]
    fn blocks_cover_every_read_exactly() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            let (layout, size) = (Layout::Blocks(1 << random.u32(1..8)), random.u64(1..1_000));
            let start = random.u64(0..size);
            let bytes = start..random.u64(start + 1..=size);

            let mut covered = layout.start_of(layout.block_of(start));
            for block in layout.blocks_of(&bytes) {
                assert_eq!(layout.start_of(block), covered);
                covered += layout.length_of(block, Some(size));
                assert!(covered > bytes.start);
            }
            assert!(covered >= bytes.end);
        }
    }

    #[test]
    fn pieces_of_the_wrong_length_are_refused() {
        let layout = Layout::Blocks(4);

        let checked = [(0, 4, 10), (0, 3, 10), (2, 2, 10), (2, 4, 10), (3, 0, 10), (0, 0, 0)]
            .map(|(block, length, size)| layout.check(block, None, &fetched(length, size, "a")));

        assert_eq!(checked, [Ok(()), Err(TreeError::Input), Ok(()), Err(TreeError::Input), Ok(()), Ok(())]);
        assert_eq!(Layout::Whole.check(0, None, &fetched(4, 5, "a")), Err(TreeError::Input));
    }

    #[test]
    fn pieces_of_another_version_are_stale() {
        let layout = Layout::Blocks(4);

        let checked = [fetched(4, 10, "b"), fetched(4, 11, "a"), fetched(4, 10, "a")]
            .map(|fetched| layout.check(1, Some(&facts(10, "a")), &fetched));

        assert_eq!(checked, [Err(TreeError::Stale), Err(TreeError::Stale), Ok(())]);
    }

    #[test]
    fn later_pieces_are_asked_for_by_version() {
        let asked = [None, Some(&facts(10, "a"))].map(|facts| Layout::Blocks(4).part(1, facts));

        let part = |version: Option<&str>| Part::Range { bytes: 4..8, version: version.map(str::to_owned) };
        assert_eq!(asked, [part(None), part(Some("a"))]);
    }
}
