//! Deadlines: stalls, pauses, keepalive, unfinished messages, closing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Event, Timer, Violation};
use sockeye_reactor::{Cause, Config, Outcome};

use crate::frames::{BINARY, CLOSE, PING, PONG, TEXT, close, masked};
use crate::support::{Moment, Script, Told, echo, silent};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// How the only session that ended did.
#[track_caller]
fn outcome(world: &World) -> Outcome {
    let closed = |told: &Told| match told {
        Told::Closed(outcome) => Some(outcome.clone()),
        _ => None,
    };
    let outcomes: Vec<Outcome> = world.log.borrow().iter().filter_map(closed).collect();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes[0].clone()
}

fn without_keepalive(config: &mut Config) {
    let mut connection = sockeye_protocol::Config::default();
    connection.ping_after = None;
    config.connection = Arc::new(connection);
}

fn pausing() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(_)) = moment {
            peer.pause();
        }
    })
}

#[test]
fn threat_q2_a_peer_that_takes_no_byte_is_cut_after_thirty_seconds() {
    let mut world = World::new(echo());
    let mut reading = world.open();
    let client = world.open();
    client.wire.set_window(100);
    client.wire.write(&masked(BINARY, &[1; 10_000]));
    world.pass(SECOND * 29);
    assert_eq!(world.reactor.open_sessions(), 2);
    reading.text("unaffected");
    world.pass(SECOND * 2);
    assert_eq!(outcome(&world).cause, Cause::WriteStalled);
    assert_eq!(world.reactor.sessions(), 1);
    assert!(client.wire.is_reset() || client.wire.readable_len() <= 100);
    let frames = reading.frames();
    assert!(frames.contains(&(TEXT, b"unaffected".to_vec())), "{frames:?}");
}

#[test]
fn a_peer_that_takes_a_byte_now_and_then_is_not_stalled() {
    let mut world = World::configured(echo(), without_keepalive);
    let client = world.open();
    client.wire.set_window(10);
    client.wire.write(&masked(BINARY, &[1; 1000]));
    for _ in 0..6 {
        world.pass(SECOND * 20);
        let _ = client.wire.read();
    }
    assert_eq!(world.reactor.open_sessions(), 1, "{:?}", world.log.borrow());
}

#[test]
fn a_pause_of_five_minutes_is_over_and_no_live_peer_is_declared_dead_meanwhile() {
    let mut world = World::new(pausing());
    let mut client = world.open();
    client.text("that is enough");
    world.pass(SECOND * 299);
    assert_eq!(world.reactor.open_sessions(), 1);
    assert_eq!(client.next(), None, "keepalive rests while nobody reads");
    world.pass(SECOND * 2);
    assert_eq!(client.close_code(), 1008);
    assert_eq!(outcome(&world).cause, Cause::PauseStalled);
}

#[test]
fn keepalive_goes_on_after_a_pause() {
    let mut world = World::new(pausing());
    let mut client = world.open();
    client.text("a moment");
    world.pass(SECOND * 100);
    world.sender().resume();
    world.pass(SECOND * 18);
    assert_eq!(client.next(), None);
    world.pass(SECOND * 3);
    assert!(matches!(client.next(), Some((PING, _))));
}

#[test]
fn a_silent_peer_is_pinged_and_one_that_does_not_answer_is_given_up() {
    let mut world = World::new(silent());
    let mut alive = world.open();
    let mut dead = world.open();
    world.pass(SECOND * 21);
    let Some((PING, payload)) = alive.next() else { panic!("no ping") };
    alive.wire.write(&masked(PONG, &payload));
    assert!(matches!(dead.next(), Some((PING, _))));
    world.pass(SECOND * 21);
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Pong));
    assert_eq!(world.reactor.open_sessions(), 1);
    let polls = world.counters.polls();
    for _ in 0..20 {
        world.pass(SECOND * 10);
        for (first, payload) in alive.frames() {
            assert_eq!(first, PING);
            alive.wire.write(&masked(PONG, &payload));
        }
    }
    assert_eq!(world.reactor.open_sessions(), 1);
    let spent = world.counters.polls() - polls;
    assert!(spent < 400, "{spent} polls in 200 idle seconds");
}

