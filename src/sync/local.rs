//! Looking at the files of a cache: what is there, and whether it is what was verified last. Where a link leads, there is
//! nothing: whoever makes links in the tree may not be allowed to read what they lead to.

use std::io;
use std::path::Path;

use super::plan::Local;
use crate::fsutil::{self, Beneath, FileError, Pinned};
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
    let tree = Beneath::new(root);
    // A link or a directory in the place of a file is not the file, nor is what a link leads to.
    let Some(pinned) = tree.pin(path).map_err(FileError::at("examine", &file))? else {
        let has_parent = path.parent().map_or(Ok(true), |parent| tree.has_directory(&parent));
        return Ok(Local::Absent { is_parent_gone: !has_parent.map_err(FileError::at("examine", &file))? });
    };
    let (stamp, is_distinct) = ripe(&pinned).map_err(FileError::at("examine", &file))?;
    let held = known.and_then(|known| known.local.as_ref());
    if let Some(same) = held.into_iter().chain(hashed).find(|held| held.stamp == stamp) {
        return Ok(Local::Present(same.clone()));
    }
    // Length and hash of the same read; a file that is being written differs next time.
    let digested = fsutil::digest_file(&pinned.path()).map_err(|error| FileError { path: file, ..error })?;
    // A stamp that no file has: it is looked at again the next time.
    let mtime_ns = if is_distinct { stamp.mtime_ns } else { i64::MIN };
    let stamp = Stamp { size: digested.size, mtime_ns, ..stamp };
    Ok(Local::Present(Verified { stamp, sha256: digested.sha256 }))
}

/// Returns the stamp of a file once a write to the file would change it, and whether that came to be.
///
/// Times of files move in ticks of the kernel: a write in the tick of the last one leaves no trace. So a file that has
/// just changed is given a moment before it is read; one that goes on changing is not waited for.
#[expect(clippy::disallowed_methods, reason = "the kernel's time is compared with the kernel's time, and waited for")]
fn ripe(file: &Pinned) -> io::Result<(Stamp, bool)> {
    let mut stamp = Stamp::from(&file.metadata()?);
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
        stamp = Stamp::from(&file.metadata()?);
    }
    Ok((stamp, false))
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
    let mut found = |file: &Path| match RelPath::between(Path::new(""), file) {
        Ok(path) => visit(path),
        Err(error) => odd(error.to_string()),
    };
    Beneath::new(root).walk(path, &mut found).map_err(FileError::at("list", &start))
}
