//! Telling the service manager how far we are, in its own protocol: a datagram of lines.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use swamp::repo::Environment;
use tracing::debug;

/// Tells the service manager, if there is one.
pub(super) fn tell(environment: &Environment, state: &str) {
    let Some(socket) = environment.variable("NOTIFY_SOCKET") else { return };
    let sent = || {
        let address = match socket.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)
    };
    if let Err(error) = sent() {
        debug!(%error, "service manager not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn environment(socket: &str) -> Environment {
        Environment::new([("NOTIFY_SOCKET".to_owned(), socket.to_owned())].into(), PathBuf::from("/"))
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).expect("told");
        String::from_utf8(bytes[..length].to_vec()).expect("text")
    }

    #[test]
    fn a_socket_with_a_path_is_told() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("bound");

        tell(&environment(path.to_str().expect("a path")), "READY=1");

        assert_eq!(received(&socket), "READY=1");
    }

    #[test]
    fn a_socket_with_an_abstract_name_is_told() {
        let name = format!("swamp-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");

        tell(&environment(&format!("@{name}")), "STOPPING=1");

        assert_eq!(received(&socket), "STOPPING=1");
    }
}