/// 4,000 bytes at 100 bytes every 3 s: below the high mark, so reading goes on and keepalive with it.
#[test]
fn a_ping_behind_what_a_slow_reader_has_not_taken_declares_nobody_dead() {
    let mut world = World::configured(silent(), |config| {
        config.write_stall = SECOND * 1000;
    });
    let mut client = world.open();
    client.wire.set_window(100);
    let key = world.last_key();
    world.with_peer(key, |peer| peer.send_binary(&[1; 4000]).expect("an open session"));
    for _ in 0..35 {
        world.pass(SECOND * 3);
        let _ = client.wire.read();
    }
    assert_eq!(world.reactor.open_sessions(), 1, "{:?}", world.log.borrow());
    // It has taken everything by now and answers nothing: its time runs.
    client.wire.set_window(1 << 20);
    world.pass(SECOND);
    let _ = client.frames();
    world.pass(SECOND * 41);
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Pong));
}

#[test]
fn traffic_moves_the_deadline_and_the_timer_finds_that_when_it_fires() {
    let mut world = World::new(silent());
    let mut client = world.open();
    for _ in 0..10 {
        world.pass(SECOND * 15);
        client.text("still here");
    }
    world.settle();
    assert_eq!(client.next(), None, "nobody who speaks is pinged");
}

#[test]
fn a_message_and_its_deadline_in_one_turn_the_message_wins() {
    let mut world = World::configured(silent(), without_keepalive);
    let mut client = world.open();
    let frame = masked(TEXT, b"in the last moment");
    client.wire.write(&frame[..10]);
    world.settle();
    // The clock jumps beyond the deadline while the rest arrives, as if the machine had slept.
    client.wire.write(&frame[10..]);
    world.network.advance(SECOND * 40);
    world.settle();
    assert_eq!(world.texts(), ["in the last moment"]);
    assert_eq!(client.next(), None);
    client.wire.write(&frame[..10]);
    world.pass(SECOND * 31);
    assert_eq!(client.close_code(), 1008);
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Message));
}

#[test]
fn a_close_that_is_not_answered_ends_after_five_seconds() {
    let mut world = World::new(silent());
    let mut client = world.open();
    world.sender().close(None).expect("an open session");
    world.pass(Duration::from_millis(4_900));
    assert_eq!(client.next(), Some((CLOSE, Vec::new())));
    assert_eq!(world.reactor.sessions(), 1);
    world.pass(Duration::from_millis(200));
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Close));
    world.assert_empty();
}

#[test]
fn who_never_stops_talking_cannot_put_a_deadline_off() {
    let mut world = World::new(silent());
    let client = world.open();
    world.sender().close(None).expect("an open session");
    world.settle();
    let flood: Vec<u8> = masked(BINARY, &[0; 60_000]).repeat(40);
    for _ in 0..80 {
        client.wire.write(&flood);
        world.network.advance(Duration::from_millis(100));
        world.network.set_horizon(Some(world.network.now()));
        world.turn();
    }
    assert_eq!(world.reactor.open_sessions(), 0, "8 s after our Close");
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Close));
}

#[test]
fn cls_08_09_38_a_peer_that_answers_the_close_and_stays_is_left_after_the_deadline() {
    let mut world = World::new(silent());
    let mut client = world.open();
    client.wire.write(&close(1000));
    world.settle();
    assert_eq!(client.close_code(), 1000);
    assert!(client.wire.is_ended());
    assert!(outcome(&world).clean);
    assert_eq!(world.reactor.sessions(), 1, "it lingers until the peer's end");
    world.pass(Duration::from_millis(5_100));
    world.assert_empty();
}

#[test]
fn cls_13_21_40_sec_09_a_violation_is_answered_with_a_close_frame_before_the_end() {
    for (name, bytes, code) in [
        ("an unmasked frame", b"\x81\x02hi".to_vec(), 1002),
        ("text that is not UTF-8", masked(TEXT, b"\xFF"), 1007),
        ("a message that is too long", masked(BINARY, &[0; 2_000_000])[..1000].to_vec(), 1009),
    ] {
        let mut world = World::new(silent());
        let mut client = world.open();
        client.wire.write(&bytes);
        world.settle();
        assert_eq!(client.close_code(), code, "{name}");
        assert!(matches!(outcome(&world).cause, Cause::Protocol(_)), "{name}");
        assert!(client.wire.is_ended() && !client.wire.is_reset(), "{name}");
        client.wire.shutdown_write();
        world.settle();
        world.assert_empty();
    }
}

#[test]
fn cls_18_23_the_end_of_the_transport_without_a_close_is_abnormal() {
    let mut world = World::new(silent());
    let client = world.open();
    client.text("last words");
    client.wire.shutdown_write();
    world.settle();
    assert_eq!(world.texts(), ["last words"]);
    let ended = outcome(&world);
    assert_eq!((ended.code.as_u16(), ended.cause), (1006, Cause::Eof));
    world.assert_empty();
}

