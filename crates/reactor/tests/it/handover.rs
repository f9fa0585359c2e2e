//! One reactor accepts for several, in the simulated network: who gets what, and what becomes of it on its way.

use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::{Event, Instant};
use sockeye_reactor::engine::{Conditions, Network};
use sockeye_reactor::{Config, DrainPlan};

use crate::frames::{TEXT, masked, request};
use crate::support::{Moment, Script, Told};
use crate::world::{Client, World};

/// Reactors in one network, of which the first accepts for all.
struct Worlds(Vec<World>);

impl Worlds {
    fn new(count: usize, conditions: Conditions, change: impl Fn(&mut Config)) -> Self {
        let network = Network::new(conditions);
        let world = |place: usize| {
            let mut config = Config::default();
            change(&mut config);
            World::within(&network, telling(place), config)
        };
        let mut worlds: Vec<World> = (0..count).map(world).collect();
        let others: Vec<_> = worlds[1..].iter().map(|world| world.reactor.handle()).collect();
        worlds[0].reactor.hand_over_to(&others);
        Self(worlds)
    }

    fn network(&self) -> &Network {
        &self.0[0].network
    }

    /// Each turns, and again, until there is nothing left to do now.
    fn settle(&mut self) {
        self.pass(Duration::ZERO);
    }

    fn pass(&mut self, duration: Duration) {
        let target = self.network().now() + duration;
        self.network().set_horizon(Some(target));
        let mut quiet = 0;
        for _ in 0..100_000 {
            let before: Vec<u64> = self.0.iter().map(reads_and_writes).collect();
            for world in &mut self.0 {
                world.turn();
            }
            let is_same = before == self.0.iter().map(reads_and_writes).collect::<Vec<_>>();
            let rests = is_same && self.network().is_quiet() && self.network().now() >= target;
            quiet = if rests { quiet + 1 } else { 0 };
            if quiet == 3 {
                return;
            }
        }
        panic!("the loops do not come to rest");
    }

    /// One that asks for an upgrade, and says something before it is answered.
    fn call(&self) -> Client {
        let client = self.0[0].connect();
        client.wire.write(&[request("/"), masked(TEXT, b"hello")].concat());
        client
    }

    /// One that is served, and by whom.
    fn open(&mut self) -> (Client, usize) {
        let mut client = self.call();
        self.settle();
        let place = server_of(&mut client);
        (client, place)
    }

    fn sessions(&self) -> Vec<usize> {
        self.0.iter().map(|world| world.reactor.open_sessions()).collect()
    }

    fn handed_over(&self) -> u64 {
        self.0[0].reactor.stats().handed_over
    }
}

fn reads_and_writes(world: &World) -> u64 {
    let stats = world.reactor.stats();
    stats.reads + stats.writes + stats.accepted + stats.opened + stats.closed + stats.handed_over
}

/// Answers who it is.
fn telling(place: usize) -> Script {
    Rc::new(move |peer, moment| {
        if let Moment::Event(Event::Text(_)) = moment {
            peer.send_text(&place.to_string()).expect("an open session");
        }
    })
}

#[track_caller]
fn server_of(client: &mut Client) -> usize {
    assert!(client.head().is_some_and(|head| head.starts_with("HTTP/1.1 101 ")));
    client.next_text().parse().expect("a number")
}

#[test]
fn each_connection_goes_to_whoever_has_the_fewest() {
    let mut worlds = Worlds::new(3, Conditions::default(), |_| {});
    let mut clients = Vec::new();
    for count in 1..=30 {
        clients.push(worlds.open());
        let mut sessions = worlds.sessions();
        sessions.sort_unstable();
        assert_eq!(sessions, [0, 1, 2].map(|ahead| (count + ahead) / 3), "{count}");
    }
    assert_eq!((worlds.handed_over(), worlds.0[0].reactor.stats().accepted), (20, 10));
    // All of one reactor's go, and newcomers take their places.
    clients.retain(|(_, place)| *place != 2);
    worlds.settle();
    assert_eq!(worlds.sessions(), [10, 10, 0]);
    for count in 1..=10 {
        clients.push(worlds.open());
        assert_eq!(worlds.sessions(), [10, 10, count]);
    }
}

#[test]
fn a_herd_is_spread_before_anybody_has_noticed() {
    let mut worlds = Worlds::new(4, Conditions::default(), |_| {});
    let mut clients: Vec<Client> = (0..40).map(|_| worlds.call()).collect();
    worlds.settle();
    assert_eq!(worlds.sessions(), [10; 4]);
    let mut served = [0; 4];
    clients.iter_mut().for_each(|client| served[server_of(client)] += 1);
    assert_eq!(served, [10; 4]);
}

