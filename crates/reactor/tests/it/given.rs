//! Listeners that the program made itself, or was given.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use sockeye_reactor::engine::{
    Address, Completion, Conditions, Engine, GivenListener, InvalidListener, Mio, Network,
};
use sockeye_reactor::{DrainPlan, Spreading};

use crate::cluster::{counted, loopback, open_at, open_stream, read};
use crate::frames::{CLOSE, close};

fn tcp() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn path_of(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("sockeye-given-{name}-{}.sock", std::process::id()))
}

#[test]
fn a_given_listener_serves_one_thread_and_two_at_the_port_that_it_has() {
    for (threads, expected) in [(1, [6, 0, 0]), (2, [3, 3, 0]), (3, [2, 2, 2])] {
        for spreading in [Spreading::SharedPort, Spreading::HandOver] {
            let (listener, address) = tcp();
            let given = vec![listener.into()];
            let (cluster, counts) = counted(given, spreading, threads, &[]).expect("it listens");
            assert_eq!(cluster.addresses(), [Address::Tcp(address)]);
            assert_eq!(cluster.handles().count(), threads);
            let _clients = open_at(address, 6);
            assert_eq!(read(&counts), expected, "{spreading:?}");
        }
    }
}

#[test]
fn what_waited_before_the_start_is_served() {
    let path = path_of("early");
    let given = UnixListener::bind(&path).expect("a free path");
    let early = UnixStream::connect(&path).expect("a listener");
    fs::remove_file(&path).expect("it is there");
    let (_cluster, counts) =
        counted(vec![given.into()], Spreading::SharedPort, 1, &[]).expect("it listens");
    let _early = open_stream(early);
    assert_eq!(read(&counts), [1, 0, 0]);
}

#[test]
fn a_given_unix_listener_serves_all_threads_and_keeps_its_file() {
    let path = path_of("kept");
    let given = UnixListener::bind(&path).expect("a free path");
    let (cluster, counts) =
        counted(vec![given.into()], Spreading::SharedPort, 2, &[]).expect("it listens");
    assert_eq!(cluster.addresses(), [Address::Unix(path.clone())]);
    let _clients: Vec<UnixStream> =
        (0..6).map(|_| open_stream(UnixStream::connect(&path).expect("a listener"))).collect();
    assert_eq!(read(&counts), [3, 3, 0]);
    drop(cluster);
    assert!(UnixStream::connect(&path).is_err(), "nobody listens");
    fs::remove_file(&path).expect("the file is not ours to remove");
}

#[cfg(target_os = "linux")]
#[test]
fn a_unix_listener_without_a_path_has_an_address_that_says_so() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("sockeye-given-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let given = UnixListener::bind_addr(&address).expect("a free name");
    let (cluster, counts) =
        counted(vec![given.into()], Spreading::SharedPort, 1, &[]).expect("it listens");
    assert_eq!(cluster.addresses()[0].to_string(), format!("unix:@{name}"));
    let _client = open_stream(UnixStream::connect_addr(&address).expect("a listener"));
    assert_eq!(read(&counts), [1, 0, 0]);
}

