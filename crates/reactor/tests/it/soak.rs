//! Many peers that do anything at any time, replayed from seeds: nothing may be lost, mixed up, left
//! behind, or kept from coming to rest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sockeye_protocol::Event;
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Config, Sender};

use crate::frames::{PING, TEXT, close, masked, request};
use crate::support::{Moment, Script, Told, echo};
use crate::world::{Client, World};

/// A small generator of reproducible choices (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[usize::try_from(self.below(N as u64)).expect("a small number")]
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A peer, and what it is owed.
struct Player {
    number: usize,
    client: Client,
    sent: u32,
    echoed: u32,
    open: bool,
}

impl Player {
    /// Sends a few messages that carry their number, perhaps cut in the middle.
    fn send(&mut self, dice: &mut Dice) {
        let mut bytes = Vec::new();
        for _ in 0..=dice.below(5) {
            let mut text = format!("{} {} ", self.number, self.sent);
            let filling = if dice.below(10) == 0 { dice.below(100_000) } else { dice.below(200) };
            text.push_str(&"x".repeat(usize::try_from(filling).expect("a small number")));
            bytes.extend(masked(TEXT, text.as_bytes()));
            if dice.below(4) == 0 {
                bytes.extend(masked(PING, b""));
            }
            self.sent += 1;
        }
        self.client.wire.write(&bytes);
    }

    /// Reads, and checks that the echoes are its own, whole and in order.
    fn read(&mut self) {
        if !self.open {
            self.open = self.client.head().is_some();
        }
        while self.open
            && let Some((first, payload)) = self.client.next()
        {
            if first == TEXT {
                let text = String::from_utf8(payload).expect("an echo of a text");
                let start = format!("{} {} ", self.number, self.echoed);
                assert!(text.starts_with(&start), "not an echo of {start}");
                self.echoed += 1;
            }
        }
    }
}

/// Echoes, and pauses after every third text; whoever has the senders resumes.
fn halting(senders: &Senders) -> Script {
    let (senders, texts) = (senders.clone(), Cell::new(0));
    Rc::new(move |peer, moment| match moment {
        Moment::Open => senders.borrow_mut().push(peer.sender()),
        Moment::Event(Event::Text(text)) => {
            peer.send_text(text).expect("reading stops before the outbox is full");
            texts.set(texts.get() + 1);
            if texts.get() % 3 == 0 {
                peer.pause();
            }
        }
        _ => {}
    })
}

type Senders = Rc<RefCell<Vec<Sender>>>;

fn play(seed: u64, script: Script, senders: &Senders) {
    let mut dice = Dice::new(seed);
    let mut conditions = Conditions::default();
    conditions.seed = seed;
    conditions.window_bytes = 5_000 + usize::try_from(dice.below(300_000)).expect("small");
    if dice.below(2) == 0 {
        conditions.read_bytes_max = Some(4_000);
        conditions.send_bytes_max = Some(20_000);
    }
    conditions.latency_to_callee = Duration::from_millis(dice.below(40));
    conditions.latency_to_caller = Duration::from_millis(dice.below(40));
    let mut config = Config::default();
    config.accepts_per_turn = 3;
    config.turn_bytes_max = 20_000;
    let mut world = World::with(script, config, conditions);
    let mut players: Vec<Player> = Vec::new();
    for number in 0..150 {
        match dice.below(12) {
            0..=1 => {
                let client = world.connect();
                client.wire.write(&request("/"));
                players.push(Player { number, client, sent: 0, echoed: 0, open: false });
            }
            2..=6 if !players.is_empty() => {
                let chosen = dice.below(players.len() as u64);
                players[usize::try_from(chosen).expect("small")].send(&mut dice);
            }
            7..=9 => players.iter_mut().for_each(Player::read),
            10 if players.len() > 3 => {
                let player = players.swap_remove(0);
                match dice.below(3) {
                    0 => drop(player),
                    1 => player.client.wire.reset(),
                    _ => player.client.wire.write(&masked(TEXT, b"half")[..5]),
                }
            }
            _ => world.pass(Duration::from_millis(dice.below(100))),
        }
        if dice.below(3) == 0 {
            senders.borrow().iter().for_each(Sender::resume);
        }
        world.settle();
    }
    for _ in 0..400 {
        players.iter_mut().for_each(Player::read);
        senders.borrow().iter().for_each(Sender::resume);
        world.pass(Duration::from_millis(50));
    }
    for player in &mut players {
        assert!(player.open, "seed {seed}: player {} never opened", player.number);
        assert_eq!(player.echoed, player.sent, "seed {seed}: player {}", player.number);
        player.client.wire.write(&close(1000));
    }
    for _ in 0..20 {
        senders.borrow().iter().for_each(Sender::resume);
        world.pass(Duration::from_millis(100));
    }
    drop(players);
    world.pass(Duration::from_secs(60));
    world.assert_empty();
    assert_eq!(world.network.connections(), 0, "seed {seed}");
    let opened = world.count(|told| matches!(told, Told::Open(_)));
    assert_eq!(world.count(|told| matches!(told, Told::Closed(_))), opened);
    assert_eq!(world.count(|told| matches!(told, Told::Dropped)), opened);
}

#[test]
fn anything_at_any_time() {
    for seed in 0..8 {
        play(seed, echo(), &Senders::default());
    }
}

#[test]
fn anything_at_any_time_to_handlers_that_pause() {
    for seed in 100..108 {
        let senders = Senders::default();
        play(seed, halting(&senders), &senders);
    }
}
