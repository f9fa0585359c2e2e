//! Control frames without end.

use std::io::{ErrorKind, Write};

use crate::attacks::{SECOND, assert_served};
use crate::frames::{CLOSE, PING, close, masked};
use crate::heap::{Pairs, heap_of};
use crate::support::{Told, echo};
use crate::world::World;

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
    // What was read and not taken yet, and the outbox up to its mark: 128 KiB each.
    assert!(heap.peak_bytes < 257 * 1024, "{heap:?}");
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
    let taken = world.count(|told| matches!(told, Told::Ping));
    assert!(taken < 2100, "{taken} of 100,000 pings were taken");
    world.pass(SECOND * 36);
    assert_eq!(world.reactor.sessions(), 1);
    assert_served(&mut world, &mut good);
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
