//! What every driver that is a server must do, seen from its peer's socket.
//!
//! Each check starts an echo server of its own and speaks to it in raw bytes, so that nothing is
//! hidden by another implementation's good manners.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use sockeye_protocol::{Config, FrameHeader, Opcode};

/// Starts an echo server whose peers have so long for their request, and returns where it listens.
pub(crate) type Start = fn(Config, Duration) -> SocketAddr;

/// One of the checks.
pub(crate) type Check = fn(Start);

/// Each with its name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("messages come back", messages_come_back),
    ("what came behind the request is not lost", what_came_behind_the_request_is_not_lost),
    ("a ping is answered and a close returned", a_ping_is_answered_and_a_close_returned),
    ("bad frames end it with their code", bad_frames_end_it_with_their_code),
    ("a peer that lingers is cut off", a_peer_that_lingers_is_cut_off),
    ("a request has its time", a_request_has_its_time),
    ("other requests are refused", other_requests_are_refused),
    ("silence is asked, and ends", silence_is_asked_and_ends),
    ("a message has its time", a_message_has_its_time),
    ("an end without a close is an end", an_end_without_a_close_is_an_end),
    ("who breaks off harms nobody else", who_breaks_off_harms_nobody_else),
    ("who does not read is not read", who_does_not_read_is_not_read),
];

/// Runs all of them.
pub(crate) fn run(start: Start) {
    for (name, check) in CHECKS {
        println!("{name}");
        check(start);
    }
}

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// Longer than anything here should take, for whoever would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(20);
/// A deadline that is to pass.
const SOON: Duration = Duration::from_millis(50);

/// A peer in raw bytes.
struct Peer(TcpStream);

impl Peer {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Self(stream)
    }

    /// Connects and upgrades.
    fn open(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address);
        peer.send(REQUEST);
        let head = peer.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("sent");
    }

    /// Sends one masked frame.
    fn frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        self.send(&frame(fin, opcode, payload));
    }

    /// A response's head.
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a head");
            head.extend_from_slice(&byte);
        }
        String::from_utf8(head).expect("text")
    }

    /// The next frame.
    fn next(&mut self) -> (Opcode, Vec<u8>) {
        let mut bytes = Vec::new();
        loop {
            let decoded = FrameHeader::decode(sockeye_protocol::Role::Client, &bytes);
            if let Some((header, _)) = decoded.expect("a good header") {
                let mut payload = vec![0; usize::try_from(header.payload_len).expect("a length")];
                self.0.read_exact(&mut payload).expect("a payload");
                return (header.opcode, payload);
            }
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a header");
            bytes.extend_from_slice(&byte);
        }
    }

    /// Asserts that a Close frame with this code comes, and then nothing more.
    fn assert_closed(&mut self, code: u16) {
        let (opcode, payload) = self.next();
        assert_eq!(opcode, Opcode::Close, "{payload:?}");
        assert_eq!(payload, code.to_be_bytes());
        self.assert_ended();
    }

    /// Asserts that nothing more comes.
    fn assert_ended(&mut self) {
        let mut rest = [0; 64];
        match self.0.read(&mut rest) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?} {rest:?}"),
        }
    }
}

