//! Many connections at once, accepting that fails, clocks that jump, events that mean nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::attacks::{SECOND, assert_served};
use crate::frames::{BINARY, PING, PONG, masked, request};
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

/// The numbers of these errors on Linux.
const DIED_WAITING: [(&str, i32); 6] = [
    ("ECONNABORTED", 103),
    ("EPERM", 1),
    ("ECONNRESET", 104),
    ("EPROTO", 71),
    ("ENETDOWN", 100),
    ("EHOSTUNREACH", 113),
];
const LACKING: [(&str, i32); 4] =
    [("EMFILE", 24), ("ENFILE", 23), ("ENOBUFS", 105), ("ENOMEM", 12)];

#[test]
fn attack_17_a_backlog_is_found_again_within_200_ms_of_free_descriptors() {
    let mut world = World::new(echo());
    let mut good = world.open();
    // Out of descriptors for ten seconds: a try each 100 ms, each of which fails.
    world.network.fail_accepts(24, 100);
    let waiting: Vec<Client> = (0..1000).map(|_| world.connect()).collect();
    let (polls, accepts) = (world.counters.polls(), world.counters.accepts());
    world.pass(SECOND * 9);
    assert_eq!(world.reactor.sessions(), 1, "nobody was let in");
    let (polls, accepts) = (world.counters.polls() - polls, world.counters.accepts() - accepts);
    assert!(polls <= 9 * 20, "{polls} polls in nine seconds");
    assert!(accepts <= 9 * 11, "{accepts} attempts in nine seconds");
    assert_served(&mut world, &mut good);
    world.pass(SECOND);
    // That was the last failure. No edge comes.
    world.pass(Duration::from_millis(200));
    let refused = waiting.iter().filter(|client| client.wire.is_ended()).count();
    assert_eq!(refused, 100, "one for each failure");
    assert_eq!(world.reactor.sessions(), 1 + 1000 - refused);
}

#[test]
fn attack_18_no_error_of_accept_ends_the_loop_or_strands_the_backlog() {
    for (name, error) in DIED_WAITING.into_iter().chain(LACKING) {
        for position in 0..8 {
            for times in [1, 3] {
                let mut world = World::new(echo());
                let mut good = world.open();
                for _ in 0..position {
                    world.open();
                }
                world.network.fail_accepts(error, times);
                let later: Vec<Client> = (0..8).map(|_| world.connect()).collect();
                assert_served(&mut world, &mut good);
                world.pass(SECOND);
                let refused = later.iter().filter(|client| client.wire.is_ended()).count();
                let lacking = LACKING.iter().any(|(_, lacking)| *lacking == error);
                assert_eq!(refused, if lacking { times } else { 0 }, "{name} at {position}");
                let failures = world.count(|told| matches!(told, Told::AcceptFailed));
                assert_eq!(failures, times, "{name} at {position}");
                for client in later.iter().filter(|client| !client.wire.is_ended()) {
                    client.wire.write(&request("/"));
                }
                world.settle();
                assert_eq!(world.reactor.open_sessions(), 1 + 8 - refused, "{name} at {position}");
            }
        }
    }
}

#[test]
fn attack_32_ten_thousand_who_come_back_at_once_keep_nobody_waiting() {
    const HERD: usize = 10_000;
    let mut world = World::new(echo());
    let mut good = world.open();
    let mut herd: Vec<Client> = (0..HERD)
        .map(|_| {
            let client = world.connect();
            client.wire.write(&request("/"));
            client
        })
        .collect();
    let mut turns = 0;
    while world.reactor.open_sessions() <= HERD {
        assert_served(&mut world, &mut good);
        turns += 1;
        assert!(turns <= HERD, "the herd is never in");
    }
    assert!(turns >= HERD / 64 / 2, "{turns} turns: the budget of each is 64");
    assert!(herd.iter_mut().all(|client| client.head().is_some()));
    drop(herd);
    world.settle();
    assert_eq!(world.reactor.sessions(), 1);
}

#[test]
fn attack_34_a_clock_that_jumps_fires_each_timer_once() {
    let mut world = World::new(echo());
    let mut peers: Vec<Client> = (0..100).map(|_| world.open()).collect();
    for hours in [1, 24, 1000] {
        let sends = world.counters.sends();
        let polls = world.counters.polls();
        world.network.advance(SECOND * 3600 * hours);
        world.settle();
        assert_eq!(world.counters.sends() - sends, 100, "one ping for each");
        assert!(world.counters.polls() - polls < 50, "no storm");
        for peer in &mut peers {
            let Some((PING, payload)) = peer.next() else { panic!("no ping") };
            assert_eq!(peer.next(), None);
            peer.wire.write(&masked(PONG, &payload));
        }
        world.settle();
        assert_eq!(world.reactor.open_sessions(), 100, "nobody had a chance to answer before");
    }
}

/// Whoever sets the time of day reaches no timer: all that the layers know is a clock that only goes
/// forward.
#[test]
fn attack_34_no_layer_reads_the_time_of_day() {
    let mut folders: Vec<PathBuf> = ["protocol", "reactor", "server"]
        .map(|layer| Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(layer).join("src"))
        .into();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = fs::read_to_string(&path).expect("a source file");
            for word in ["SystemTime", "UNIX_EPOCH", "clock_gettime"] {
                assert!(!source.contains(word), "{} in {}", word, path.display());
            }
            files += 1;
        }
    }
    assert!(files > 100, "{files} files were read");
}

#[test]
fn attack_35_wake_ups_without_a_reason_cost_a_turn_each_and_reach_nobody() {
    let mut world = World::new(silent());
    let _idle: Vec<Client> = (0..100).map(|_| world.open()).collect();
    let (reads, told) = (world.counters.receives(), world.log.borrow().len());
    let polls = world.counters.polls();
    let handle = world.reactor.handle();
    for _ in 0..1000 {
        for _ in 0..10 {
            handle.wake();
        }
        world.network.set_horizon(Some(world.network.now()));
        world.turn();
    }
    assert_eq!(world.counters.polls() - polls, 1000);
    assert_eq!(world.counters.receives() - reads, 0, "nothing was announced, nothing is read");
    assert_eq!(world.log.borrow().len(), told);
}

#[test]
fn attack_35_one_who_sends_at_full_speed_delays_a_hundred_others_by_its_budget_at_most() {
    let mut world = World::new(silent());
    let greedy = world.open();
    let modest: Vec<Client> = (0..100).map(|_| world.open()).collect();
    let flood = masked(BINARY, &[7; 1000]).repeat(1000);
    let budget = 256 * 1024 + 128 * 1024;
    for _ in 0..20 {
        greedy.wire.write(&flood);
        for client in &modest {
            client.text("me too");
        }
        world.log.borrow_mut().clear();
        world.network.set_horizon(Some(world.network.now()));
        world.turn();
        assert_eq!(world.texts().len(), 100, "all in the turn in which they came");
        let taken = world.count(|told| matches!(told, Told::Binary(_))) * 1000;
        assert!(taken <= budget, "{taken} bytes of the greedy one came before them");
    }
}
