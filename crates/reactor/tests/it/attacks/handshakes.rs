//! Requests that never end, or are too long.

use std::time::Duration;

use crate::attacks::{SECOND, assert_served};
use crate::frames::{close, request};
use crate::heap::heap_of;
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

/// What is read of a refused request besides what it was refused for: a receive buffer, and what is
/// discarded after the answer.
const READ_BYTES_MAX: u64 = (128 + 256 + 128) * 1024;

#[test]
fn attack_01_two_thousand_slow_requests_cost_little_and_are_gone_after_five_seconds() {
    const SLOW: usize = 2000;
    let mut world = World::new(echo());
    let mut good = world.open();
    let before = world.counters.receives();
    let head = request("/");
    let (mut slow, heap) = heap_of(|| {
        let slow: Vec<Client> = (0..SLOW).map(|_| world.connect()).collect();
        for byte in head.iter().take(5) {
            for client in &slow {
                client.wire.write(&[*byte]);
            }
            assert_served(&mut world, &mut good);
            world.pass(SECOND - Duration::from_millis(20));
        }
        slow
    });
    assert_eq!(world.reactor.sessions(), 1 + SLOW);
    // The network's own part is in it as well.
    let each = heap.peak_bytes / SLOW as i64;
    assert!(each < 16 * 1024, "a slow request costs {each} bytes");
    let reads = world.counters.receives() - before;
    assert!(reads < 6 * SLOW as u64, "{reads} reads of {} bytes", 5 * SLOW);
    assert_served(&mut world, &mut good);
    world.pass(Duration::from_millis(200));
    assert_eq!(world.reactor.sessions(), 1, "5.1 s after they came");
    for client in &mut slow {
        assert!(client.head().is_some_and(|head| head.starts_with("HTTP/1.1 408 ")));
    }
    assert_served(&mut world, &mut good);
}

#[test]
fn attack_01_who_fills_every_place_gives_way_to_who_comes_to_be_served() {
    const PLACES: usize = 64;
    let mut world = World::configured(echo(), |config| config.openings_max = PLACES);
    let mut good = world.open();
    // Some say nothing, some were refused and stay, some have said goodbye and stay.
    let mut crowd: Vec<Client> = (0..PLACES / 2).map(|_| world.connect()).collect();
    for path in ["/missing", "/"] {
        for _ in 0..PLACES / 4 {
            let client = world.connect();
            client.wire.write(&request(path));
            client.wire.write(&close(1000));
            crowd.push(client);
            world.settle();
        }
    }
    assert_eq!(world.reactor.sessions(), 1 + PLACES);
    let newcomer = world.connect();
    newcomer.wire.write(&request("/"));
    world.pass(SECOND / 2);
    assert_eq!(world.reactor.open_sessions(), 1, "those who came first have had half a second");
    assert_served(&mut world, &mut good);
    world.pass(SECOND / 2);
    assert_eq!(world.reactor.open_sessions(), 2);
    assert_eq!(world.reactor.stats().gave_way, 1, "one for one");
    // Who is open is not asked to give way, however many come.
    let more: Vec<Client> = (0..3 * PLACES).map(|_| world.connect()).collect();
    world.pass(SECOND * 3);
    assert_eq!(world.reactor.open_sessions(), 2);
    assert_served(&mut world, &mut good);
    let polls = world.counters.polls();
    world.pass(SECOND);
    assert!(world.counters.polls() - polls < 100, "waiting for a place does not spin");
    drop((crowd, more));
    world.settle();
    assert_eq!(world.reactor.sessions(), 2);
}

#[test]
fn attack_01_17_without_descriptors_the_slowest_requests_give_theirs_to_newcomers() {
    let mut world = World::new(echo());
    let mut slow: Vec<Client> = (0..10).map(|_| world.connect()).collect();
    world.pass(SECOND * 2);
    world.network.fail_accepts(24, 1);
    let mut newcomers: Vec<Client> = (0..5).map(|_| world.connect()).collect();
    for newcomer in &newcomers {
        newcomer.wire.write(&request("/"));
    }
    world.settle();
    assert!(newcomers.iter_mut().all(|newcomer| newcomer.head().is_some()), "all are served");
    assert!(slow.iter_mut().all(|slow| slow.wire.is_ended()));
    assert_eq!(world.reactor.stats().gave_way, 10);
}

