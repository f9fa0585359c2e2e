//! Peers that vanish, dawdle or come in crowds: the others do not notice, and nothing is left behind.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sockeye::{BlockingSocket, Error, Server, Socket, connect_blocking};

use crate::process::{Part, await_word, connections_possible, descriptors, resident_bytes, told};
use crate::support::{frame, request};

const CROWD: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(20);
/// By how much a second crowd may grow what the first one grew: 100 bytes for each of it would be a leak.
const GROWTH_BYTES_MAX: usize = 1 << 20;

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// A server in a process of its own, and one peer that behaves.
struct Stage {
    server: Part,
    address: SocketAddr,
    witness: BlockingSocket,
}

impl Stage {
    fn set() -> Self {
        let mut server = Part::start("hostile::plays_the_server", "");
        let address: SocketAddr = server.line().parse().expect("an address");
        let mut witness =
            connect_blocking(&format!("ws://{address}/")).expect("the server is there");
        witness.send_text("warm").expect("open");
        witness.recv().expect("an echo");
        Self { server, address, witness }
    }

    /// The echo of the others goes on; returns the slowest of some round trips.
    fn witness(&mut self) -> Duration {
        let mut slowest = Duration::ZERO;
        for number in 0..200 {
            let began = Instant::now();
            self.witness.send_text(&number.to_string()).expect("open");
            assert_eq!(self.witness.recv().expect("an echo").as_text(), Some(&*number.to_string()));
            slowest = slowest.max(began.elapsed());
        }
        slowest
    }

    /// Descriptors and resident bytes of the server, once it has so many connections open and nothing else in progress.
    fn settled(&mut self, connections: usize) -> (usize, usize) {
        self.server.say(&connections.to_string());
        let line = self.server.line();
        let (descriptors, bytes) = line.split_once(' ').expect("two numbers");
        (descriptors.parse().expect("a number"), bytes.parse().expect("a number"))
    }
}

/// Does nothing unless it is started by a test below. Answers each number of connections with its descriptors and its
/// resident bytes, once they have come down to what one witness needs.
#[test]
fn plays_the_server() {
    if told().is_none() {
        return;
    }
    connections_possible(CROWD);
    let server = Server::builder().route("/", echo).bind("127.0.0.1:0").expect("a port is free");
    println!("\n> {}", server.local_addr().expect("TCP"));
    let mut idle = 0;
    loop {
        let mut wanted = String::new();
        if std::io::stdin().read_line(&mut wanted).expect("a line") == 0 {
            return;
        }
        let wanted: u64 = wanted.trim().parse().expect("a number");
        let began = Instant::now();
        while server.stats().connections != wanted || (idle > 0 && descriptors() > idle) {
            assert!(
                began.elapsed() < PATIENCE,
                "{} descriptors, {:?}",
                descriptors(),
                server.stats()
            );
            std::thread::yield_now();
        }
        if idle == 0 {
            idle = descriptors();
        }
        println!("> {} {}", descriptors(), resident_bytes());
    }
}

/// Does nothing unless it is started by a test below. Opens transports and says half of a handshake on each.
#[test]
fn plays_the_crowd() {
    let Some(address) = told() else { return };
    let address: SocketAddr = address.parse().expect("an address");
    let crowd: Vec<TcpStream> = (0..connections_possible(CROWD))
        .map(|_| {
            let mut stream = TcpStream::connect(address).expect("the server listens");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").expect("sent");
            stream
        })
        .collect();
    println!("\n> {} are half open", crowd.len());
    await_word();
}

/// Does nothing unless it is started by a test below. Stops within a message and waits to be killed.
#[test]
fn plays_the_victim() {
    let Some(address) = told() else { return };
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(&request("/")).expect("sent");
    let whole = frame(0x81, &[b'x'; 5_000]);
    stream.write_all(&whole[..3_000]).expect("sent");
    println!("\n> halfway");
    await_word();
}

#[test]
fn ten_thousand_half_open_handshakes_are_gone_after_their_time_and_slow_nobody() {
    let mut stage = Stage::set();
    let before = stage.settled(1);
    let mut after = Vec::new();
    for _ in 0..2 {
        let mut crowd = Part::start("hostile::plays_the_crowd", &stage.address.to_string());
        assert!(crowd.line().ends_with("are half open"));
        let slowest = stage.witness();
        assert!(slowest < Duration::from_secs(1), "the slowest echo took {slowest:?}");
        // Nobody of the crowd closes: the handshake's own time of 5 s ends them.
        after.push(stage.settled(1));
    }
    println!("descriptors and resident bytes: {before:?}, then {after:?}");
    assert!(after.iter().all(|(descriptors, _)| *descriptors == before.0));
    // The allocator keeps what the first crowd needed; the second one needs no more.
    assert!(after[1].1 < after[0].1 + GROWTH_BYTES_MAX, "{after:?}");
    stage.witness();
}

#[test]
fn one_who_is_killed_in_the_middle_of_a_message_leaves_nothing_behind() {
    let mut stage = Stage::set();
    let before = stage.settled(1);
    for _ in 0..5 {
        let mut victim = Part::start("hostile::plays_the_victim", &stage.address.to_string());
        assert_eq!(victim.line(), "halfway");
        victim.kill();
        stage.witness();
    }
    assert_eq!(stage.settled(1).0, before.0);
}

#[test]
fn data_and_the_end_in_one_segment_are_both_seen() {
    let mut stage = Stage::set();
    let before = stage.settled(1);
    let mut stream = TcpStream::connect(stage.address).expect("the server listens");
    let mut all = request("/");
    all.extend(frame(0x81, b"last words"));
    stream.write_all(&all).expect("sent");
    stream.shutdown(Shutdown::Write).expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server ends it");
    let echoed = b"\x81\x0alast words";
    assert!(
        answer.windows(echoed.len()).any(|window| window == echoed),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(stage.settled(1).0, before.0);
}

#[test]
fn one_who_sends_a_byte_at_a_time_is_served_like_anybody() {
    let mut stage = Stage::set();
    let mut stream = TcpStream::connect(stage.address).expect("the server listens");
    stream.set_nodelay(true).expect("TCP");
    let mut all = request("/");
    all.extend(frame(0x81, "poco a poco, ñ".as_bytes()));
    for byte in all {
        stream.write_all(&[byte]).expect("sent");
        // Sent for sure before the next one: a turn of the server's lies between them.
        stage.witness.send_text("x").expect("open");
        stage.witness.recv().expect("an echo");
    }
    let mut answer = Vec::new();
    while !answer.ends_with("poco a poco, ñ".as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the echo");
        answer.extend(byte);
    }
}
