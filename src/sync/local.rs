//! Looking at the files of a cache: what is there, and whether it is what was verified last.

use std::path::Path;

use super::plan::Local;
use crate::fsutil::{self, FileError};
use crate::index::{Known, Stamp, Verified};
use crate::path::RelPath;

/// The longest tick of a kernel's clock for files, in nanoseconds, and one of ours to be sure.
const TICK_NS_MAX: i64 = 12_000_000;

/// How often a file that changes is given a moment.
const RIPENINGS_MAX: u32 = 2;

/// Returns a file as it is now; it is read only if it may differ from what is known or was `hashed` a moment ago.
pub(super) fn examine(
    root: &Path,
    path: &RelPath,
    known: Option<&Known>,
    hashed: Option<&Verified>,
) -> Result<Local, FileError> {
    let file = path.under(root);
    let metadata = match std::fs::symlink_metadata(&file) {
        Ok(metadata) if metadata.is_file() => metadata,
        // A link or a directory in the place of a file is not the file.
        Ok(_) => return Ok(Local::Absent { is_parent_gone: false }),
        Err(error) if is_absent(&error) || error.kind() == std::io::ErrorKind::InvalidFilename => {
            let is_parent_gone = file.parent().is_some_and(|parent| !parent.is_dir());
            return Ok(Local::Absent { is_parent_gone });
        }
        Err(error) => return Err(FileError::at("examine", &file)(error)),
    };
    let (stamp, is_distinct) = ripe(&file, Stamp::from(&metadata))?;
    let held = known.and_then(|known| known.local.as_ref());
    if let Some(same) = held.into_iter().chain(hashed).find(|held| held.stamp == stamp) {
        return Ok(Local::Present(same.clone()));
    }
    match fsutil::digest_file(&file) {
        // Length and hash of the same read; a file that is being written differs next time.
        Ok(digested) => {
            // A stamp that no file has: it is looked at again the next time.
            let mtime_ns = if is_distinct { stamp.mtime_ns } else { i64::MIN };
            let stamp = Stamp { size: digested.size, mtime_ns, ..stamp };
            Ok(Local::Present(Verified { stamp, sha256: digested.sha256 }))
        }
        Err(error) if error.is_not_found() => Ok(Local::Absent { is_parent_gone: false }),
        Err(error) => Err(error),
    }
}

/// Returns the stamp of a file once a write to the file would change it, and whether that came to be.
///
/// Times of files move in ticks of the kernel: a write in the tick of the last one leaves no trace. So a file that has
/// just changed is given a moment before it is read; one that goes on changing is not waited for.
#[expect(clippy::disallowed_methods, reason = "the kernel's time is compared with the kernel's time, and waited for")]
fn ripe(file: &Path, first: Stamp) -> Result<(Stamp, bool), FileError> {
    let mut stamp = first;
    for _ in 0..RIPENINGS_MAX {
        // In full nanoseconds: rounded down, the moment given would end before its time.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let age_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX).saturating_sub(stamp.ctime_ns);
        let left_ns = TICK_NS_MAX - age_ns;
        // A time that lies further ahead is not of this clock.
        if left_ns <= 0 || left_ns > 2 * TICK_NS_MAX {
            return Ok((stamp, true));
        }
        std::thread::sleep(std::time::Duration::from_nanos(left_ns.unsigned_abs()));
        match std::fs::symlink_metadata(file) {
            Ok(metadata) => stamp = Stamp::from(&metadata),
            // Reading it will tell.
            Err(error) if is_absent(&error) => return Ok((stamp, true)),
            Err(error) => return Err(FileError::at("examine", file)(error)),
        }
    }
    Ok((stamp, false))
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Visits every regular file that is `path` or lies below it, as paths relative to `root`. Names that cannot be keys
/// are passed to `odd`.
pub(super) fn files_below(
    root: &Path,
    path: Option<&RelPath>,
    visit: &mut dyn FnMut(RelPath),
    odd: &mut dyn FnMut(String),
) -> Result<(), FileError> {
    let start = path.map_or_else(|| root.to_owned(), |path| path.under(root));
    let mut found = |file: &Path| match RelPath::between(root, file) {
        Ok(path) => visit(path),
        Err(error) => odd(error.to_string()),
    };
    match std::fs::symlink_metadata(&start) {
        Ok(metadata) if metadata.is_file() => {
            found(&start);
            Ok(())
        }
        Ok(_) => fsutil::walk(&start, &mut |file| {
            found(&file.path);
            Ok(())
        }),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(FileError::at("examine", &start)(error)),
    }
}
