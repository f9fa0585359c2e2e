//! Messages in very many pieces, and messages that never end.

use std::sync::Arc;

use sockeye_protocol::{Timer, Violation};
use sockeye_reactor::{Cause, Config};

use crate::attacks::{SECOND, assert_served};
use crate::frames::{BINARY, masked};
use crate::heap::heap_of;
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

/// `message_bytes_max / 64` of the default.
const FRAGMENTS_MAX: usize = 16 * 1024;

fn limits(change: impl FnOnce(&mut sockeye_protocol::Config)) -> impl FnOnce(&mut Config) {
    let mut limits = sockeye_protocol::Config::default();
    change(&mut limits);
    move |config| config.connection = Arc::new(limits)
}

/// Sends continuations by the thousand until the server has enough; returns how many were sent.
fn flood(world: &mut World, client: &Client, payload: &[u8], thousands: usize) -> usize {
    client.wire.write(&masked(0x02, payload));
    let thousand = masked(0x00, payload).repeat(1000);
    for sent in 0..thousands {
        client.wire.write(&thousand);
        world.settle();
        if world.count(|told| matches!(told, Told::Closed(_))) > 0 {
            return sent * 1000;
        }
    }
    thousands * 1000
}

#[test]
fn attack_06_07_a_million_fragments_end_at_the_limit_empty_ones_as_well() {
    for payload in [&b"x"[..], b""] {
        let mut world = World::new(echo());
        let mut good = world.open();
        let mut client = world.open();
        let sent = flood(&mut world, &client, payload, 1000);
        assert_eq!(sent / 1000, FRAGMENTS_MAX / 1000, "refused after {sent}");
        assert_eq!(client.close_code(), 1008);
        let told = |told: &Told| match told {
            Told::Closed(outcome) => Some(outcome.cause),
            _ => None,
        };
        let cause = world.log.borrow().iter().find_map(told);
        assert!(
            matches!(cause, Some(Cause::Protocol(error)) if error.violation == Violation::TooManyFragments),
            "{cause:?}"
        );
        assert_served(&mut world, &mut good);
    }
}

#[test]
fn attack_06_a_million_fragments_where_they_are_allowed_cost_what_they_bring() {
    let cost = |thousands: usize| {
        let mut world = World::configured(
            silent(),
            limits(|limits| {
                limits.message_bytes_max = 2 << 20;
                limits.fragments_max = Some(u32::MAX);
            }),
        );
        let client = world.open();
        let (_, heap) = heap_of(|| {
            assert_eq!(flood(&mut world, &client, b"x", thousands), thousands * 1000);
            client.wire.write(&masked(0x80, b"x"));
            world.settle();
        });
        let bytes = thousands * 1000 + 2;
        assert_eq!(world.count(|told| matches!(told, Told::Binary(len) if *len == bytes)), 1);
        (heap, world.counters.receives())
    };
    let ((half, half_reads), (whole, whole_reads)) = (cost(500), cost(1000));
    assert!(whole.peak_bytes < (2 << 20) + 64 * 1024, "{whole:?}");
    assert!(whole_reads <= 2 * half_reads, "{half_reads} and {whole_reads} reads");
    assert!(whole.allocations < half.allocations * 22 / 10, "{half:?} {whole:?}");
}

#[test]
fn attack_08_a_thousand_unfinished_messages_hold_their_bytes_for_thirty_seconds() {
    const CONNECTIONS: usize = 1000;
    const LIMIT: usize = 16 * 1024;
    let mut world = World::configured(silent(), limits(|limits| limits.message_bytes_max = LIMIT));
    let good = world.open();
    let mut hoarders: Vec<Client> = (0..CONNECTIONS).map(|_| world.open()).collect();
    let ((), heap) = heap_of(|| {
        for client in &hoarders {
            client.wire.write(&masked(0x02, b""));
        }
        for _ in 0..15 {
            for client in &hoarders {
                client.wire.write(&masked(0x00, &[7; 1024]));
            }
            world.settle();
        }
        for client in &hoarders {
            client.wire.write(&masked(0x00, &[7; 1023]));
        }
        world.settle();
    });
    let each = heap.held_bytes / CONNECTIONS as i64;
    assert!((LIMIT as i64..LIMIT as i64 + 4096).contains(&each), "{each} bytes each");
    let ((), after) = heap_of(|| {
        world.pass(SECOND * 29);
        assert_eq!(world.reactor.open_sessions(), 1 + CONNECTIONS);
        good.wire.write(&masked(BINARY, b"still here"));
        world.pass(SECOND * 2);
        assert_eq!(world.reactor.open_sessions(), 1);
    });
    let left = (heap.held_bytes + after.held_bytes) / CONNECTIONS as i64;
    assert!(left < 2048, "{left} bytes are left of each after 31 s");
    for client in &mut hoarders {
        let codes = client.frames();
        assert!(codes.contains(&(0x88, 1008_u16.to_be_bytes().to_vec())), "{codes:?}");
    }
    let timed_out = |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::TimedOut(Timer::Message));
    assert_eq!(world.count(timed_out), CONNECTIONS);
    world.pass(SECOND * 6);
    assert_eq!(world.reactor.sessions(), 1, "nobody is waited for longer");
}
