//! Draining: nobody new, everybody told, over by the deadline, with a report.

use std::time::Duration;

use sockeye_protocol::CloseCode;
use sockeye_reactor::{Cause, DrainPlan, Turn};

use crate::frames::{close, masked, request};
use crate::support::{Told, echo, silent};
use crate::world::{Client, World};

const SECOND: Duration = Duration::from_secs(1);

/// Answers a Close frame that has arrived. Returns whether one has.
fn answer(client: &mut Client) -> bool {
    let closes = client.frames().into_iter().any(|(first, _)| first == 0x88);
    if closes {
        client.wire.write(&close(1001));
        client.wire.shutdown_write();
    }
    closes
}

#[test]
fn cls_40_everybody_is_told_and_the_report_counts_them() {
    let mut world = World::new(silent());
    let mut polite: Vec<Client> = (0..3).map(|_| world.open()).collect();
    let mute = world.open();
    let mut late = world.connect();
    late.wire.write(&request("/")[..20]);
    world.settle();
    let draining = world.reactor.handle().drain(DrainPlan::within(SECOND * 10));
    world.settle();
    assert!(draining.try_report().is_none());
    assert!(world.network.connect(&world.address).is_err(), "nobody listens any more");
    late.wire.write(&request("/")[20..]);
    world.settle();
    assert!(late.head().expect("an answer").starts_with("HTTP/1.1 503 "));
    assert!(polite.iter_mut().all(answer));
    world.pass(SECOND * 6);
    let report = draining.try_report().expect("the mute one was given up after five seconds");
    assert_eq!((report.open, report.closed_cleanly, report.ended), (4, 3, 1));
    assert_eq!((report.cut, report.refused), (0, 1));
    assert!(report.took >= SECOND * 5 && report.took <= SECOND * 6, "{:?}", report.took);
    assert_eq!(world.reactor.drain_report(), Some(report));
    assert_eq!(world.turn(), Turn::Done);
    world.assert_empty();
    drop(mute);
    let again = world.reactor.handle().drain(DrainPlan::within(SECOND));
    world.settle();
    assert_eq!(again.try_report(), Some(report));
}

#[test]
fn whoever_is_left_at_the_deadline_is_cut() {
    let mut world = World::new(echo());
    let stuck = world.open();
    stuck.wire.set_window(0);
    stuck.wire.write(&masked(0x82, &[0; 10_000]));
    let draining = world.reactor.handle().drain(DrainPlan::within(SECOND * 2));
    world.pass(Duration::from_millis(1_900));
    assert_eq!(world.reactor.open_sessions(), 1);
    world.pass(Duration::from_millis(200));
    let report = draining.try_report().expect("the deadline has passed");
    assert_eq!((report.open, report.cut, report.closed_cleanly), (1, 1, 0));
    let drained =
        |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::Drained);
    assert_eq!(world.count(drained), 1);
    world.assert_empty();
}

#[test]
fn the_service_is_waited_for_until_the_deadline() {
    let mut world = World::new(silent());
    let mut client = world.open();
    world.reactor.service_mut().unfinished = 2;
    let draining = world.reactor.handle().drain(DrainPlan::within(SECOND * 10));
    world.settle();
    assert!(answer(&mut client));
    world.pass(SECOND * 3);
    assert_eq!(world.reactor.sessions(), 0);
    assert!(draining.try_report().is_none(), "the service has work left");
    world.reactor.service_mut().unfinished = 0;
    world.reactor.handle().wake();
    world.settle();
    let report = draining.try_report().expect("the service has finished");
    assert_eq!((report.closed_cleanly, report.unfinished), (1, 0));

    let mut world = World::new(silent());
    world.reactor.service_mut().unfinished = 2;
    let draining = world.reactor.handle().drain(DrainPlan::within(SECOND));
    world.pass(SECOND * 2);
    let report = draining.try_report().expect("the deadline has passed");
    assert_eq!((report.cut, report.unfinished, report.took), (0, 2, SECOND));
}

#[test]
fn closes_are_spread_over_the_window() {
    let mut world = World::new(silent());
    let mut clients: Vec<Client> = (0..10).map(|_| world.open()).collect();
    let plan = DrainPlan::within(SECOND * 20)
        .spread(SECOND * 10)
        .close_with(CloseCode::SERVICE_RESTART, "back soon");
    let draining = world.reactor.handle().drain(plan);
    let mut closed = 0;
    for second in 0..10 {
        world.settle();
        closed += clients.iter_mut().filter_map(|client| answer(client).then_some(())).count();
        assert_eq!(closed, second + 1);
        world.pass(SECOND);
    }
    world.settle();
    let report = draining.try_report().expect("everybody answered");
    assert_eq!((report.open, report.closed_cleanly), (10, 10));
}

#[test]
fn what_was_sent_before_leaves_before_the_close() {
    let mut world = World::new(silent());
    let mut client = world.open();
    let sender = world.sender();
    for number in 0..20 {
        sender.send_text(format!("{number}")).expect("room");
    }
    let plan = DrainPlan::within(SECOND * 5).close_with(CloseCode::SERVICE_RESTART, "back soon");
    world.reactor.drain(plan);
    world.settle();
    for number in 0..20 {
        assert_eq!(client.next_text(), number.to_string());
    }
    assert_eq!(client.close_code(), 1012);
}

#[test]
fn a_reactor_without_sessions_drains_at_once_and_silent_peers_do_not_hold_it_up() {
    let mut world = World::new(silent());
    let _spare = world.connect();
    world.settle();
    let draining = world.reactor.handle().drain(DrainPlan::within(SECOND * 5));
    world.settle();
    let report = draining.try_report().expect("there is nobody to wait for");
    assert_eq!((report.open, report.took), (0, Duration::ZERO));
    world.assert_empty();
}

#[test]
fn a_reactor_that_is_dropped_tells_its_handlers() {
    let mut world = World::new(silent());
    let _client = world.open();
    let log = world.log.clone();
    drop(world);
    let log = log.borrow();
    let [Told::Open(_), Told::Closed(outcome), Told::Dropped] = &log[..] else {
        panic!("{log:?}");
    };
    assert_eq!(outcome.cause, Cause::Stopped);
}

#[test]
fn a_reactor_that_is_stopped_says_so() {
    let mut world = World::new(silent());
    assert_eq!(world.turn(), Turn::More);
    world.reactor.handle().stop();
    assert_eq!(world.turn(), Turn::Done);
}

#[test]
fn who_asks_a_reactor_that_is_gone_is_not_left_waiting() {
    let world = World::new(silent());
    let handle = world.reactor.handle();
    drop(world);
    let draining = handle.drain(DrainPlan::within(SECOND));
    assert_eq!(draining.wait(SECOND * 60), None);
}
