//! Clients that misbehave: the others' echo is unaffected, and descriptors and memory come back.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_cork;

use crate::bystander::Bystander;
use crate::crowd::{Crowd, Plan, permitted};
use crate::running::{Running, eventually};
use crate::wire::{CLOSE, FIN, Frame, TEXT, Wire, frame, upgrade};

/// What an allocator may keep for later, and what the machine's noise adds.
const SLACK_KIB: usize = 6 * 1024;

/// Runs `misbehave` twice: the first time warms up pools and the allocator, the second must leave no trace.
fn leaves_no_trace(server: &Running, mut misbehave: impl FnMut()) {
    let descriptors = server.descriptors();
    let mut resident = [0; 2];
    for kib in &mut resident {
        misbehave();
        assert!(
            eventually(|| server.descriptors() <= descriptors),
            "{} descriptors, {descriptors} before",
            server.descriptors()
        );
        *kib = server.resident_kib();
    }
    assert!(resident[1] < resident[0] + SLACK_KIB, "resident KiB after each round: {resident:?}");
}

#[test]
fn killed_in_the_middle_of_a_message() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    leaves_no_trace(&server, || drop(Crowd::gather(Plan::HalfMessage, 50, server.address)));
    bystander.was_unharmed();
}

#[test]
fn attack_01_ten_thousand_half_open_handshakes() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    let count = permitted(10_000);
    leaves_no_trace(&server, || {
        let crowd = Crowd::gather(Plan::HalfHandshake, count, server.address);
        // A newcomer is served while they all hang.
        let mut wire = Wire::open(server.address, "/echo");
        wire.send_text("me too");
        assert_eq!(wire.text(), "me too");
        drop(crowd);
    });
    bystander.was_unharmed();
}

#[test]
fn attack_01_half_open_handshakes_are_ended_by_the_server_itself() {
    let server = Running::start(&[]);
    let base = server.descriptors();
    let crowd = Crowd::gather(Plan::HalfHandshake, 100, server.address);
    assert!(
        eventually(|| server.descriptors() <= base),
        "{} descriptors, {base} before",
        server.descriptors()
    );
    drop(crowd);
}

#[test]
fn data_and_fin_in_one_segment() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    leaves_no_trace(&server, || {
        for path in ["/echo", "/echo/async", "/echo/blocking"] {
            // The message and the end together, and the whole conversation together.
            let mut wire = Wire::open(server.address, path);
            in_one_segment(&mut wire, &frame(FIN | TEXT, b"all of it"));
            last_echo(&mut wire, path, "all of it");

            let mut wire = Wire::connect(server.address);
            let request = upgrade(server.address, path, "");
            in_one_segment(
                &mut wire,
                &[request.as_bytes(), &frame(FIN | TEXT, b"at once")].concat(),
            );
            assert!(wire.head().starts_with("HTTP/1.1 101 "), "{path}");
            last_echo(&mut wire, path, "at once");
        }
    });
    bystander.was_unharmed();
}

/// The kernel holds a corked socket's bytes back, so that they leave together with the FIN.
fn in_one_segment(wire: &mut Wire, bytes: &[u8]) {
    set_tcp_cork(&wire.stream, true).expect("a TCP socket");
    wire.send(bytes);
    wire.end();
}

/// A handler of events answers within the same turn, before the end is seen. A conversation hears of the message and then
/// of the end, and may find that nothing can be sent any more.
fn last_echo(wire: &mut Wire, path: &str, expected: &str) {
    let last = wire.frame();
    if path == "/echo" {
        assert_eq!(last, Some(Frame { opcode: TEXT, payload: expected.into() }));
    }
    if last.is_some_and(|frame| frame.opcode == TEXT) {
        // The server may still say goodbye.
        assert!(wire.frame().is_none_or(|frame| frame.opcode == CLOSE), "{path}");
    }
}

#[test]
fn ten_thousand_messages_in_one_write_to_who_takes_one_a_second_or_none() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    let flood: Vec<u8> = (0..10_000).flat_map(|_| frame(FIN | TEXT, b"x")).collect();
    leaves_no_trace(&server, || {
        let before = server.resident_kib();
        for path in ["/slow", "/ticker"] {
            let mut wire = Wire::open(server.address, path);
            wire.send(&flood);
            wire.text();
            wire.text();
        }
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown < SLACK_KIB, "grown by {grown} KiB");
    });
    bystander.was_unharmed();
}

#[test]
fn attack_01_one_byte_a_second() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    let base = server.descriptors();
    // One never finishes its request and is cut off by the handshake's deadline; one is slow with a message, and may be.
    let mut request = Wire::connect(server.address);
    let mut message = Wire::open(server.address, "/echo");
    let (head, body) = (upgrade(server.address, "/echo", ""), frame(FIN | TEXT, b"!"));
    for (one, other) in head.bytes().zip(body) {
        request.try_send(&[one]);
        message.send(&[other]);
        thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(message.text(), "!");
    drop(message);
    assert!(eventually(|| server.descriptors() <= base), "the slow request is still there");
    bystander.was_unharmed();
}

#[test]
fn attack_17_descriptors_that_run_out_cost_only_those_who_come_too_late() {
    let server = Running::start_with_descriptors(64);
    let bystander = Bystander::start(server.address);
    leaves_no_trace(&server, || {
        let mut crowd: Vec<_> = (0..100).map(|_| Wire::connect(server.address)).collect();
        let request = upgrade(server.address, "/echo", "");
        for wire in &mut crowd {
            wire.try_send(request.as_bytes());
        }
        // Who is not served is refused or left waiting; nobody here waits long to find out.
        let patience = Some(Duration::from_millis(50));
        let answered =
            |wire: &mut Wire| wire.stream.set_read_timeout(patience).is_ok() && wire.is_answered();
        let served = crowd.iter_mut().map(answered).filter(|served| *served).count();
        assert!((20..64).contains(&served), "{served} of 100 were served");
    });
    // There is room again, and a newcomer finds it as soon as the server has looked.
    let mut wire = Wire::open(server.address, "/echo");
    wire.send_text("any room?");
    assert_eq!(wire.text(), "any room?");
    bystander.was_unharmed();
}

#[test]
fn attack_16_a_client_that_never_reads_its_echoes_costs_a_bounded_amount() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    leaves_no_trace(&server, || {
        let before = server.resident_kib();
        for path in ["/echo", "/echo/async", "/echo/blocking"] {
            stuff(server.address, path);
        }
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown < 4 * SLACK_KIB, "grown by {grown} KiB");
    });
    bystander.was_unharmed();
}

/// Sends without reading until the server takes no more.
fn stuff(address: SocketAddr, path: &str) {
    let mut wire = Wire::open(address, path);
    wire.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("above zero");
    let message = frame(FIN | TEXT, &[b'x'; 60_000]);
    for _ in 0..2_000 {
        if wire.stream.write_all(&message).is_err() {
            return;
        }
    }
    panic!("{path}: the server took 120 MB of which nobody read the echoes");
}
