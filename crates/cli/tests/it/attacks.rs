//! The catalogue of attacks in docs/security.md, where the real kernel is part of them; see hostile.rs and lagging.rs as
//! well.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{CloseCode, Server, Socket};

use crate::bystander::Bystander;
use crate::crowd::{Crowd, Plan};
use crate::running::{Running, ended, eventually, sockeye};
use crate::wire::{CLOSE, FIN, PING, PONG, TEXT, Wire, frame, upgrade};

/// Pings that may come at once, and a second's worth of them that may come while a test is slow.
const PONGS_MAX: usize = 200 + 100 * 60;

#[test]
fn attack_09_a_flood_of_pings_is_closed_with_1008_and_never_reading_costs_nothing() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    for path in ["/echo", "/echo/async", "/echo/blocking"] {
        let mut wire = Wire::open(server.address, path);
        // Less than what is discarded behind the end, so that no reset destroys the Close frame.
        wire.send(&frame(FIN | PING, &[b'p'; 125]).repeat(1_500));
        let mut pongs = 0;
        let code = loop {
            let frame = wire.frame().expect("a Close frame before the end");
            match frame.opcode {
                PONG => pongs += 1,
                CLOSE => break u16::from_be_bytes([frame.payload[0], frame.payload[1]]),
                opcode => panic!("{path}: opcode {opcode}"),
            }
        };
        assert_eq!(code, 1008, "{path}");
        assert!(pongs <= PONGS_MAX, "{path}: {pongs} of 1,500 pings were answered");
    }
    // A million, of whose pongs none is read. The first round is for what the allocator keeps.
    let flood = frame(FIN | PING, &[b'p'; 125]).repeat(1_000);
    let mut resident = [0; 2];
    for kib in &mut resident {
        for _ in 0..20 {
            let mut wire = Wire::open(server.address, "/echo");
            let sent = (0..1_000).take_while(|_| wire.try_send(&flood)).count();
            assert!(sent < 100, "{sent} thousand pings were taken");
        }
        *kib = server.resident_kib();
    }
    let grown = resident[1].saturating_sub(resident[0]);
    assert!(grown < 256, "grown by {grown} KiB");
    bystander.was_unharmed();
}

