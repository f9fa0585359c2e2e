//! Peers that have vanished, do not answer, or take nothing.

use sockeye_protocol::Timer;
use sockeye_reactor::Cause;

use crate::attacks::{SECOND, assert_served};
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

/// How many sessions ended for this reason.
fn ended(world: &World, cause: Cause) -> usize {
    world.count(|told| matches!(told, Told::Closed(outcome) if outcome.cause == cause))
}

#[test]
fn attack_14_a_thousand_peers_that_do_not_answer_a_close_are_dropped() {
    const PEERS: usize = 1000;
    let mut world = World::new(echo());
    let mut good = world.open();
    let handle = world.reactor.handle();
    let mut peers: Vec<Client> = (0..PEERS)
        .map(|_| {
            let peer = world.open();
            assert!(handle.close(world.last_key(), None).is_ok());
            peer
        })
        .collect();
    world.pass(SECOND * 4);
    assert_eq!(world.reactor.sessions(), 1 + PEERS);
    assert_served(&mut world, &mut good);
    world.pass(SECOND * 2);
    assert_eq!(world.reactor.sessions(), 1, "6 s after the Close frames");
    assert_eq!(ended(&world, Cause::TimedOut(Timer::Close)), PEERS);
    for peer in &mut peers {
        assert_eq!(peer.next(), Some((0x88, Vec::new())));
        assert!(peer.wire.is_ended() || peer.wire.is_reset());
    }
}

#[test]
fn attack_15_a_peer_that_vanished_without_a_word_is_found_by_its_missing_pong() {
    let mut world = World::new(silent());
    let vanished = world.open();
    vanished.wire.vanish();
    world.pass(SECOND * 39);
    assert_eq!(world.reactor.open_sessions(), 1);
    world.pass(SECOND * 2);
    world.assert_empty();
    assert_eq!(ended(&world, Cause::TimedOut(Timer::Pong)), 1);
}

#[test]
fn attack_16_a_window_that_stays_shut_costs_thirty_seconds_whatever_is_in_the_way() {
    // In the midst of an answer; and with a whole outbox behind it.
    for echoes in [1, 20] {
        let mut world = World::new(echo());
        let mut good = world.open();
        let shut = world.open();
        shut.wire.set_window(10);
        for _ in 0..echoes {
            shut.text(&"x".repeat(60_000));
        }
        world.pass(SECOND * 29);
        assert_eq!(world.reactor.open_sessions(), 2);
        assert_served(&mut world, &mut good);
        world.pass(SECOND * 2);
        assert_eq!(world.reactor.sessions(), 1, "31 s after the last byte was taken");
        assert_eq!(ended(&world, Cause::WriteStalled), 1);
    }
}
