//! Control frames without end.

use std::io::{ErrorKind, Write};

use sockeye_protocol::Violation;
use sockeye_reactor::Cause;

use crate::attacks::{SECOND, assert_served};
use crate::frames::{CLOSE, PING, PONG, close, masked};
use crate::heap::{Pairs, heap_of};
use crate::support::{Told, echo};
use crate::world::World;

/// Pings and pongs that may come at once, and in each second after that.
const BURST: usize = 200;
const RATE: usize = 100;

/// Whether a session was closed for too many control frames.
fn flooded(told: &Told) -> bool {
    let Told::Closed(outcome) = told else { return false };
    matches!(
        outcome.cause,
        Cause::Protocol(error) if error.violation == Violation::TooManyControlFrames
    )
}

/// Over a real socket, so that what waits in the network is not on this thread's heap.
#[test]
fn attack_09_a_flood_of_pings_that_nobody_reads_the_pongs_of_grows_nothing() {
    let mut pairs = Pairs::new(None);
    let mut flooder = pairs.open();
    flooder.set_nonblocking(true).expect("a socket");
    let pings = masked(PING, &[b'p'; 125]).repeat(1000);
    let ((), heap) = heap_of(|| {
        let mut blocked = 0;
        for _ in 0..1000 {
            match flooder.write(&pings) {
                Ok(_) => blocked = 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => blocked += 1,
                // It was cut off.
                Err(_) => return,
            }
            if blocked > 2 {
                return;
            }
            pairs.reactor.handle().wake();
            pairs.turn();
        }
    });
    assert!(heap.peak_bytes < 256 * 1024, "{heap:?}");
    assert_eq!(pairs.reactor.open_sessions(), 0, "it was closed");
}

#[test]
fn attack_09_who_floods_with_pings_and_reads_nothing_is_cut_off_and_the_others_are_served() {
    let mut world = World::new(echo());
    let mut good = world.open();
    let flooder = world.open();
    flooder.wire.set_window(0);
    let pings = masked(PING, &[b'p'; 125]).repeat(1000);
    for _ in 0..100 {
        flooder.wire.write(&pings);
        assert_served(&mut world, &mut good);
    }
    assert_eq!(world.count(|told| matches!(told, Told::Ping)), BURST, "of 100,000");
    assert_eq!(world.count(flooded), 1);
    world.pass(SECOND * 36);
    assert_eq!(world.reactor.sessions(), 1);
    assert_served(&mut world, &mut good);
}

#[test]
fn attack_10_pongs_that_nobody_asked_for_are_counted() {
    let mut world = World::new(echo());
    let mut good = world.open();
    let mut client = world.open();
    let pong = masked(PONG, b"");
    client.wire.write(&pong.repeat(BURST));
    for _ in 0..10 {
        world.pass(SECOND);
        client.wire.write(&pong.repeat(RATE));
        assert_served(&mut world, &mut good);
    }
    world.settle();
    assert_eq!(world.count(flooded), 0, "so many may come");
    client.wire.write(&pong.repeat(1_000_000 / 100));
    assert_served(&mut world, &mut good);
    world.settle();
    assert_eq!(client.close_code(), 1008);
    assert_eq!(world.count(|told| matches!(told, Told::Pong)), BURST + 10 * RATE);
    assert_eq!(world.count(flooded), 1);
}

#[test]
fn attack_10_of_a_million_close_frames_the_first_counts() {
    let mut world = World::new(echo());
    let mut good = world.open();
    let mut flooder = world.open();
    flooder.wire.write(&close(1000).repeat(100));
    world.settle();
    let frames = flooder.frames();
    assert_eq!(frames, [(CLOSE, 1000_u16.to_be_bytes().to_vec())], "one answer");
    let flood = close(1000).repeat(10_000);
    for _ in 0..100 {
        flooder.wire.write(&flood);
        assert_served(&mut world, &mut good);
    }
    assert_eq!(flooder.next(), None);
    assert_eq!(world.count(|told| matches!(told, Told::CloseFrame)), 1);
    assert_eq!(world.reactor.sessions(), 1, "it was cut off after 256 KiB");
    let read = world.counters.received_bytes();
    assert!(read < 1 << 20, "{read} of {} bytes were read", 100 * flood.len());
}
