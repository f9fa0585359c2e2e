//! All ways to say something to one session, in any order and with any limits, to a peer that reads as it
//! likes: what was taken leaves, whole and in order, before a close, and the loop sleeps while it waits.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{CloseCode, Prepared};
use sockeye_reactor::engine::Conditions;
use sockeye_reactor::{Batch, Config, DrainPlan, Group, Peer, Policy, Sender};

use crate::frames::{CLOSE, TEXT};
use crate::soak::Dice;
use crate::support::silent;
use crate::world::{Client, World};

/// Who says something, and what was taken of it.
struct Speaker {
    world: World,
    client: Client,
    sender: Sender,
    group: Group,
    taken: Rc<RefCell<Vec<String>>>,
    published: u32,
    received: Vec<String>,
    heard: Vec<u32>,
    said: u32,
    closed: bool,
}

fn config(dice: &mut Dice) -> Config {
    let mut config = Config::default();
    config.write_stall = Duration::from_secs(3600);
    let limits = Arc::make_mut(&mut config.connection);
    limits.ping_after = None;
    limits.outbox_bytes_max = dice.one_of([300, 3_000, 20_000, 1 << 20]);
    limits.outbox_high_mark = dice.one_of([100, 2_000, 64 * 1024]);
    config
}

impl Speaker {
    fn new(dice: &mut Dice) -> Self {
        let mut conditions = Conditions::default();
        conditions.send_bytes_max = dice.one_of([None, Some(100), Some(5_000)]);
        let mut world = World::with(silent(), config(dice), conditions);
        let client = world.open();
        let sender = world.sender();
        let (taken, group) = (Rc::default(), Group::new());
        let (received, heard) = (Vec::new(), Vec::new());
        let (published, said, closed) = (0, 0, false);
        Self { world, client, sender, group, taken, published, received, heard, said, closed }
    }

    /// The next text, of any length.
    fn text(&mut self, dice: &mut Dice) -> String {
        self.said += 1;
        let len = dice.one_of([1, 50, 140, 1_500, 20_000]);
        format!(
            "{} {}",
            self.said,
            "x".repeat(usize::try_from(dice.below(len)).expect("a small number"))
        )
    }

    fn with_peer(&mut self, act: impl FnOnce(&mut Peer<'_>) + 'static) {
        self.world.with_peer(self.world.last_key(), act);
    }

    fn act(&mut self, dice: &mut Dice) {
        let taken = self.taken.clone();
        let note = move |text: String, is_taken: bool| {
            if is_taken {
                taken.borrow_mut().push(text);
            }
        };
        match dice.below(10) {
            0..=1 => {
                let text = self.text(dice);
                let is_taken = self.sender.send_text(&*text).is_ok();
                note(text, is_taken);
            }
            2 => {
                let (one, two, own) = (self.text(dice), self.text(dice), self.sender.clone());
                self.with_peer(move |peer| {
                    let is_taken = peer.send_text(&one).is_ok();
                    note(one, is_taken);
                    let is_taken = own.send_text(&*two).is_ok();
                    note(two, is_taken);
                });
            }
            3..=4 => {
                let texts: Vec<String> = (0..=dice.below(4)).map(|_| self.text(dice)).collect();
                let (late, own) = (self.text(dice), self.sender.clone());
                self.with_peer(move |peer| {
                    let mut batch = Batch::new();
                    let begun = peer.begin_batch(&mut batch);
                    for text in texts {
                        let is_taken = begun && own.put_text(text.clone(), &mut batch).is_ok();
                        note(text, is_taken);
                    }
                    let is_taken = own.send_text(&*late).is_ok();
                    note(late, is_taken);
                    peer.end_batch(&mut batch);
                });
            }
            5 => {
                self.published += 1;
                self.group.publish(Prepared::text(&format!("group {}", self.published)));
            }
            6 => {
                let group = self.group.clone();
                let policy = dice.one_of([
                    Policy::DropNewest,
                    Policy::KeepLatest,
                    Policy::DropOldest { bytes_max: 1_000 },
                ]);
                let leaves = dice.below(4) == 0;
                self.with_peer(move |peer| {
                    if leaves {
                        peer.leave(&group);
                    } else {
                        peer.join(&group, policy);
                    }
                });
            }
            7 => self.client.wire.set_window(dice.one_of([0, 1, 10, 1_000, 100_000])),
            8 => self.read(),
            _ => self.world.pass(Duration::from_millis(dice.below(200))),
        }
    }

    fn read(&mut self) {
        for (opcode, payload) in self.client.frames() {
            assert!(!self.closed, "nothing comes behind a Close frame");
            let text = String::from_utf8_lossy(&payload).into_owned();
            match (opcode, text.strip_prefix("group ")) {
                (TEXT, Some(number)) => self.heard.push(number.parse().expect("a number")),
                (TEXT, None) => self.received.push(text),
                (opcode, _) => self.closed = opcode == CLOSE,
            }
        }
    }

    /// Ends the session in one of all ways, and reads all that comes before.
    fn end(&mut self, dice: &mut Dice) {
        let code = || Some(CloseCode::NORMAL.into());
        match dice.below(4) {
            0 => self.with_peer(move |peer| peer.close(code()).expect("an open session")),
            1 => self.sender.close(code()).expect("an open session"),
            2 => {
                let handle = self.world.reactor.handle();
                handle.close(self.world.last_key(), code()).expect("room");
            }
            _ => {
                drop(self.world.reactor.handle().drain(DrainPlan::within(Duration::from_secs(20))))
            }
        }
        for _ in 0..2_000 {
            self.world.settle();
            self.client.wire.set_window(100_000);
            self.read();
            if self.closed {
                return;
            }
        }
    }
}

#[test]
fn what_was_taken_leaves_in_order_before_a_close_however_it_was_said() {
    for seed in 1..120 {
        let mut dice = Dice::new(seed);
        let mut speaker = Speaker::new(&mut dice);
        for _ in 0..60 {
            speaker.act(&mut dice);
        }
        // A loop that does not sleep while it waits for room does not let time pass.
        speaker.world.pass(Duration::from_secs(2));
        speaker.end(&mut dice);
        let taken = speaker.taken.borrow();
        let lens = |texts: &[String]| Vec::from_iter(texts.iter().map(|text| text.len()));
        assert!(
            speaker.received == *taken,
            "seed {seed}: {:?} of {:?}",
            lens(&speaker.received),
            lens(&taken)
        );
        assert!(speaker.closed, "seed {seed}");
        assert!(
            speaker.heard.is_sorted_by(|one, next| one < next),
            "seed {seed}: {:?}",
            speaker.heard
        );
    }
}