#[test]
fn attack_17_a_thousand_connections_for_256_descriptors_cost_next_to_nothing() {
    let server = Running::start_with_descriptors(256);
    let mut good = Wire::open(server.address, "/echo");
    let base = server.descriptors();
    let crowd = Crowd::gather(Plan::Silence, 1_000, server.address);
    let (cpu, began) = (server.cpu_time(), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let (spent, elapsed) = (server.cpu_time() - cpu, began.elapsed());
    assert!(spent < elapsed / 20, "{spent:?} of processor time in {elapsed:?}");
    good.send_text("still there?");
    assert_eq!(good.text(), "still there?");
    // Nobody of the crowd is open, so a newcomer need not wait for all of them to leave.
    // One that comes when nobody can give way yet may be refused, and comes again.
    let welcomed = eventually(|| {
        let mut newcomer = Wire::connect(server.address);
        let request = upgrade(server.address, "/echo", "");
        let is_answered = newcomer.try_send(request.as_bytes()) && newcomer.is_answered();
        if is_answered {
            // The first letter has been read.
            let head = newcomer.head();
            assert!(head.starts_with("TTP/1.1 101 "), "{head}");
            newcomer.send_text("and I?");
            assert_eq!(newcomer.text(), "and I?");
        }
        is_answered
    });
    assert!(welcomed);
    drop(crowd);
    assert!(eventually(|| server.descriptors() <= base), "{}", server.descriptors());
    let mut later = Wire::open(server.address, "/echo");
    later.send_text("any room?");
    assert_eq!(later.text(), "any room?");
}

/// What one bad client sends, behind which it goes away.
fn bad_requests() -> Vec<Vec<u8>> {
    let mut all = vec![
        b"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET /%1b[2J HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\nX: \x00\x07\x1b]0;owned\x07\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\nsockeye: a forged line\r\n\r\n".to_vec(),
        b"\x00".to_vec(),
    ];
    let long = "a".repeat(4096);
    all.push(format!("GET /{long} HTTP/1.1\r\nHost: x\r\nUser-Agent: {long}\r\n\r\n").into_bytes());
    all
}

/// What one bad client sends once its session is open.
fn bad_frames() -> Vec<Vec<u8>> {
    let reason = [&1000_u16.to_be_bytes()[..], b"\x1b[2J\r\nsockeye: a forged line\0"].concat();
    vec![
        frame(FIN | TEXT, b"\x1b[2J\r\nsockeye: a forged line\0"),
        frame(FIN | TEXT, b"\xff\xfe"),
        frame(FIN | CLOSE, &reason),
        vec![FIN | TEXT, 2, b'h', b'i'],
        frame(FIN | TEXT, b"/name \x1b[2J"),
    ]
}

#[test]
fn attack_25_bad_clients_write_nothing_of_their_own_into_the_log_and_little_at_all() {
    let path = std::env::temp_dir().join(format!("sockeye-log-{}", std::process::id()));
    let server = Running::start_with_log(File::create(&path).expect("a temporary file"));
    for _ in 0..20 {
        for bytes in bad_requests() {
            Wire::connect(server.address).try_send(&bytes);
        }
        for route in ["/echo", "/echo/async", "/echo/blocking", "/dialogue", "/chat", "/connect"] {
            for bytes in bad_frames() {
                Wire::open(server.address, route).try_send(&bytes);
            }
        }
        for route in ["/ws/%1b[2J/productos", "/nowhere/%1b"] {
            let request = upgrade(server.address, route, "Origin: \x1b[2J\r\n");
            Wire::connect(server.address).try_send(request.as_bytes());
        }
    }
    // One who is served last has everything before it served.
    let mut good = Wire::open(server.address, "/echo/async");
    good.send_text("done");
    assert_eq!(good.text(), "done");
    let log = fs::read(&path).expect("the log");
    fs::remove_file(&path).expect("it is ours");
    let said = String::from_utf8_lossy(&log);
    assert!(said.lines().count() < 100, "{said}");
    assert!(!said.contains("forged"), "{said}");
    assert!(log.iter().all(|byte| *byte >= 0x20 || *byte == b'\n'), "{said:?}");
}

/// What `sockeye connect` says on standard error.
fn said_by_client(url: &str) -> String {
    let mut command = sockeye(&["connect", url]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    ended(&mut child);
    let output = child.wait_with_output().expect("it ended");
    String::from_utf8(output.stderr).expect("text")
}

#[track_caller]
fn assert_harmless(said: &str) {
    assert!(!said.contains(|it: char| it.is_control() && it != '\n'), "{said:?}");
    assert!(said.lines().all(|line| line.chars().count() < 400), "{said:?}");
}

#[test]
fn attack_25_a_hostile_server_cannot_speak_to_the_clients_terminal() {
    let rude = "\u{1b}[2J\u{7}\u{9b}31m\u{7f}\0\r!";
    for (phrase, body) in [
        ("Unavailable", format!("{rude}\n{rude}")),
        ("Unavailable", "x".repeat(4096)),
        (rude, "no".to_owned()),
        (&"y".repeat(4096), "no".to_owned()),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let len = body.len();
        let response = format!("HTTP/1.1 503 {phrase}\r\nContent-Length: {len}\r\n\r\n{body}");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the client comes");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a whole request");
                request.extend(byte);
            }
            stream.write_all(response.as_bytes()).expect("the client reads");
        });
        let said = said_by_client(&format!("ws://{address}/x"));
        server.join().expect("it served");
        assert!(said.contains(&address.to_string()), "{said:?}");
        assert_harmless(&said);
    }
    let server = Server::builder()
        .route("/", async move |socket: Socket| socket.close(CloseCode::NORMAL, rude).await)
        .bind("127.0.0.1:0")
        .expect("a port is free");
    let said = said_by_client(&format!("ws://{}/", server.local_addr().expect("TCP")));
    assert!(said.contains("code 1000") && said.contains("31m"), "{said:?}");
    assert_harmless(&said);
}
