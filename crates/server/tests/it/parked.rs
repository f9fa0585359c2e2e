//! Ten thousand dialogues at once, each waiting for its peer, and what one of them costs.
//!
//! Server and clients are processes of their own: a process may have 20,000 descriptors at most, and other tests must
//! not be in the figures. Both are this test binary, told by the environment which part to play.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};
use sockeye::testing::TestServer;
use sockeye::{Server, ServerBuilder};

use crate::examples::dialogue::example;
use crate::support::frame;

const DIALOGUES: usize = 10_000;
/// Descriptors that a process needs beside its connections.
const SPARE: usize = 200;
/// User-space memory of a parked dialogue: its session in the loop, its socket, its task and its future.
const BYTES_MAX: usize = 2048;

const ROLE: &str = "SOCKEYE_PARKED_ROLE";
const PORT: &str = "SOCKEYE_PARKED_ADDRESS";

fn builder() -> ServerBuilder {
    Server::builder().route("/connect", example::dialogue)
}

/// Raises the soft limit of descriptors to the hard one, and says how many connections that allows.
fn connections_possible() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be raised to the hard one");
    let descriptors =
        limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    descriptors.saturating_sub(SPARE).min(DIALOGUES)
}

#[test]
fn ten_thousand_dialogues_wait_at_once() {
    let possible = connections_possible();
    let mut server = Part::start("server", "");
    let address = server.line();
    let mut clients = Part::start("clients", &address);
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

/// One of the two processes.
struct Part {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Part {
    fn start(role: &str, address: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "--nocapture", &format!("parked::plays_the_{role}")])
            .envs([(ROLE, role), (PORT, address)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let to = process.stdin.take().expect("piped");
        let from = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { process, to, from }
    }

    /// The next line that is meant for us; the harness writes lines of its own.
    fn line(&mut self) -> String {
        let ours =
            |line: std::io::Result<String>| line.ok()?.strip_prefix("> ").map(ToOwned::to_owned);
        self.from.find_map(ours).expect("the process answers")
    }

    fn say(&mut self, word: &str) {
        writeln!(self.to, "{word}").expect("the process listens");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn await_word() {
    std::io::stdin().read_line(&mut String::new()).expect("a word");
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kibibytes.expect("a line").parse::<usize>().expect("a number") * 1024
}

/// Does nothing unless it is started by the test above.
#[test]
fn plays_the_server() {
    if std::env::var(ROLE).as_deref() != Ok("server") {
        return;
    }
    let possible = connections_possible();
    let server = builder().bind("127.0.0.1:0").expect("a port is free");
    let before = resident_bytes();
    println!("\n> {}", server.local_addr().expect("TCP"));
    await_word();
    assert_eq!(server.stats().connections, possible as u64);
    println!("> {}", resident_bytes().saturating_sub(before) / possible);
    await_word();
    while server.stats().connections > 0 || server.stats().tasks > 0 {
        std::thread::yield_now();
    }
    println!("> {} left, {} tasks", server.stats().connections, server.stats().tasks);
}

/// Does nothing unless it is started by the test above.
#[test]
fn plays_the_clients() {
    if std::env::var(ROLE).as_deref() != Ok("clients") {
        return;
    }
    let possible = connections_possible();
    let address = std::env::var(PORT).expect("an address").parse().expect("an address");
    let mut streams: Vec<TcpStream> = (0..possible).map(|_| join(address)).collect();
    println!("\n> {} wait", streams.len());
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
    let request = b"GET /connect HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request).expect("sent");
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