#[test]
fn cls_23_a_reset_ends_the_session_at_once() {
    let mut world = World::new(silent());
    let client = world.open();
    client.wire.write(&masked(TEXT, b"cut")[..4]);
    world.settle();
    client.wire.reset();
    world.settle();
    let ended = outcome(&world);
    assert!(matches!(ended.cause, Cause::Transport(_)));
    assert_eq!((ended.code.as_u16(), ended.clean), (1006, false));
    world.assert_empty();
}

/// Section 7.1.7: whoever fails a connection may want to log it. The observer is told once, what was
/// wrong and where, and none of the peer's bytes.
#[test]
fn cls_22_the_observer_is_told_of_a_failure() {
    let mut world = World::new(silent());
    let client = world.open();
    client.text("fine");
    client.wire.write(&masked(TEXT, b"secret \xFF words"));
    client.wire.write(&masked(TEXT, b"behind").repeat(100));
    client.wire.shutdown_write();
    world.settle();
    world.assert_empty();
    let observed = &world.reactor.service_mut().observed;
    let [ended] = &observed[..] else { panic!("one notice, not {observed:?}") };
    let Cause::Protocol(error) = &ended.cause else { panic!("{:?}", ended.cause) };
    assert_eq!((error.violation, error.frame_offset), (Violation::TextNotUtf8, 6 + 4));
    assert_eq!(ended.code.as_u16(), 1007);
    assert_eq!(ended.cause.to_string(), "text message is not UTF-8, in the frame at byte 10");
    assert!(!format!("{ended:?}").contains("secret"));
}

#[test]
fn what_arrived_whole_is_delivered_though_writing_failed() {
    // The peer resets while an answer is on its way and two messages lie in the transport.
    let mut world = World::new(echo());
    let client = world.open();
    client.text("one");
    client.text("two");
    world.network.set_horizon(Some(world.network.now()));
    world.turn();
    client.wire.shutdown_write();
    world.settle();
    assert_eq!(world.texts(), ["one", "two"]);
    world.assert_empty();
}

/// The ping lies behind 200 KB, and the old pong that comes as they leave is no sign of life.
#[test]
fn a_ping_that_has_just_left_has_its_whole_time() {
    let mut world = World::configured(silent(), |config| {
        config.write_stall = SECOND * 1000;
        Arc::make_mut(&mut config.connection).outbox_high_mark = 1 << 20;
    });
    let client = world.open();
    client.wire.set_window(100);
    let key = world.last_key();
    world.with_peer(key, |peer| peer.send_binary(&[1; 200_000]).expect("an open session"));
    world.pass(SECOND * 59);
    client.wire.write(&masked(PONG, b"old"));
    client.wire.set_window(1 << 20);
    world.pass(SECOND * 15);
    assert_eq!(world.reactor.open_sessions(), 1, "{:?}", world.log.borrow());
    world.pass(SECOND * 10);
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Pong));
}

#[test]
fn a_pong_brings_the_next_ping_forward_of_the_deadline_that_it_met() {
    let mut world = World::configured(echo(), |config| {
        let mut connection = sockeye_protocol::Config::default();
        connection.ping_after = Some(SECOND * 5);
        connection.pong_within = SECOND * 100;
        config.connection = Arc::new(connection);
    });
    let mut client = world.open();
    for round in 0..3 {
        client.text("traffic");
        world.pass(SECOND * 6);
        let frames = client.frames();
        let pings: Vec<_> = frames.iter().filter(|(opcode, _)| *opcode == PING).collect();
        assert_eq!(pings.len(), 1, "round {round}: {frames:?}");
        client.wire.write(&masked(PONG, &pings[0].1));
        world.settle();
    }
}

#[test]
fn a_message_that_begins_behind_others_has_its_deadline() {
    let mut world = World::configured(echo(), without_keepalive);
    let client = world.open();
    let mut bytes = masked(TEXT, b"whole");
    bytes.extend_from_slice(&masked(TEXT, b"not whole")[..8]);
    client.wire.write(&bytes);
    world.pass(SECOND * 29);
    assert_eq!(world.reactor.open_sessions(), 1);
    world.pass(SECOND * 2);
    assert_eq!(outcome(&world).cause, Cause::TimedOut(Timer::Message));
}