fn frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let payload_len = payload.len() as u64;
    let mut frame = [0; FrameHeader::BYTES_MAX];
    let len = FrameHeader { fin, opcode, mask: Some(key), payload_len }.encode(&mut frame);
    let mut frame = frame[..len].to_vec();
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn messages_come_back(start: Start) {
    let mut peer = Peer::open(start(Config::default(), PATIENCE));
    let large = "κόσμε ".repeat(50_000);
    for text in ["", "Hello", &large] {
        peer.frame(true, Opcode::Text, text.as_bytes());
        assert!(peer.next() == (Opcode::Text, text.into()), "{} bytes", text.len());
    }
    // In fragments, with a ping between them, and every byte by itself.
    let mut bytes = frame(false, Opcode::Binary, b"one ");
    bytes.extend(frame(true, Opcode::Ping, b"?"));
    bytes.extend(frame(true, Opcode::Continuation, b"two"));
    bytes.chunks(1).for_each(|byte| peer.send(byte));
    assert_eq!(peer.next(), (Opcode::Pong, b"?".into()));
    assert_eq!(peer.next(), (Opcode::Binary, b"one two".into()));
    // One that hardly fits, behind another.
    let longest = vec![7; Config::default().message_bytes_max];
    peer.send(
        &[frame(true, Opcode::Text, b"short"), frame(true, Opcode::Binary, &longest)].concat(),
    );
    assert_eq!(peer.next(), (Opcode::Text, b"short".into()));
    assert!(peer.next() == (Opcode::Binary, longest));
    // Many at once.
    let numbers: Vec<String> = (0..3000).map(|number| number.to_string()).collect();
    let frames = numbers.iter().map(|number| frame(true, Opcode::Text, number.as_bytes()));
    peer.send(&frames.collect::<Vec<_>>().concat());
    for number in numbers {
        assert_eq!(peer.next(), (Opcode::Text, number.into()));
    }
}

fn what_came_behind_the_request_is_not_lost(start: Start) {
    let mut peer = Peer::connect(start(Config::default(), PATIENCE));
    let behind = frame(true, Opcode::Text, b"early");
    peer.send(&[REQUEST, &behind].concat());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.next(), (Opcode::Text, b"early".into()));
}

fn a_ping_is_answered_and_a_close_returned(start: Start) {
    let mut peer = Peer::open(start(Config::default(), PATIENCE));
    peer.frame(true, Opcode::Ping, b"there?");
    assert_eq!(peer.next(), (Opcode::Pong, b"there?".into()));
    peer.frame(true, Opcode::Close, &1001_u16.to_be_bytes());
    peer.assert_closed(1001);
}

fn bad_frames_end_it_with_their_code(start: Start) {
    let mut config = Config::default();
    config.message_bytes_max = 1000;
    let address = start(config, PATIENCE);
    let bad: [(&[u8], u16); 4] = [
        (b"\x81\x05Hello", 1002),
        (&frame(true, Opcode::Continuation, b""), 1002),
        (&frame(true, Opcode::Text, b"\xff"), 1007),
        (&frame(true, Opcode::Binary, &[0; 1001]), 1009),
    ];
    for (bytes, code) in bad {
        let mut peer = Peer::open(address);
        // What came whole before it is answered.
        peer.send(&[&frame(true, Opcode::Text, b"first"), bytes].concat());
        assert_eq!(peer.next(), (Opcode::Text, b"first".into()));
        peer.assert_closed(code);
    }
}

fn a_peer_that_lingers_is_cut_off(start: Start) {
    let mut config = Config::default();
    config.close_within = SOON;
    let mut peer = Peer::open(start(config, PATIENCE));
    peer.send(b"\x81\x05Hello");
    peer.assert_closed(1002);
    // It is read from until its time is up. Then there is nobody to write to.
    for _ in 0..PATIENCE.as_millis() / 5 {
        if peer.0.write_all(b"x").is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it was never cut off");
}

fn a_request_has_its_time(start: Start) {
    let mut peer = Peer::connect(start(Config::default(), SOON));
    // It says something all the time, but never all.
    peer.0.set_read_timeout(Some(SOON / 5)).expect("a timeout");
    for byte in REQUEST[..REQUEST.len() - 1].iter().cycle() {
        if peer.0.write_all(&[*byte]).is_err() {
            return;
        }
        match peer.0.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(1..) => panic!("an answer to half a request"),
            Ok(0) | Err(_) => return,
        }
    }
}

