//! Accepting when descriptors run out: no spinning, and the backlog is found again.

use std::time::Duration;

use crate::support::{Told, echo};
use crate::world::World;

/// The numbers of these errors on Linux and the BSDs.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const EPERM: i32 = 1;
#[cfg(target_os = "linux")]
const ECONNABORTED: i32 = 103;
#[cfg(not(target_os = "linux"))]
const ECONNABORTED: i32 = 53;

#[test]
fn without_descriptors_accepting_rests_and_goes_on_by_a_timer() {
    for error in [EMFILE, ENFILE] {
        let mut world = World::new(echo());
        let mut open = world.open();
        world.network.fail_accepts(error, 5);
        let waiting: Vec<_> = (0..20).map(|_| world.connect()).collect();
        let accepts = world.counters.accepts();
        world.settle();
        assert_eq!(world.counters.accepts() - accepts, 1, "one failure, no spinning");
        open.text("still served");
        world.settle();
        assert_eq!(open.next_text(), "still served");
        world.pass(Duration::from_secs(1));
        assert_eq!(world.count(|told| matches!(told, Told::AcceptFailed)), 5);
        // No edge came: the timer found the backlog. One was refused for each failure.
        assert_eq!(world.reactor.sessions(), 1 + 20 - 5);
        let refused = waiting.iter().filter(|client| client.wire.is_ended()).count();
        assert_eq!(refused, 5);
        let polls = world.counters.polls();
        world.pass(Duration::from_secs(1));
        assert!(world.counters.polls() - polls < 20);
    }
}

#[test]
fn a_connection_that_died_in_the_backlog_delays_nobody() {
    for error in [ECONNABORTED, EPERM] {
        let mut world = World::new(echo());
        world.network.fail_accepts(error, 3);
        let _waiting: Vec<_> = (0..5).map(|_| world.connect()).collect();
        world.settle();
        assert_eq!(world.reactor.sessions(), 5, "at once");
    }
}

#[test]
fn accepting_that_is_forbidden_for_good_does_not_spin() {
    let mut world = World::new(echo());
    world.network.fail_accepts(EPERM, 1_000_000);
    let _waiting = world.connect();
    world.pass(Duration::from_secs(1));
    let failures = world.count(|told| matches!(told, Told::AcceptFailed));
    assert!(failures < 400, "{failures} attempts in a second");
}

#[test]
fn a_herd_is_accepted_in_turns() {
    let mut world = World::configured(echo(), |config| config.accepts_per_turn = 10);
    let _herd: Vec<_> = (0..35).map(|_| world.connect()).collect();
    world.network.set_horizon(Some(world.network.now()));
    for accepted in [10, 20, 30, 35] {
        world.turn();
        assert_eq!(world.reactor.sessions(), accepted);
    }
}

#[test]
fn threat_q7_budgets_of_nothing_are_taken_for_the_least_that_goes_on() {
    let mut world = World::configured(echo(), |config| {
        (config.accepts_per_turn, config.turn_bytes_max) = (0, 0);
    });
    let mut client = world.open();
    for text in ["one", "two"] {
        client.text(text);
    }
    world.settle();
    assert_eq!([(); 2].map(|()| client.next_text()), ["one", "two"]);
    let polls = world.counters.polls();
    world.pass(Duration::from_secs(1));
    assert!(world.counters.polls() - polls < 50);
}
