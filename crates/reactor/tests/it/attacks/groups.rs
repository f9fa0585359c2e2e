//! Members who do not read, and members who come and go.

use std::rc::Rc;

use sockeye_protocol::Prepared;
use sockeye_reactor::{Cause, Group, Policy};

use crate::attacks::SECOND;
use crate::heap::heap_of;
use crate::support::{Moment, Script, Told, silent};
use crate::world::{Client, World};

fn joining(group: &Group) -> Script {
    let group = group.clone();
    Rc::new(move |peer, moment| {
        if let Moment::Open = moment {
            peer.join(&group, Policy::Close);
        }
    })
}

/// Messages published in one turn.
const BATCH: usize = 24;

/// What a broadcast to many costs: turns until the good ones have it all, and bytes of heap.
struct Broadcast {
    turns: u64,
    sends: u64,
    peak_bytes: i64,
    world: World,
    stopped: Vec<Client>,
    _good: Vec<Client>,
}

fn broadcast(good: usize, stopped: usize, messages: usize) -> Broadcast {
    let group = Group::new();
    let mut world = World::new(joining(&group));
    let good: Vec<Client> = (0..good).map(|_| world.open()).collect();
    let stopped: Vec<Client> = (0..stopped).map(|_| world.open()).collect();
    for client in &stopped {
        client.wire.set_window(0);
    }
    let prepared = Prepared::binary(&[7; 1024]);
    let (turns, sends) = (world.reactor.stats().turns, world.counters.sends());
    let ((), heap) = heap_of(|| {
        for _ in 0..messages / BATCH {
            for _ in 0..BATCH {
                group.publish(prepared.clone());
            }
            world.network.set_horizon(Some(world.network.now()));
            world.turn();
            for client in &good {
                let len = client.wire.read().len();
                assert_eq!(
                    len,
                    BATCH * prepared.frame_len(),
                    "in the turn in which it was published"
                );
            }
        }
    });
    let turns = world.reactor.stats().turns - turns;
    let sends = world.counters.sends() - sends;
    Broadcast { turns, sends, peak_bytes: heap.peak_bytes, world, stopped, _good: good }
}

#[test]
fn attack_13_members_who_stop_reading_are_closed_at_their_limit_and_cost_the_others_nothing() {
    const GOOD: usize = 1000;
    const STOPPED: usize = 10;
    // A mebibyte is full after a thousand of them; what comes later meets nobody who is full.
    const MESSAGES: usize = 1200;
    assert_eq!(MESSAGES % BATCH, 0);
    let without = broadcast(GOOD, 0, MESSAGES);
    let mut with = broadcast(GOOD, STOPPED, MESSAGES);
    assert_eq!(with.turns, without.turns, "not one turn more");
    assert!(with.sends - without.sends < 3 * STOPPED as u64, "who is blocked is not asked again");
    let growth = with.peak_bytes - without.peak_bytes;
    let allowed = (STOPPED << 20) as i64 * 105 / 100;
    assert!(growth <= allowed, "{growth} bytes for {STOPPED} who do not read");
    let world = &mut with.world;
    assert_eq!(world.reactor.open_sessions(), GOOD);
    let fell_behind =
        |told: &Told| matches!(told, Told::Closed(outcome) if outcome.cause == Cause::FellBehind);
    assert_eq!(world.count(fell_behind), STOPPED);
    world.pass(SECOND * 36);
    assert_eq!(world.reactor.sessions(), GOOD, "who takes nothing is not waited for");
    assert!(with.stopped.iter().all(|client| client.wire.is_reset() || client.wire.is_ended()));
}

#[test]
fn attack_30_a_million_joins_and_leaves_leave_nothing_behind() {
    const ROOMS: usize = 10;
    let mut world = World::new(silent());
    let _client = world.open();
    let key = world.last_key();
    let rooms: Vec<Group> = (0..ROOMS).map(|_| Group::new()).collect();
    let mut churn = |rounds: usize| {
        let rooms = rooms.clone();
        world.with_peer(key, move |peer| {
            for _ in 0..rounds {
                for room in &rooms {
                    peer.join(room, Policy::Close);
                }
                for room in &rooms {
                    assert!(peer.leave(room));
                }
            }
        });
    };
    // What the reactor keeps for its members of groups is there after this.
    churn(1);
    let ((), heap) = heap_of(|| churn(1_000_000 / ROOMS));
    assert!(heap.held_bytes <= 0, "{heap:?}");
    assert!(rooms.iter().all(|room| room.members() == 0));
    drop(_client);
    world.settle();
    world.assert_empty();
}
