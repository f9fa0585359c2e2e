//! How the server starts and stops.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::running::{Running, ended, eventually, sockeye};
use crate::wire::{CLOSE, FIN, Wire, frame};

#[test]
fn ctrl_c_closes_every_connection_with_1001_and_ends() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Running::start(&[]);
        let paths = [
            "/echo",
            "/echo/async",
            "/echo/blocking",
            "/connect",
            "/ticker",
            "/chat",
            "/ws/v1/productos",
            "/figures",
        ];
        let wires: Vec<_> = paths.iter().map(|path| Wire::open(server.address, path)).collect();
        server.signal(signal);
        let start = Instant::now();
        for (path, mut wire) in paths.iter().zip(wires) {
            let close = loop {
                let frame = wire.frame().unwrap_or_else(|| panic!("{path}: no Close frame"));
                if frame.opcode == CLOSE {
                    break frame;
                }
            };
            assert_eq!(close.payload.get(..2), Some(&1001_u16.to_be_bytes()[..]), "{path}");
            wire.send(&frame(FIN | CLOSE, &close.payload));
            assert_eq!(wire.frame(), None, "{path}");
        }
        let (status, said) = server.ended();
        assert!(status.success(), "{status}");
        assert!(said.starts_with("Ctrl-C stops it.\nstopping: "), "{said}");
        assert!(said.contains("stopped: 8 connections, 8 closed cleanly"), "{said}");
        // It is over when the last client has answered, not when the deadline comes.
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
}

#[test]
fn what_was_said_before_the_stop_is_still_echoed() {
    let mut server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/echo");
    wire.send_text("last words");
    assert_eq!(wire.text(), "last words");
    server.signal(Signal::INT);
    assert_eq!(wire.frame().map(|frame| frame.opcode), Some(CLOSE));
    // This client never answers the Close frame; the server ends all the same, within its deadline.
    assert!(server.ended().0.success());
}

#[test]
fn signals_that_come_together_are_one_request() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let mut server = Running::start(&[]);
        let mut wire = Wire::open(server.address, "/echo");
        server.signal(first);
        server.signal(second);
        let close = wire.frame().expect("a Close frame");
        assert_eq!(close.opcode, CLOSE);
        // The first has been seen by now, so this one is seen apart from it.
        server.signal(second);
        wire.send(&frame(FIN | CLOSE, &close.payload));
        let (status, said) = server.ended();
        assert!(status.success(), "{status}");
        assert!(said.contains("stopped: 1 connection, 1 closed cleanly"), "{said}");
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let mut server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/echo");
    server.signal(Signal::INT);
    assert_eq!(wire.frame().map(|frame| frame.opcode), Some(CLOSE));
    // Within a second it would be the same request.
    let asked_at = Instant::now();
    assert!(eventually(|| asked_at.elapsed() > Duration::from_millis(1100)));
    server.signal(Signal::INT);
    // A drain that comes to its end has the status 0.
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(130), "{status}: {said}");
}

/// Runs `serve` with `arguments` to its failure and returns what it complained about.
fn complaint(arguments: &[&str]) -> String {
    let mut command = sockeye(&["serve"]);
    let mut child = command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let status = ended(&mut child);
    assert!(matches!(status.code(), Some(1 | 2)), "{status}");
    String::from_utf8(child.wait_with_output().expect("it ended").stderr).expect("text")
}

#[test]
fn a_port_in_use_is_said_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let said = complaint(&["--listen", &address]);
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert!(said.contains("`sockeye serve --listen 127.0.0.1:0`"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_second_server_on_the_port_of_the_first_is_refused() {
    // Loops of one server share their port; two servers must not, or half of the clients would land at a stranger's.
    let server = Running::start(&[]);
    let said = complaint(&["--listen", &server.address.to_string()]);
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn bad_options_are_explained() {
    for (arguments, expected) in [
        (&["--listen", "nowhere"][..], "nowhere"),
        (&["--listen", "127.0.0.1:99999"], "127.0.0.1:99999"),
        (&["--listen", "192.0.2.1:9"], "192.0.2.1:9"),
        (&["--threads", "0"], "expected a whole number, at least 1"),
        (&["--max-message", "many"], "expected a number of bytes"),
        (&["--max-message", "1T"], "such as 65536, 64K, 1MiB or 1MB"),
        (&["--max-fragments", "0"], "--max-fragments"),
    ] {
        let said = complaint(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
