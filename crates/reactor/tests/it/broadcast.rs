//! Groups: one order over all reactors, and a policy for whoever lags.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::Prepared;
use sockeye_reactor::engine::{Conditions, Network};
use sockeye_reactor::{Cause, Config, Group, Policy};

use crate::frames::{PING, PONG, masked};
use crate::support::{Moment, Script, Told, silent};
use crate::world::{Client, World};

/// Joins when the session opens, and notes the offset from which it is live.
fn joining(group: &Group, policy: Policy, live: &Rc<RefCell<Vec<u64>>>) -> Script {
    let (group, live) = (group.clone(), live.clone());
    Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            live.borrow_mut().push(peer.join(&group, policy));
        }
    })
}

/// A world with one member that does not read, and one that does.
fn stalled(group: &Group, policy: Policy) -> (World, Client, Client) {
    let mut world = World::new(joining(group, policy, &Rc::default()));
    let stalled = world.open();
    stalled.wire.set_window(0);
    let reading = world.open();
    reading.wire.set_window(usize::MAX);
    (world, stalled, reading)
}

/// Publishes numbered messages of 10,000 bytes, and settles after each.
fn publish(world: &mut World, group: &Group, count: u32) {
    for number in 0..count {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(10_000, 0);
        group.publish(Prepared::binary(&payload));
        world.settle();
    }
}

fn numbers(client: &mut Client) -> Vec<u32> {
    let number = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().expect("four bytes"));
    client.frames().iter().map(|(_, payload)| number(payload)).collect()
}

#[test]
fn everybody_gets_what_is_published_after_joining() {
    let group = Group::new();
    let live = Rc::default();
    let mut world = World::new(joining(&group, Policy::Close, &live));
    assert_eq!(group.publish(Prepared::text("to nobody")), 0);
    let mut first = world.open();
    assert_eq!(group.publish(Prepared::text("one")), 1);
    let mut second = world.open();
    assert_eq!(group.publish(Prepared::text("two")), 2);
    world.settle();
    assert_eq!(*live.borrow(), [1, 2]);
    assert_eq!((first.next_text(), first.next_text()), ("one".into(), "two".into()));
    assert_eq!(second.next_text(), "two");
    assert_eq!(second.next(), None);
    assert_eq!(group.members(), 2);
    drop(first);
    world.settle();
    assert_eq!(group.members(), 1, "membership ends with the session");
    drop(second);
    world.settle();
    assert_eq!(group.members(), 0);
}

#[test]
fn a_broadcast_is_one_write_for_each_member_and_turn() {
    let group = Group::new();
    let mut world = World::new(joining(&group, Policy::Close, &Rc::default()));
    let mut members: Vec<Client> = (0..10).map(|_| world.open()).collect();
    let sends = world.counters.sends();
    for _ in 0..16 {
        group.publish(Prepared::text("to everyone"));
    }
    world.settle();
    assert_eq!(world.counters.sends() - sends, 10);
    assert!(members.iter_mut().all(|member| member.frames().len() == 16));
    assert_eq!(world.reactor.stats().deliveries, 160);
}

#[test]
fn leaving_ends_the_membership() {
    let group = Group::new();
    let mut world = World::new(joining(&group, Policy::Close, &Rc::default()));
    let mut client = world.open();
    let leaving = group.clone();
    world.with_peer(world.last_key(), move |peer| {
        assert!(peer.leave(&leaving));
        assert!(!peer.leave(&leaving));
    });
    group.publish(Prepared::text("too late"));
    world.settle();
    assert_eq!(client.next(), None);
    assert_eq!(group.members(), 0);
    let again = group.clone();
    world.with_peer(world.last_key(), move |peer| {
        assert_eq!(peer.join(&again, Policy::Close), 1);
        assert_eq!(peer.join(&again, Policy::KeepLatest), 1, "the offset stays");
    });
    group.publish(Prepared::text("in time"));
    world.settle();
    assert_eq!(client.next_text(), "in time");
}

#[test]
fn a_stalled_member_with_policy_close_is_closed() {
    let group = Group::new();
    let (mut world, stalled, mut reading) = stalled(&group, Policy::Close);
    publish(&mut world, &group, 200);
    assert_eq!(numbers(&mut reading), (0..200).collect::<Vec<_>>());
    assert_eq!(group.closed(), 1);
    assert_eq!(group.members(), 1);
    let log = world.log.borrow();
    let causes = log.iter().filter_map(|told| match told {
        Told::Closed(outcome) => Some((outcome.code.as_u16(), outcome.cause)),
        _ => None,
    });
    assert_eq!(causes.collect::<Vec<_>>(), [(1008, Cause::FellBehind)]);
    assert_eq!(stalled.wire.readable_len(), 0);
}

#[test]
fn a_stalled_member_with_drop_newest_gets_the_oldest() {
    let group = Group::new();
    let (mut world, mut stalled, mut reading) = stalled(&group, Policy::DropNewest);
    publish(&mut world, &group, 200);
    assert_eq!(numbers(&mut reading).len(), 200);
    stalled.wire.set_window(usize::MAX);
    world.settle();
    let got = numbers(&mut stalled);
    assert_eq!(got, (0..).take(got.len()).collect::<Vec<_>>());
    assert_eq!(group.dropped(), 200 - got.len() as u64);
    assert!((100..110).contains(&got.len()), "a megabyte of them: {}", got.len());
    publish(&mut world, &group, 1);
    assert_eq!(numbers(&mut stalled), [0], "and it is live again");
}

