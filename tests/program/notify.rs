//! `Type=notify`: what systemd hears of a server, over a real socket.

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::harness::{Server, WAIT_MAX, program};

fn heard(socket: &UnixDatagram) -> String {
    let mut datagram = [0; 256];
    let length = socket.recv(&mut datagram).unwrap();
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

/// A server whose supervisor listens at `name`.
fn start(name: &str, database: &Path) -> Server {
    let mut command = program();
    command.env("NOTIFY_SOCKET", name);
    Server::start_command(command, database, &[])
}

fn assert_heard(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut server = start(name, &directory.path().join("book.db"));
    assert_eq!(heard(socket), "READY=1");
    assert_eq!(server.call("GET", "/healthz").send().status, 200);
    socket.set_nonblocking(true).unwrap();
    let nothing = socket.recv(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    socket.set_nonblocking(false).unwrap();
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(heard(socket), "STOPPING=1");
}

#[test]
fn a_supervisor_hears_when_the_server_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    assert_heard(&socket, path.to_str().unwrap());
}

#[test]
fn a_socket_without_a_file_is_heard_as_well() {
    let name = format!("addressbook-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    assert_heard(&socket, &format!("@{name}"));
}

#[test]
fn a_server_that_nobody_hears_serves_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["", "@", "/nowhere/notify"] {
        let mut server = start(name, &directory.path().join("book.db"));
        assert_eq!(server.call("GET", "/healthz").send().status, 200);
        let warned = server.logged().contains("NOTIFY_SOCKET");
        assert_eq!(warned, !name.is_empty(), "{name}");
        assert_eq!(server.stop().code(), Some(0));
    }
}