fn other_requests_are_refused(start: Start) {
    let address = start(Config::default(), PATIENCE);
    for (request, status, has_body) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426", true),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "426", false),
        ("nonsense\r\n\r\n", "400", true),
    ] {
        let mut peer = Peer::connect(address);
        peer.send(request.as_bytes());
        let head = peer.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let mut body = String::new();
        peer.0.read_to_string(&mut body).expect("a body, and the end");
        assert_eq!(!body.is_empty(), has_body, "{body}");
    }
}

fn silence_is_asked_and_ends(start: Start) {
    let mut config = Config::default();
    config.ping_after = Some(SOON);
    config.pong_within = PATIENCE;
    let mut peer = Peer::open(start(config.clone(), PATIENCE));
    for _ in 0..3 {
        let (opcode, payload) = peer.next();
        assert_eq!(opcode, Opcode::Ping);
        peer.frame(true, Opcode::Pong, &payload);
    }
    peer.frame(true, Opcode::Close, b"");
    // Another ping may have crossed it.
    while peer.next().0 != Opcode::Close {}

    config.pong_within = SOON;
    let mut peer = Peer::open(start(config, PATIENCE));
    assert_eq!(peer.next().0, Opcode::Ping);
    peer.assert_ended();
}

fn a_message_has_its_time(start: Start) {
    let mut config = Config::default();
    config.message_within = Some(SOON);
    let address = start(config, PATIENCE);
    let mut peer = Peer::open(address);
    peer.frame(false, Opcode::Text, b"Hel");
    peer.assert_closed(1008);

    // The same while its bytes come without a pause.
    let mut peer = Peer::open(address);
    let mut writer = peer.0.try_clone().expect("a second handle");
    let trickling = std::thread::spawn(move || {
        let message = frame(true, Opcode::Binary, &[0; 1024 * 1024]);
        message.chunks(1).take_while(|byte| writer.write_all(byte).is_ok()).count()
    });
    peer.assert_closed(1008);
    assert!(trickling.join().expect("it ends") < 1024 * 1024);
}

fn an_end_without_a_close_is_an_end(start: Start) {
    let mut peer = Peer::open(start(Config::default(), PATIENCE));
    peer.frame(true, Opcode::Text, b"last");
    peer.0.shutdown(std::net::Shutdown::Write).expect("half a shutdown");
    assert_eq!(peer.next(), (Opcode::Text, b"last".into()));
    peer.assert_ended();
}

fn who_breaks_off_harms_nobody_else(start: Start) {
    let address = start(Config::default(), PATIENCE);
    let mut other = Peer::open(address);
    for rest in [1, 2000, 1 << 20] {
        let mut peer = Peer::open(address);
        peer.frame(true, Opcode::Binary, &vec![0; rest]);
        // Some of the echo has come, and to close a socket with bytes unread resets it.
        peer.0.read_exact(&mut [0]).expect("the first byte of the echo");
        drop(peer);
        other.frame(true, Opcode::Text, b"here");
        assert_eq!(other.next(), (Opcode::Text, b"here".into()));
    }
    Peer::open(address);
}

fn who_does_not_read_is_not_read(start: Start) {
    const FRAMES: usize = 4096;
    let mut peer = Peer::open(start(Config::default(), PATIENCE));
    let message = frame(true, Opcode::Binary, &[7; 16 * 1024]);
    let mut writer = peer.0.try_clone().expect("a second handle");
    writer.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let (stalled, has_stalled) = mpsc::channel();
    let writing = std::thread::spawn(move || {
        let (mut written, total) = (0, FRAMES * message.len());
        while written < total {
            match writer.write(&message[written % message.len()..]) {
                Ok(len) => written += len,
                Err(error) if is_timeout(&error) => drop(stalled.send(written)),
                Err(error) => panic!("{error}"),
            }
        }
    });
    // Were it read without an end, everything would go.
    has_stalled.recv().expect("what the echo does not take, it does not read");
    for _ in 0..FRAMES {
        assert!(peer.next() == (Opcode::Binary, vec![7; 16 * 1024]));
    }
    writing.join().expect("all is written");
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
