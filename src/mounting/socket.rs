//! Where commands find the process that serves a cache.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::fsutil::{self, FileError};

/// The longest path of a socket, in bytes; the kernel wants a NUL after it in 108.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// How many hexadecimal digits of its digest stand for a state directory whose path is too long.
const NAME_DIGITS: usize = 16;

/// Returns where the server of a cache listens: in the state directory, or, where its path is too long for a socket, in
/// the user's directory for sockets or one of ours.
pub fn socket_path(state: &Path, runtime_directory: Option<&Path>) -> PathBuf {
    place(state, runtime_directory, rustix::process::geteuid().as_raw())
}

/// Listens. Only the process that has claimed the cache may do so: what is there is replaced.
pub fn listen(path: &Path) -> Result<UnixListener, FileError> {
    if let Some(directory) = path.parent() {
        fsutil::private_directory(directory)?;
    }
    fsutil::remove_file(path)?;
    let listener = UnixListener::bind(path).map_err(FileError::at("listen at", path))?;
    fsutil::make_private(path)?;
    Ok(listener)
}

fn place(state: &Path, runtime_directory: Option<&Path>, user: u32) -> PathBuf {
    let fits = |path: &PathBuf| path.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX;
    let beside = state.join("control").join("socket");
    if fits(&beside) {
        return beside;
    }
    let digest = fsutil::digest_bytes(state.as_os_str().as_bytes()).sha256;
    let name = format!("{}.socket", digest.get(..NAME_DIGITS).unwrap_or(&digest));
    let of_user = runtime_directory.map(|directory| directory.join("swamp").join(&name));
    of_user.filter(fits).unwrap_or_else(|| Path::new("/tmp").join(format!("swamp-{user}")).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_in_the_state_directory_if_its_path_is_short_enough() {
        let long = PathBuf::from("/home").join("x".repeat(100));

        assert_eq!(place(Path::new("/s"), None, 7), Path::new("/s/control/socket"));
        let of_user = place(&long, Some(Path::new("/run/user/7")), 7);
        assert!(of_user.starts_with("/run/user/7/swamp"), "{of_user:?}");
        assert!(place(&long, Some(&long), 7).starts_with("/tmp/swamp-7"));
    }

    #[test]
    fn what_a_dead_process_left_is_replaced() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("a/socket");
        drop(listen(&path).expect("listening"));

        let _listener = listen(&path).expect("listening again");

        std::os::unix::net::UnixStream::connect(path).expect("somebody listens");
    }
}