/// What happened, and when.
fn history(seed: u64) -> Vec<(Instant, Vec<usize>, usize)> {
    let mut conditions = Conditions::default();
    conditions.seed = seed;
    conditions.latency_to_caller = Duration::from_millis(3);
    conditions.latency_to_callee = Duration::from_millis(5);
    (conditions.read_bytes_max, conditions.send_bytes_max) = (Some(40), Some(30));
    let mut worlds = Worlds::new(3, conditions, |config| config.accepts_per_turn = 2);
    let mut clients: Vec<Client> = (0..20).map(|_| worlds.call()).collect();
    let mut history = Vec::new();
    for _ in 0..20 {
        worlds.pass(Duration::from_millis(1));
        let arrived = clients.iter().map(|client| client.wire.readable_len()).sum();
        history.push((worlds.network().now(), worlds.sessions(), arrived));
    }
    worlds.pass(Duration::from_millis(100));
    let mut served = vec![0; 3];
    clients.iter_mut().for_each(|client| served[server_of(client)] += 1);
    assert_eq!(served, worlds.sessions(), "seed {seed}");
    served.sort_unstable();
    assert_eq!(served, [6, 7, 7], "seed {seed}");
    history
}

#[test]
fn what_comes_late_and_in_pieces_is_served_wherever_it_went_and_always_alike() {
    for seed in 0..20 {
        assert_eq!(history(seed), history(seed), "seed {seed}");
    }
}

#[test]
fn whoever_goes_while_it_is_handed_over_leaves_nothing_behind() {
    for resets in [false, true] {
        let mut worlds = Worlds::new(2, Conditions::default(), |_| {});
        let client = worlds.call();
        worlds.0[0].turn();
        assert_eq!((worlds.handed_over(), worlds.0[1].reactor.sessions()), (1, 0), "on its way");
        if resets {
            client.wire.reset();
        } else {
            client.wire.shutdown_write();
            drop(client);
        }
        worlds.pass(Duration::from_secs(20));
        assert_eq!(worlds.0[1].reactor.stats().accepted, 1);
        worlds.0[1].assert_empty();
        assert_eq!(worlds.network().connections(), 0);
    }
}

#[test]
fn who_was_handed_to_one_that_goes_learns_of_it() {
    for drains in [false, true] {
        let mut worlds = Worlds::new(2, Conditions::default(), |_| {});
        let client = worlds.call();
        worlds.0[0].turn();
        assert_eq!(worlds.handed_over(), 1);
        if drains {
            worlds.0[1].reactor.drain(DrainPlan::within(Duration::from_secs(1)));
            worlds.0[1].turn();
        } else {
            worlds.0.pop();
        }
        worlds.settle();
        assert!(client.wire.is_ended() || client.wire.is_reset(), "nobody will serve it");
        drop(client);
        if drains {
            worlds.0.pop();
        }
        // What comes now stays.
        let mut next: Vec<_> = (0..5).map(|_| worlds.open()).collect();
        assert_eq!((worlds.sessions(), worlds.handed_over()), (vec![5], 1));
        next.clear();
        worlds.settle();
        assert_eq!(worlds.network().connections(), 0);
    }
}

#[test]
fn who_has_no_room_in_its_mailbox_or_too_many_that_are_not_open_is_passed_over() {
    let mut worlds = Worlds::new(2, Conditions::default(), |config| config.mailbox_bytes_max = 0);
    let mut clients: Vec<_> = (0..6).map(|_| worlds.open()).collect();
    assert_eq!((worlds.sessions(), worlds.handed_over()), (vec![6, 0], 0));
    clients.clear();

    let mut worlds = Worlds::new(2, Conditions::default(), |config| {
        config.openings_max = 4;
        config.opening_grace = Duration::from_secs(100);
    });
    // They say nothing.
    let silent: Vec<Client> = (0..20).map(|_| worlds.0[0].connect()).collect();
    worlds.settle();
    let sessions: Vec<usize> = worlds.0.iter().map(|world| world.reactor.sessions()).collect();
    assert_eq!(sessions, [4, 4], "no more than it may have");
    drop(silent);
}

#[test]
fn without_descriptors_handing_over_rests_and_goes_on_by_a_timer() {
    const EMFILE: i32 = 24;
    let mut worlds = Worlds::new(3, Conditions::default(), |_| {});
    worlds.settle();
    worlds.network().fail_accepts(EMFILE, 3);
    let waiting: Vec<Client> = (0..12).map(|_| worlds.call()).collect();
    worlds.settle();
    assert_eq!(worlds.sessions(), [0; 3], "one failure, no spinning");
    worlds.pass(Duration::from_secs(1));
    let failed = worlds.0[0].count(|told| matches!(told, Told::AcceptFailed));
    assert_eq!((failed, worlds.sessions()), (3, vec![3; 3]));
    // What they had said is unread.
    let refused = waiting.iter().filter(|client| client.wire.is_reset()).count();
    assert_eq!(refused, 3, "one for each failure");
}
