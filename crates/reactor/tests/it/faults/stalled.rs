//! One who does not read among ten thousand, in counts: writes, polls, bytes. The memory engine brings
//! every byte at once, so what the others wait for is the loop alone.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::Prepared;
use sockeye_reactor::{Cause, Config, Group, Policy, Stats};

use crate::frames::request;
use crate::heap::heap_of;
use crate::support::{Moment, Script, Told};
use crate::world::{Client, World};

const OTHERS: usize = 9_999;
const MESSAGE: usize = 2048;
/// Messages published in one turn.
const BATCH: usize = 8;
const TURNS: usize = 6;
/// What one connection may keep: less than is published.
const BUDGET: usize = 48 * 1024;

fn joining(group: &Group, policy: Policy) -> Script {
    let group = group.clone();
    Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            peer.join(&group, policy);
        }
    })
}

fn limits(config: &mut Config) {
    let mut connection = sockeye_protocol::Config::default();
    connection.outbox_bytes_max = BUDGET;
    connection.outbox_high_mark = BUDGET / 2;
    config.connection = Arc::new(connection);
    config.accepts_per_turn = OTHERS + 1;
}

/// What it cost to publish everything, beside what was there before.
struct Cost {
    before: Stats,
    after: Stats,
    held_bytes: i64,
    closed: u64,
    dropped: u64,
    ended: Vec<Cause>,
    /// Polls in two seconds after everything was published.
    polls: u64,
}

/// Publishes to all, of whom `stalled` take nothing. The others must have each message in the turn in
/// which it was published.
fn publish(policy: Policy, stalled: usize) -> Cost {
    let group = Group::new();
    let mut world = World::configured(joining(&group, policy), limits);
    let crowd: Vec<Client> = (0..OTHERS + stalled).map(|_| world.connect()).collect();
    crowd.iter().for_each(|client| client.wire.write(&request("/")));
    world.settle();
    assert_eq!(group.members(), OTHERS + stalled);
    crowd.iter().for_each(|client| drop(client.wire.read()));
    // In the midst of the others, so that half of them come behind.
    let (front, rest) = crowd.split_at(OTHERS / 2);
    let (still, back) = rest.split_at(stalled);
    still.iter().for_each(|client| client.wire.set_window(0));
    let prepared = Prepared::binary(&[7; MESSAGE]);
    let before = world.reactor.stats();
    let ((), heap) = heap_of(|| {
        for _ in 0..TURNS {
            for _ in 0..BATCH {
                group.publish(Prepared::binary(&[7; MESSAGE]));
            }
            world.network.set_horizon(Some(world.network.now()));
            world.turn();
            for client in front.iter().chain(back) {
                assert_eq!(client.wire.read().len(), BATCH * prepared.frame_len());
            }
        }
    });
    let after = world.reactor.stats();
    let polls = world.counters.polls();
    world.pass(Duration::from_secs(2));
    let polls = world.counters.polls() - polls;
    let ended = |told: &Told| match told {
        Told::Closed(outcome) => Some(outcome.cause),
        _ => None,
    };
    Cost {
        before,
        after,
        polls,
        held_bytes: heap.held_bytes,
        closed: group.closed(),
        dropped: group.dropped(),
        ended: world.log.borrow().iter().filter_map(ended).collect(),
    }
}

#[test]
fn attack_13_one_who_stalls_among_ten_thousand_costs_its_budget_and_meets_its_policy() {
    let alone = publish(Policy::Close, 0);
    assert_eq!((alone.closed, alone.dropped), (0, 0));
    let policies = [
        Policy::Close,
        Policy::DropNewest,
        Policy::DropOldest { bytes_max: BUDGET / 4 },
        Policy::KeepLatest,
    ];
    for policy in policies {
        let cost = publish(policy, 1);
        let writes = |cost: &Cost| cost.after.writes - cost.before.writes;
        assert!(writes(&cost) - writes(&alone) <= 2, "who is blocked is not asked again");
        let growth = cost.held_bytes - alone.held_bytes;
        let allowed = i64::try_from(BUDGET).expect("a small number") * 21 / 20;
        println!("{policy:?}: {growth} bytes more, {allowed} allowed");
        assert!(growth <= allowed, "{growth} bytes for {policy:?}");
        assert!(cost.polls < 20, "{} polls in two seconds in which nothing happened", cost.polls);
        match policy {
            Policy::Close => {
                assert_eq!((cost.closed, cost.dropped), (1, 0));
                assert_eq!(cost.ended, [Cause::FellBehind]);
            }
            _ => {
                let published = (BATCH * TURNS) as u64;
                assert!((1..published).contains(&cost.dropped), "{policy:?}: {}", cost.dropped);
                assert_eq!(cost.after.dropped, cost.dropped);
                assert!(cost.closed == 0 && cost.ended.is_empty(), "{policy:?}");
            }
        }
    }
}