#[test]
fn given_listeners_and_addresses_serve_together_and_drain_together() {
    let (listener, first) = tcp();
    let (cluster, counts) =
        counted(vec![listener.into()], Spreading::default(), 2, &[loopback()]).expect("both");
    let [Address::Tcp(second), Address::Tcp(given)] = *cluster.addresses() else {
        panic!("two TCP addresses, the given one behind: {cluster:?}");
    };
    assert_eq!(given, first);
    assert_ne!(second.port(), 0);
    let mut clients = open_at(given, 4);
    clients.extend(open_at(second, 8));
    assert_eq!(read(&counts).iter().sum::<usize>(), 12);
    assert!(read(&counts)[1] > 0, "{counts:?}");

    let draining =
        std::thread::spawn(move || cluster.drain(&DrainPlan::within(Duration::from_secs(10))));
    for (_, client) in &mut clients {
        assert_eq!(client.next().0, CLOSE);
        client.stream.write_all(&close(1001)).expect("a server that reads");
        client.stream.shutdown(Shutdown::Write).expect("an open stream");
    }
    let report = draining.join().expect("a drain that ends");
    assert_eq!((report.open, report.closed_cleanly, report.cut), (12, 12, 0));
    for address in [given, second] {
        let error = TcpStream::connect(address).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn whoever_else_holds_the_socket_goes_on_with_it() {
    let (listener, address) = tcp();
    let kept = listener.try_clone().expect("a descriptor");
    let start = |listener: TcpListener| {
        counted(vec![listener.into()], Spreading::SharedPort, 2, &[]).expect("it listens")
    };
    let (cluster, counts) = start(listener);
    let clients = open_at(address, 2);
    assert_eq!(read(&counts), [1, 1, 0]);
    drop((cluster, clients));
    let (_next, counts) = start(kept);
    let _clients = open_at(address, 2);
    assert_eq!(read(&counts), [1, 1, 0]);
}

fn refusal(given: GivenListener) -> InvalidListener {
    let error = counted(vec![given], Spreading::SharedPort, 2, &[]).expect_err("no listener");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<InvalidListener>());
    *inner.unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn what_is_no_listener_is_refused_with_the_reason() {
    let (listener, address) = tcp();
    let connection = TcpStream::connect(address).expect("a listener");
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let bound = bound.expect("a socket");
    bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let (left, _right) = UnixStream::pair().expect("two sockets");
    #[cfg(not(target_vendor = "apple"))]
    {
        use InvalidListener::NotListening;
        assert_eq!(refusal(TcpListener::from(bound).into()), NotListening);
        assert_eq!(refusal(TcpListener::from(OwnedFd::from(connection)).into()), NotListening);
        assert_eq!(refusal(UnixListener::from(OwnedFd::from(left)).into()), NotListening);
    }

    use InvalidListener::OtherKind;
    let path = path_of("other");
    let unix = UnixListener::bind(&path).expect("a free path");
    fs::remove_file(&path).expect("it is there");
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let file = File::open("/dev/null").expect("it is always there");
    assert_eq!(refusal(TcpListener::from(OwnedFd::from(unix)).into()), OtherKind);
    assert_eq!(refusal(UnixListener::from(OwnedFd::from(listener)).into()), OtherKind);
    assert_eq!(refusal(TcpListener::from(OwnedFd::from(datagrams)).into()), OtherKind);
    assert_eq!(refusal(TcpListener::from(OwnedFd::from(file)).into()), OtherKind);
    assert_eq!(InvalidListener::NotListening.to_string(), "the given socket does not listen");
}

#[test]
fn an_engine_refuses_them_as_well_and_the_simulated_network_knows_none() {
    let mut engine = Mio::new().expect("an engine");
    let (listener, address) = tcp();
    let connection = TcpStream::connect(address).expect("a listener");
    let wrong = UnixListener::from(OwnedFd::from(connection)).into();
    let error = engine.listen_on(wrong).expect_err("no listener");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);

    let clone = listener.try_clone().expect("a descriptor");
    let (id, bound) = engine.listen_on(clone.into()).expect("it listens");
    assert_eq!(bound, Address::Tcp(address));
    // Whoever connected above waits.
    let mut completions = Vec::new();
    engine.poll(Some(Duration::from_secs(10)), &mut completions).expect("a poll");
    assert_eq!(completions, [Completion::Acceptable(id)]);
    assert!(engine.accept(id).expect("it listens").is_some());
    assert!(engine.accept(id).expect("it does not block").is_none());
    engine.unlisten(id);
    assert!(engine.accept(id).is_err());

    let mut memory = Network::new(Conditions::default()).engine();
    let error = memory.listen_on(listener.into()).expect_err("it knows no sockets");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}
