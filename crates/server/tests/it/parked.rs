//! Ten thousand dialogues at once, each waiting for its peer, and what one of them costs.
//!
//! Server and clients are processes of their own: a process may have 20,000 descriptors at most, and other tests must
//! not be in the figures. Both are this test binary, told by the environment which part to play.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use sockeye::testing::TestServer;
use sockeye::{Server, ServerBuilder};

use crate::examples::dialogue::example;
use crate::process::{self, Part, await_word, connections_possible, resident_bytes};
use crate::support::{frame, request};

const DIALOGUES: usize = 10_000;
/// User-space memory of a parked dialogue: its session in the loop, its socket, its task and its future.
const BYTES_MAX: usize = 1024;
/// They come before the others, so that what the first ones cost a process is not in the figure.
const WARMING: usize = 500;

fn builder() -> ServerBuilder {
    Server::builder().route("/connect", example::dialogue)
}

#[test]
fn ten_thousand_dialogues_wait_at_once() {
    let possible = connections_possible(DIALOGUES);
    let mut server = Part::start("parked::plays_the_server", "");
    let address = server.line();
    let mut clients = Part::start("parked::plays_the_clients", &address);
    assert_eq!(clients.line(), "warm");
    server.say("begin");
    assert_eq!(server.line(), "begun");
    clients.say("go on");
    assert_eq!(clients.line(), format!("{possible} wait"));
    server.say("measure");
    let bytes: usize = server.line().parse().expect("bytes");
    println!("{possible} parked dialogues, {bytes} bytes of resident memory each");
    assert!(bytes <= BYTES_MAX, "a parked dialogue costs {bytes} bytes");
    clients.say("answer");
    assert_eq!(clients.line(), format!("{possible} answered"));
    server.say("count");
    assert_eq!(server.line(), "0 left, 0 tasks");
    // Where the hard limit of descriptors is lower, the others wait in a simulated network.
    let mut simulated = TestServer::new(builder()).expect("a valid route");
    let mut others: Vec<_> = (possible..DIALOGUES).map(|_| simulated.connect("/connect")).collect();
    for other in &mut others {
        assert_eq!(other.texts(), ["What is your name?"]);
    }
}

/// Does nothing unless it is started by the test above.
#[test]
fn plays_the_server() {
    if process::told().is_none() {
        return;
    }
    let possible = connections_possible(DIALOGUES);
    let server = builder().bind("127.0.0.1:0").expect("a port is free");
    println!("\n> {}", server.local_addr().expect("TCP"));
    await_word();
    let before = resident_bytes();
    println!("> begun");
    await_word();
    assert_eq!(server.stats().connections, possible as u64);
    println!("> {}", resident_bytes().saturating_sub(before) / (possible - WARMING));
    await_word();
    while server.stats().connections > 0 || server.stats().tasks > 0 {
        std::thread::yield_now();
    }
    println!("> {} left, {} tasks", server.stats().connections, server.stats().tasks);
}

/// Does nothing unless it is started by the test above.
#[test]
fn plays_the_clients() {
    let Some(address) = process::told() else { return };
    let possible = connections_possible(DIALOGUES);
    let address = address.parse().expect("an address");
    let mut streams: Vec<TcpStream> = (0..WARMING).map(|_| join(address)).collect();
    println!("\n> warm");
    await_word();
    streams.extend((WARMING..possible).map(|_| join(address)));
    println!("> {} wait", streams.len());
    await_word();
    for stream in &mut streams {
        stream.write_all(&frame(0x81, b"Ana")).expect("sent");
    }
    for stream in &mut streams {
        expect(stream, "And your age?");
        stream.write_all(&frame(0x81, b"30")).expect("sent");
    }
    for stream in &mut streams {
        expect(stream, "You're Ana, and you are 30 old.");
        // The server's Close frame, and its answer.
        let mut close = [0; 4];
        stream.read_exact(&mut close).expect("a frame");
        assert_eq!(close, *b"\x88\x02\x03\xe8");
        stream.write_all(&frame(0x88, b"\x03\xe8")).expect("sent");
    }
    println!("> {} answered", streams.len());
}

fn join(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(&request("/connect")).expect("sent");
    let mut head = [0; 512];
    let len = loop {
        let peeked = stream.peek(&mut head).expect("an answer");
        if let Some(at) = head[..peeked].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    stream.read_exact(&mut head[..len]).expect("an answer");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    expect(&mut stream, "What is your name?");
    stream
}

fn expect(stream: &mut TcpStream, text: &str) {
    let mut frame = vec![0; text.len() + 2];
    stream.read_exact(&mut frame).expect("a frame");
    assert_eq!(&frame[2..], text.as_bytes());
}
