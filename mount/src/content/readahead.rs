//! When to fetch before being asked: a window that doubles while a file is read from front to back.

use std::ops::Range;

/// The window never grows beyond this many bytes.
const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// The share of the budget that one file's window may take.
const BUDGET_SHARE: u64 = 8;

/// Reads this close to where the last one ended still go front to back: the kernel's own readahead is out of order.
const SLACK_BYTES: u64 = 1 << 20;

/// What has been read of a file through one open.
#[derive(Debug, Default)]
pub(super) struct Readahead {
    position: u64,
    run: u64,
}

impl Readahead {
    /// Takes note of a read and returns the blocks to have next: after the last one read, none if reads are random.
    pub(super) fn next(&mut self, read: &Range<u64>, block_bytes: u64, bytes_max: u64) -> Range<u64> {
        let near = self.position.saturating_sub(SLACK_BYTES)..=self.position.saturating_add(SLACK_BYTES);
        if near.contains(&read.start) {
            self.run = self.run.saturating_add(read.end.saturating_sub(self.position));
            self.position = self.position.max(read.end);
        } else {
            (self.position, self.run) = (read.end, 0);
        }
        let last = read.end.saturating_sub(1) / block_bytes;
        last + 1..last + 1 + self.window(block_bytes, bytes_max)
    }

    // Half of what was read in one go, in powers of two: the window doubles each time that much more was read.
    fn window(&self, block_bytes: u64, bytes_max: u64) -> u64 {
        if self.run < block_bytes / 4 {
            return 0;
        }
        let wanted = (self.run / block_bytes).max(1);
        (1 << wanted.ilog2()).min(WINDOW_BYTES_MAX.min(bytes_max / BUDGET_SHARE) / block_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn windows(reads: impl IntoIterator<Item = Range<u64>>, bytes_max: u64) -> Vec<u64> {
        let mut readahead = Readahead::default();
        reads
            .into_iter()
            .map(|read| {
                let next = readahead.next(&read, 4 * MIB, bytes_max);
                next.end - next.start
            })
            .collect()
    }

    #[test]
    fn the_window_doubles_while_reading_front_to_back() {
        let reads = (0..40).map(|block| block * 4 * MIB..(block + 1) * 4 * MIB);

        let windows = windows(reads, 1 << 40);

        assert_eq!(windows[..9], [1, 2, 2, 4, 4, 4, 4, 8, 8]);
        assert_eq!(windows[39], 16);
    }

    #[test]
    fn the_window_keeps_to_its_share_of_the_budget() {
        let reads = (0..40).map(|block| block * 4 * MIB..(block + 1) * 4 * MIB);

        assert_eq!(windows(reads, 64 * MIB).into_iter().max(), Some(2));
    }

    #[test]
    fn a_glance_at_the_beginning_fetches_nothing_more() {
        assert_eq!(windows([0..4096, 4096..65536], 256 * MIB), [0, 0]);
    }

    #[test]
    fn random_reads_fetch_nothing_more() {
        let reads = [0..2 * MIB, 400 * MIB..401 * MIB, 90 * MIB..92 * MIB, 5 * MIB..6 * MIB];

        assert_eq!(windows(reads, 256 * MIB), [1, 0, 0, 0]);
    }

    #[test]
    fn small_disorder_is_still_front_to_back() {
        let (kib, mut readahead) = (1 << 10, Readahead::default());
        for read in [0..128 * kib, 256 * kib..384 * kib, 128 * kib..256 * kib, 384 * kib..1536 * kib] {
            readahead.next(&read, 4 * MIB, 256 * MIB);
        }

        assert_eq!(readahead.next(&(1536 * kib..1664 * kib), 4 * MIB, 256 * MIB), 1..2);
    }
}
