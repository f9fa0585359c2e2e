//! What only real sockets can show.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use sockeye_reactor::engine::{Address, Completion, Counting, Engine, Input, Mio, Remote};

use super::world::{Peer, Pump, TcpWorld, World, socket_path};

fn tcp_address(address: &Address) -> std::net::SocketAddr {
    match address {
        Address::Tcp(address) => *address,
        other => panic!("{other} is no TCP address"),
    }
}

#[test]
fn a_reset_is_an_error_of_the_next_receive() {
    let (mut pump, carrier, peer) = TcpWorld::new().accepted();
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("linger");
    drop(peer);
    pump.wait(Completion::Readable(carrier));
    let error = pump.engine.receive(carrier).expect_err("the connection is broken");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Urgent data cuts a read short although more bytes are there, and no further edge comes.
#[cfg(target_os = "linux")]
#[test]
fn bytes_behind_urgent_data_are_received() {
    let mut world = TcpWorld::new();
    let (listener, address, mut pump) = world.listening();
    let mut peer = world.call(&address);
    peer.write(b"before");
    socket2::SockRef::from(&peer).send_out_of_band(b"!").expect("urgent");
    peer.write(b"behind");
    let carrier = pump.accept(listener);
    pump.wait(Completion::Readable(carrier));
    assert_eq!(pump.receive_len(carrier, 12), b"beforebehind");
}

#[test]
fn a_plain_message_costs_one_receive_and_one_send() {
    let mut engine = Counting::new(Mio::new().expect("an engine"));
    let counters = engine.counters();
    let (listener, address) = engine.listen(&TcpWorld::new().address()).expect("listen");
    let mut pump = Pump::new(engine);
    let mut peer = TcpWorld::new().call(&address);
    let carrier = pump.accept(listener);
    for _ in 0..10 {
        peer.write(b"a message");
        pump.wait(Completion::Readable(carrier));
        let Input::Bytes { bytes, drained } = pump.engine.receive(carrier).expect("receive") else {
            panic!("the message is there");
        };
        assert_eq!((&*bytes, drained), (&b"a message"[..], true));
        pump.send(carrier, b"a message");
        assert_eq!(peer.read_len(&mut pump, 9), b"a message");
    }
    assert_eq!((counters.receives(), counters.received_bytes()), (10, 90));
    assert_eq!((counters.sends(), counters.sent_bytes()), (10, 90));
    assert!(counters.accepts() >= 1 && counters.polls() >= 10);
}

#[test]
fn listeners_of_several_engines_share_a_port() {
    let mut world = TcpWorld::new();
    let (_, address, _first) = world.listening();
    let mut second = world.engine();
    let (_, same) = second.listen(&address).expect("the port is shared");
    assert_eq!(address, same);
    let error = Mio::ensure_unused(&address).expect_err("two listen there");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let error = std::net::TcpListener::bind(tcp_address(&address)).expect_err("it is not his");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[test]
fn a_port_is_free_again_when_its_listener_is_gone() {
    let mut world = TcpWorld::new();
    let (listener, address, mut pump) = world.listening();
    let peer = world.call(&address);
    let carrier = pump.accept(listener);
    pump.engine.unlisten(listener);
    assert!(TcpStream::connect(tcp_address(&address)).is_err());
    pump.engine.close(carrier);
    drop(peer);
    // The old connection has not died down yet, which is no obstacle.
    Mio::ensure_unused(&address).expect("the port is free");
    pump.engine.listen(&address).expect("the port is free");
}

#[test]
fn a_remote_is_who_connected() {
    let mut world = TcpWorld::new();
    let (listener, address, mut pump) = world.listening();
    let peer = world.call(&address);
    pump.wait(Completion::Acceptable(listener));
    let (_, remote) = pump.engine.accept(listener).expect("accept").expect("one waits");
    assert_eq!(remote, Remote::Tcp(peer.local_addr().expect("an address")));
    assert_eq!(remote.to_string(), peer.local_addr().expect("an address").to_string());
}

#[test]
fn a_stale_socket_file_is_taken_over_and_a_living_one_is_not() {
    let path = socket_path();
    drop(UnixListener::bind(&path).expect("bind"));
    assert!(path.exists(), "std leaves the file behind");
    let address = Address::Unix(path.clone());
    let mut engine = Mio::new().expect("an engine");
    let (listener, bound) = engine.listen(&address).expect("the file is stale");
    assert_eq!(bound, address);
    let error = Mio::ensure_unused(&address).expect_err("we listen");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    engine.unlisten(listener);
    assert!(!path.exists(), "the file goes with its listener");

    let _living = UnixListener::bind(&path).expect("bind");
    let error = engine.listen(&address).expect_err("somebody listens");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    fs::remove_file(&path).expect("remove");
}

#[test]
fn engines_share_a_socket_file_and_it_goes_with_the_last_of_them() {
    let path = socket_path();
    let address = Address::Unix(path.clone());
    let mut engines = [Mio::new().expect("an engine"), Mio::new().expect("an engine")];
    let ids = engines.each_mut().map(|engine| engine.listen(&address).expect("shared").0);
    let _peers = [(); 2].map(|()| UnixStream::connect(&path).expect("connect"));
    for (engine, id) in engines.iter_mut().zip(ids) {
        assert!(engine.accept(id).expect("accept").is_some());
    }
    engines[0].unlisten(ids[0]);
    let _late = UnixStream::connect(&path).expect("the other still listens");
    assert!(engines[1].accept(ids[1]).expect("accept").is_some());
    let mut completions = Vec::new();
    engines[0].poll(Some(Duration::ZERO), &mut completions).expect("poll");
    let is_listener = |completion: &Completion| matches!(completion, Completion::Acceptable(_));
    engines[1].unlisten(ids[1]);
    assert!(!completions.iter().any(is_listener), "{completions:?}");
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let path = socket_path();
    fs::write(&path, "precious").expect("write");
    let mut engine = Mio::new().expect("an engine");
    let error = engine.listen(&Address::Unix(path.clone())).expect_err("it is no socket");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(&path).expect("read"), "precious");
    fs::remove_file(&path).expect("remove");
}

#[test]
fn a_socket_file_of_another_server_is_left_alone() {
    let path = socket_path();
    let mut engine = Mio::new().expect("an engine");
    engine.listen(&Address::Unix(path.clone())).expect("listen");
    fs::remove_file(&path).expect("remove");
    let _other = UnixListener::bind(&path).expect("bind");
    drop(engine);
    assert!(path.exists());
    fs::remove_file(&path).expect("remove");
}

#[test]
fn other_kinds_of_address_are_unsupported() {
    let mut engine = Mio::new().expect("an engine");
    let address = Address::Memory(1);
    let unsupported = io::ErrorKind::Unsupported;
    assert!(engine.listen(&address).is_err_and(|error| error.kind() == unsupported));
    assert!(engine.connect(&address).is_err_and(|error| error.kind() == unsupported));
}

/// A flood of connections when descriptors run out. The limit holds for a whole process, so
/// the test runs this binary again, for [`out_of_descriptors`] alone.
#[test]
fn connections_are_refused_when_descriptors_run_out() {
    let child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "engine::mio::out_of_descriptors", "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .output()
        .expect("the child runs");
    let output = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{output}");
    assert!(output.contains(DONE), "the child did not get to the end: {output}");
}

const IN_CHILD: &str = "SOCKEYE_TEST_OUT_OF_DESCRIPTORS";
const DONE: &str = "out of descriptors, and in again";

/// Does nothing unless it has a process of its own.
#[test]
fn out_of_descriptors() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    let mut world = TcpWorld::new();
    let (listener, address, mut pump) = world.listening();
    let mut peers: Vec<_> = (0..20).map(|_| world.call(&address)).collect();
    pump.wait(Completion::Acceptable(listener));
    let mut limit = getrlimit(Resource::Nofile);
    let next = fs::File::open("/dev/null").expect("a descriptor").as_raw_fd();
    limit.current = Some(u64::try_from(next).expect("a descriptor") + 5);
    setrlimit(Resource::Nofile, limit).expect("a lower limit");

    let mut accepted = Vec::new();
    let error = loop {
        match pump.engine.accept(listener) {
            Ok(Some((carrier, _))) => accepted.push(carrier),
            Ok(None) => panic!("the limit does not hold"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
    assert_eq!(accepted.len(), 5);
    for _ in 0..10 {
        assert!(pump.engine.refuse(listener).expect("the spare descriptor serves again and again"));
    }
    for peer in &mut peers[5..15] {
        assert_eq!(peer.read_to_end(&mut pump), b"");
    }

    // Descriptors are free again, but nothing tells: only asking finds the backlog.
    accepted.drain(..).for_each(|carrier| pump.engine.close(carrier));
    assert!(!pump.is_told(Completion::Acceptable(listener)));
    for peer in &mut peers[15..] {
        let carrier = pump.accept(listener);
        pump.send(carrier, b"hello");
        assert_eq!(peer.read_len(&mut pump, 5), b"hello");
    }
    // The system asks for a descriptor before it looks for a connection.
    assert!(pump.engine.accept(listener).is_err());
    assert!(!pump.engine.refuse(listener).expect("refuse"));
    eprintln!("{DONE}");
}
