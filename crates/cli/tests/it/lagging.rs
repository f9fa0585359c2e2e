//! Members of groups who never read, or vanish: nobody else notices.

use std::net::SocketAddr;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::bystander::Bystander;
use crate::running::{Running, eventually};
use crate::wire::{FIN, TEXT, Wire, frame};

/// A member who will not read, with as little room in its kernel as there may be.
fn lazy(address: SocketAddr, path: &str) -> Wire {
    let wire = Wire::open(address, path);
    set_socket_recv_buffer_size(&wire.stream, 4096).expect("a TCP socket");
    wire
}

/// One of the server's figures.
fn figure(server: &Running, name: &str) -> u64 {
    let mut wire = Wire::connect(server.address);
    wire.send(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes());
    let (_, body) = wire.response();
    let value = body.lines().find_map(|line| line.strip_prefix(&format!("sockeye_{name} ")));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[test]
fn attack_13_a_chat_member_who_never_reads_misses_lines_and_keeps_nobody_waiting() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    let _lazy = lazy(server.address, "/chat");
    let mut vanished = Wire::open(server.address, "/chat");
    vanished.send_text("gone in a moment");
    let mut ana = Wire::open(server.address, "/chat");
    drop(vanished);
    let text = "🐟".repeat(500);
    let line = frame(FIN | TEXT, text.as_bytes());
    for round in 0..1000 {
        // In batches, so that the test is short; the talker itself keeps up.
        ana.send(&line.repeat(8));
        for _ in 0..8 {
            while !ana.text().ends_with(&text) {}
        }
        if round % 50 == 49 && figure(&server, "drops_total") > 0 {
            bystander.was_unharmed();
            return;
        }
    }
    panic!("16 MB were said, and the one who does not read has missed nothing");
}

#[test]
fn attack_13_a_subscriber_who_never_reads_is_closed_and_keeps_nobody_waiting() {
    let server = Running::start(&[]);
    let bystander = Bystander::start(server.address);
    let mut seller = Wire::open(server.address, "/ws/v1/productos");
    let mut other = Wire::open(server.address, "/ws/v1/productos");
    let open = figure(&server, "connections");
    let _lazy = lazy(server.address, "/ws/v1/productos");
    seller.send_text("create Salmon");
    let update = format!("update 1 {}", "🐟".repeat(80));
    let notice = update.replace("update", "updated");
    let batch = frame(FIN | TEXT, update.as_bytes()).repeat(50);
    for wire in [&mut seller, &mut other] {
        assert_eq!(wire.text(), "created 1 Salmon");
    }
    for _ in 0..1000 {
        seller.send(&batch);
        for wire in [&mut seller, &mut other] {
            for _ in 0..50 {
                assert_eq!(wire.text(), notice);
            }
        }
        if figure(&server, "connections") <= open {
            bystander.was_unharmed();
            return;
        }
    }
    // Its connection counts until the peer has had time to answer the Close frame.
    assert!(eventually(|| figure(&server, "connections") <= open), "the lazy one is still there");
    bystander.was_unharmed();
}