/// Sends in pieces of a kibibyte until an answer comes; returns it with how many bytes were sent.
fn refused_after(head: &[u8], filler: &[u8]) -> (String, usize) {
    let mut world = World::new(silent());
    let mut client = world.connect();
    client.wire.write(head);
    let mut sent = head.len();
    for _ in 0..1000 {
        world.settle();
        if let Some(answer) = client.head() {
            return (answer, sent);
        }
        client.wire.write(filler);
        sent += filler.len();
    }
    panic!("{sent} bytes were taken");
}

#[test]
fn attack_02_a_huge_line_is_refused_at_the_limit_and_what_follows_is_not_read() {
    let rows = [
        (&b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..], "431", 16 * 1024),
        (b"GET /", "414", 8 * 1024),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", "431", 16 * 1024),
    ];
    for (head, status, limit) in rows {
        let (answer, sent) = refused_after(head, &[b'a'; 1024]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(sent <= limit + 2 * 1024, "refused after {sent} bytes");
        // All at once.
        let mut world = World::new(silent());
        let client = world.connect();
        client.wire.write(head);
        client.wire.write(&vec![b'a'; 20_000_000]);
        world.settle();
        let responded =
            |told: &Told| matches!(told, Told::Responded(code) if code.to_string() == status);
        assert_eq!(world.count(responded), 1);
        let read = world.counters.received_bytes();
        assert!(read <= READ_BYTES_MAX, "{read} of 20,000,000 bytes were read");
        assert!(world.counters.receives() < 16);
        world.assert_empty();
    }
}

#[test]
fn attack_03_the_hundred_and_first_header_line_is_one_too_many_whatever_its_name() {
    let names: [fn(usize) -> String; 2] =
        [|_| "a: 1\r\n".to_owned(), |number| format!("a{number}: 1\r\n")];
    for name in names {
        let mut world = World::new(silent());
        let mut client = world.connect();
        client.wire.write(b"GET / HTTP/1.1\r\n");
        for number in 1..=100 {
            client.wire.write(name(number).as_bytes());
        }
        world.settle();
        assert_eq!(client.head(), None, "a hundred are allowed");
        client.wire.write(name(101).as_bytes());
        world.settle();
        let answer = client.head().expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let rest: String = (102..1_000_000).map(name).collect();
        client.wire.write(rest.as_bytes());
        world.settle();
        let read = world.counters.received_bytes();
        assert!(read <= READ_BYTES_MAX, "{read} bytes were read");
        world.assert_empty();
        assert_eq!(world.count(|told| matches!(told, Told::Responded(431))), 1);
    }
}

#[test]
fn attack_04_a_request_that_comes_byte_by_byte_costs_a_read_for_each_and_little_memory() {
    let cost = |lines: usize| {
        let mut head = request("/");
        head.truncate(head.len() - 2);
        for _ in 0..lines {
            head.extend(format!("x: {}\r\n", "y".repeat(150)).bytes());
        }
        head.extend(b"\r\n");
        let mut world = World::new(silent());
        let mut client = world.connect();
        world.settle();
        let ((), heap) = heap_of(|| {
            for byte in &head {
                client.wire.write(&[*byte]);
                world.settle();
            }
        });
        assert!(client.head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
        let reads = world.counters.receives();
        assert!(reads <= head.len() as u64 + 2, "{reads} reads of {} bytes", head.len());
        (head.len(), heap)
    };
    let ((small_len, small), (large_len, large)) = (cost(45), cost(94));
    assert!(large_len > 14_000 && large_len > 2 * small_len - 500);
    assert!(large.peak_bytes < 2 * large_len as i64 + 4096, "{large:?}");
    // Each byte is a packet of the network's; what is beyond that must not grow with the square.
    assert!(large.allocations < small.allocations * 22 / 10, "{small:?} {large:?}");
}
