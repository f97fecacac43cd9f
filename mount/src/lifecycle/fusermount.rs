//! The helper by which ordinary users mount and unmount: it may do what they may not.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use super::MountError;

const NAMES: [&str; 2] = ["fusermount3", "fusermount"];
const DIRECTORIES: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin", "/usr/sbin", "/usr/local/sbin"];

/// Tells the helper where to send the descriptor: to what it has as standard input, which needs no inheriting.
const SOCKET: (&str, &str) = ("_FUSE_COMMFD", "0");

/// Returns where the helper is installed.
pub(crate) fn path() -> Option<PathBuf> {
    let of = |name: &'static str| DIRECTORIES.iter().map(move |directory| Path::new(directory).join(name));
    NAMES.into_iter().flat_map(of).find(|path| path.is_file())
}

/// Mounts with these options and returns the descriptor of the connection.
pub(super) fn mount(mountpoint: &Path, options: &str) -> Result<OwnedFd, MountError> {
    let refused = |source| MountError::Refused { path: mountpoint.to_path_buf(), source };
    let program = path().ok_or(MountError::NoFusermount)?;
    let (ours, theirs) = UnixStream::pair().map_err(refused)?;
    let child = Command::new(program)
        .args(["-o", options, "--"])
        .arg(mountpoint)
        .env(SOCKET.0, SOCKET.1)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(refused)?;
    let received = receive(&ours);
    let output = child.wait_with_output().map_err(refused)?;
    if let Some(descriptor) = received.map_err(refused)? {
        return Ok(descriptor);
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if complaint.contains("user_allow_other") {
        return Err(MountError::NotForEverybody);
    }
    if complaint.contains("/dev/fuse") {
        return Err(MountError::Device { source: io::Error::other(complaint) });
    }
    Err(refused(io::Error::other(complaint)))
}

/// Detaches a mount of this user.
pub(crate) fn detach(mountpoint: &Path) -> io::Result<()> {
    let program = path().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "fusermount3 is not installed"))?;
    let output = Command::new(program).args(["-u", "-z", "--"]).arg(mountpoint).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Receives a descriptor; none if the other side went away instead.
fn receive(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    Ok(control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    }))
}
