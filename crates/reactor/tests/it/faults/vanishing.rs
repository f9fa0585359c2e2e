//! Peers that vanish without a word, and when their pings come.

use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Instant, Timer};
use sockeye_reactor::{Cause, Config, Precision};

use super::crowds::crowd;
use super::{Caller, Shore};
use crate::frames::{PING, PONG, TEXT, masked, request};
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

const SECOND: Duration = Duration::from_secs(1);

fn keepalive(config: &mut Config, after: Duration, within: Duration) {
    let mut connection = sockeye_protocol::Config::default();
    (connection.ping_after, connection.pong_within) = (Some(after), within);
    config.connection = Arc::new(connection);
}

fn is_timed_out(told: &Told) -> bool {
    matches!(told, Told::Closed(outcome) if outcome.cause == Cause::TimedOut(Timer::Pong))
}

#[test]
fn whoever_vanishes_is_found_within_interval_and_timeout_and_one_tick() {
    let (after, within) = (SECOND * 20, SECOND * 10);
    let mut world = World::configured(silent(), |config| keepalive(config, after, within));
    let mut heard: Vec<Instant> = Vec::new();
    for number in 0..100 {
        let client = world.open();
        client.text("my last words");
        world.settle();
        heard.push(world.network.now());
        client.wire.vanish();
        world.pass(Duration::from_millis(67 + number));
    }
    for (position, last) in heard.iter().enumerate() {
        let latest = *last + after + within + Precision::Coarse.tick();
        world.pass(latest.saturating_duration_since(world.network.now()));
        let found = world.count(is_timed_out);
        assert!(found > position, "{found} found when the {position}th was to be");
        // Nobody is given up before its time either: pings are early by a sixteenth at most.
        let now = world.network.now();
        let is_due = |heard: &&Instant| **heard + after * 15 / 16 + within <= now;
        assert!(found <= heard.iter().filter(is_due).count());
    }
    world.assert_empty();
}

#[test]
fn a_crowd_that_came_in_one_tick_does_not_ping_in_one_tick_for_ever() {
    const CROWD: usize = 800;
    let mut world = World::configured(silent(), |config| config.accepts_per_turn = CROWD);
    let mut crowd: Vec<Client> = (0..CROWD).map(|_| world.connect()).collect();
    crowd.iter().for_each(|client| client.wire.write(&request("/")));
    world.settle();
    assert!(crowd.iter_mut().all(|client| client.head().is_some()));
    let period = SECOND * 20;
    let tick = Precision::Coarse.tick();
    let ticks = usize::try_from(period.as_nanos() / tick.as_nanos()).expect("few");
    // The most pings in one tick, for each period.
    let mut most = Vec::new();
    for _ in 0..24 {
        let mut in_one_tick = 0;
        for _ in 0..ticks {
            world.pass(tick);
            let mut pinged = 0;
            for client in crowd.iter_mut().filter(|client| client.wire.readable_len() > 0) {
                let Some((PING, payload)) = client.next() else { panic!("no ping") };
                client.wire.write(&masked(PONG, &payload));
                pinged += 1;
            }
            in_one_tick = pinged.max(in_one_tick);
        }
        most.push(in_one_tick);
    }
    assert_eq!(world.reactor.open_sessions(), CROWD);
    // An interval is a sixteenth shorter at most, which is five ticks.
    assert!(most[..2].iter().max() <= Some(&(CROWD / 4)), "{most:?}");
    // Evenly spread there would be ten in each; it goes there in random steps.
    assert!(most[20..].iter().max() <= Some(&(CROWD / 10)), "{most:?}");
}

/// A socket that is open and silent is all that is left of a machine that went away.
#[test]
fn on_real_sockets_the_silent_one_is_found_and_the_one_who_answers_stays() {
    let interval = Duration::from_millis(200);
    let mut shore = Shore::configured(echo(), |config| keepalive(config, interval, interval));
    let mut alive = shore.open();
    let mut vanished = shore.open();
    let mut answered = 0;
    shore.until("found", |shore| {
        while let Some((first, payload)) = alive.next() {
            assert_eq!(first, PING);
            alive.write(&masked(PONG, &payload));
            answered += 1;
        }
        shore.count(is_timed_out) == 1 && shore.reactor.sessions() == 1
    });
    assert!(answered > 0);
    shore.until("the end", |_| !vanished.read());
    assert!(matches!(vanished.next(), Some((PING, _))));
    assert_eq!(vanished.next(), None, "it was pinged once");
    alive.write(&masked(TEXT, b"still here"));
    while shore.next(&mut alive).0 == PING {}
}

/// More than one poll brings have answered while the process was stopped.
#[test]
fn who_has_answered_while_the_loop_was_stopped_stays_however_many_they_are() {
    let many = 1_500.min(crowd() / 2);
    let mut shore =
        Shore::configured(silent(), |config| keepalive(config, SECOND * 20, SECOND * 20));
    let mut callers: Vec<Caller> = (0..many).map(|_| shore.open()).collect();
    let stop = |shore: &mut Shore, time| shore.reactor.engine_mut().ahead += time;
    stop(&mut shore, SECOND * 20);
    for caller in &mut callers {
        let (PING, payload) = shore.next(caller) else { panic!("no ping") };
        caller.write(&masked(PONG, &payload));
    }
    stop(&mut shore, SECOND * 60);
    for _ in 0..100 {
        shore.turn();
    }
    assert_eq!((shore.count(is_timed_out), shore.reactor.open_sessions()), (0, many));
}
