//! The loop on real sockets: what only an operating system can show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockeye_reactor::engine::{Address, Mio};
use sockeye_reactor::{Config, Handle, Reactor};

use crate::frames::{CLOSE, TEXT, close, masked, request, take, take_head};
use crate::support::{Scripts, echo};

/// An echo server on a thread of its own, stopped and joined when it is dropped.
struct Server {
    handle: Handle,
    address: Address,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(wanted: Address) -> Self {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let engine = Mio::new().expect("an engine");
            let mut reactor = Reactor::new(engine, Scripts::new(echo()), Config::default());
            let bound = reactor.listen(&wanted).expect("a free address");
            sender.send((reactor.handle(), bound)).expect("somebody waits");
            reactor.run().expect("an engine that works");
        });
        let (handle, address) = receiver.recv().expect("a server that starts");
        Self { handle, address, thread: Some(thread) }
    }

    fn tcp() -> Self {
        Self::start(Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))))
    }

    fn connect(&self) -> TcpStream {
        let Address::Tcp(address) = &self.address else { panic!("a TCP server") };
        let stream = TcpStream::connect(address).expect("a server that listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.stop();
        let joined = self.thread.take().map(thread::JoinHandle::join);
        assert!(matches!(joined, Some(Ok(()))), "the server panicked");
    }
}

/// Reads the next frame.
fn next(stream: &mut impl Read, bytes: &mut Vec<u8>) -> (u8, Vec<u8>) {
    loop {
        if let Some(frame) = take(bytes) {
            return frame;
        }
        assert!(read_some(stream, bytes), "the stream ended before a frame");
    }
}

fn read_some(stream: &mut impl Read, bytes: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 65536];
    let count = stream.read(&mut chunk).expect("bytes in time");
    bytes.extend_from_slice(&chunk[..count]);
    count > 0
}

fn shake_hands(stream: &mut (impl Read + Write)) -> Vec<u8> {
    stream.write_all(&request("/")).expect("a server that reads");
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = take_head(&mut bytes) {
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            return bytes;
        }
        assert!(read_some(stream, &mut bytes), "the stream ended before the answer");
    }
}

fn echo_and_close(stream: &mut (impl Read + Write)) {
    let mut bytes = shake_hands(stream);
    stream.write_all(&masked(TEXT, b"salmon")).expect("a server that reads");
    assert_eq!(next(stream, &mut bytes), (TEXT, b"salmon".to_vec()));
    stream.write_all(&close(1000)).expect("a server that reads");
    assert_eq!(next(stream, &mut bytes), (CLOSE, vec![3, 232]));
    assert!(!read_some(stream, &mut bytes), "the server ends the transport");
}

#[test]
fn an_echo_over_tcp() {
    let server = Server::tcp();
    echo_and_close(&mut server.connect());
}

#[test]
fn an_echo_of_a_megabyte() {
    let server = Server::tcp();
    let mut stream = server.connect();
    let mut bytes = shake_hands(&mut stream);
    let payload = vec![b'x'; 1 << 20];
    let mut writer = stream.try_clone().expect("another descriptor");
    let frame = masked(TEXT, &payload);
    let writing = thread::spawn(move || writer.write_all(&frame).expect("a server that reads"));
    assert_eq!(next(&mut stream, &mut bytes), (TEXT, payload));
    writing.join().expect("a writer that ends");
}

#[test]
fn data_and_the_end_at_once_are_answered() {
    let server = Server::tcp();
    let mut stream = server.connect();
    let mut bytes = shake_hands(&mut stream);
    stream.write_all(&masked(TEXT, b"last words")).expect("a server that reads");
    stream.shutdown(std::net::Shutdown::Write).expect("an open stream");
    assert_eq!(next(&mut stream, &mut bytes), (TEXT, b"last words".to_vec()));
    assert!(!read_some(&mut stream, &mut bytes), "the server ends the transport");
}

#[test]
fn a_peer_that_dies_in_mid_message_harms_nobody() {
    let server = Server::tcp();
    let mut other = server.connect();
    let mut bytes = shake_hands(&mut other);
    for _ in 0..20 {
        let mut stream = server.connect();
        shake_hands(&mut stream);
        let frame = masked(TEXT, &[b'x'; 100_000]);
        stream.write_all(&frame[..50_000]).expect("a server that reads");
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        drop(stream);
        other.write_all(&masked(TEXT, b"still here")).expect("a server that reads");
        assert_eq!(next(&mut other, &mut bytes), (TEXT, b"still here".to_vec()));
    }
}

#[test]
#[cfg(unix)]
fn an_echo_over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sockeye-reactor-{}.sock", std::process::id()));
    let server = Server::start(Address::Unix(path.clone()));
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("a server that listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    echo_and_close(&mut stream);
    drop(server);
}