#[test]
fn a_stalled_member_with_drop_oldest_gets_the_newest() {
    let group = Group::new();
    let policy = Policy::DropOldest { bytes_max: 50_000 };
    let (mut world, mut stalled, mut reading) = stalled(&group, policy);
    publish(&mut world, &group, 200);
    assert_eq!(numbers(&mut reading).len(), 200);
    stalled.wire.set_window(usize::MAX);
    world.settle();
    let got = numbers(&mut stalled);
    // What was in the outbox already stays; of what waited, the last 50,000 bytes are left.
    assert_eq!(got.last(), Some(&199));
    assert_eq!(got[got.len() - 4..], [196, 197, 198, 199]);
    assert!(got.len() < 15, "{got:?}");
    assert_eq!(group.dropped(), 200 - got.len() as u64);
    assert!(got.is_sorted());
}

#[test]
fn a_stalled_member_with_keep_latest_gets_the_latest() {
    let group = Group::new();
    let (mut world, mut stalled, mut reading) = stalled(&group, Policy::KeepLatest);
    publish(&mut world, &group, 200);
    assert_eq!(numbers(&mut reading).len(), 200);
    stalled.wire.set_window(usize::MAX);
    world.settle();
    let got = numbers(&mut stalled);
    assert_eq!(got.last(), Some(&199));
    assert_eq!(got.iter().filter(|number| **number > 20).count(), 1, "{got:?}");
    assert_eq!(group.dropped(), 200 - got.len() as u64);
}

#[test]
fn a_stalled_member_that_changes_its_policy_keeps_the_order_and_misses_nothing_for_it() {
    let group = Group::new();
    let live = Rc::default();
    let mut world = World::new(joining(&group, Policy::DropOldest { bytes_max: 50_000 }, &live));
    let mut stalled = world.open();
    stalled.wire.set_window(0);
    publish(&mut world, &group, 10);
    let own = group.clone();
    world.with_peer(world.last_key(), move |peer| {
        assert_eq!(peer.join(&own, Policy::DropNewest), 0, "it has been a member since");
    });
    publish(&mut world, &group, 1);
    stalled.wire.set_window(usize::MAX);
    world.settle();
    assert_eq!(numbers(&mut stalled), Vec::from_iter((0..10).chain([0])));
    let stats = world.reactor.stats();
    assert_eq!((stats.deliveries, stats.messages_sent, group.dropped()), (11, 11, 0));
}

#[test]
fn no_policy_drops_a_control_frame() {
    let group = Group::new();
    let (mut world, mut stalled, _reading) = stalled(&group, Policy::DropNewest);
    world.pass(Duration::from_secs(1));
    stalled.wire.write(&masked(PING, b"are you there"));
    world.settle();
    publish(&mut world, &group, 200);
    stalled.wire.set_window(usize::MAX);
    world.settle();
    let pongs = stalled.frames().into_iter().filter(|(first, _)| *first == PONG);
    assert_eq!(pongs.map(|(_, payload)| payload).collect::<Vec<_>>(), [b"are you there"]);
}

#[test]
fn all_reactors_see_one_order_and_exact_offsets() {
    let network = Network::new(Conditions::default());
    let group = Group::new();
    let live: Rc<RefCell<Vec<u64>>> = Rc::default();
    let script = joining(&group, Policy::Close, &live);
    let mut worlds: Vec<World> =
        (0..2).map(|_| World::within(&network, script.clone(), Config::default())).collect();
    let mut members = Vec::new();
    for round in 0..20_u64 {
        for world in &mut worlds {
            // A message is on its way while the next member joins, which must not get it.
            group.publish(Prepared::text(&format!("{}", group_offset(round, world, &members))));
            members.push(world.open());
        }
    }
    let last = group.publish(Prepared::text("40"));
    assert_eq!(last, 40);
    for world in &mut worlds {
        world.settle();
    }
    for (member, live) in members.iter_mut().zip(live.borrow().iter()) {
        let got: Vec<u64> = member
            .frames()
            .into_iter()
            .map(|(_, payload)| {
                String::from_utf8(payload).expect("a text").parse().expect("a number")
            })
            .collect();
        assert_eq!(got, (*live..=40).collect::<Vec<_>>());
    }
}

/// Offsets begin at zero and there is one message before each member joins.
fn group_offset(_: u64, _: &World, members: &[Client]) -> usize {
    members.len()
}

#[test]
fn a_full_mailbox_leaves_a_gap_that_is_counted() {
    let group = Group::new();
    let script = joining(&group, Policy::DropNewest, &Rc::default());
    let mut world = World::configured(script, |config| config.mailbox_bytes_max = 1000);
    let mut client = world.open();
    for number in 0..100 {
        group.publish(Prepared::text(&format!("{number}")));
    }
    world.settle();
    let got = client.frames().len();
    assert!(got < 20, "{got}");
    group.publish(Prepared::text("after the gap"));
    world.settle();
    assert_eq!(client.next_text(), "after the gap");
    assert_eq!(group.dropped(), 100 - got as u64);
}

#[test]
fn a_group_that_lost_its_last_member_costs_its_reactor_nothing() {
    let mut world = World::new(silent());
    let _client = world.open();
    for _ in 0..100 {
        let group = Group::new();
        let joined = group.clone();
        world.with_peer(world.last_key(), move |peer| {
            peer.join(&joined, Policy::Close);
            peer.leave(&joined);
        });
        group.publish(Prepared::text("to nobody"));
        world.settle();
        assert_eq!(group.members(), 0);
    }
    assert_eq!(world.reactor.stats().deliveries, 0);
}
