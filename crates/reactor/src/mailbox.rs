//! The mailbox: how other threads reach a reactor. Bounded in bytes, swapped whole, one wake per turn.
//!
//! ```text
//!            swap(PENDING)                     ┌─────────┐
//!   post ───────────────────► was ASLEEP? ───► │ wake()  │   otherwise the loop sees PENDING
//!                                              └─────────┘   before it sleeps
//!   loop:  AWAKE ── before poll ──► ASLEEP ── after poll ──► AWAKE | PENDING ── commands ──► AWAKE
//! ```
//!
//! A post from the loop's own thread always finds the loop awake, so it costs no system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use sockeye_protocol::{CloseReason, Prepared};

use crate::drain::{DrainPlan, DrainReport};
use crate::engine::{Handed, Wake};
use crate::mutex::Mutex;
use crate::slab::Key;

/// What a command costs besides its payload, so that commands without one are bounded as well.
const COMMAND_BYTES: usize = 64;

const AWAKE: u8 = 0;
const PENDING: u8 = 1;
const ASLEEP: u8 = 2;

pub(crate) enum Command {
    /// A sender's queue has something, or it asks to resume reading.
    Collect(Key),
    /// A deferred decision was made.
    Answered(Key),
    Close(Key, Option<CloseReason<'static>>),
    Send(Key, Prepared),
    Publish(Publication),
    Drain(DrainPlan, Sender<DrainReport>),
    /// A connection that another reactor accepted.
    Adopt(Handed),
}

/// One message to all members of a group on one reactor.
pub(crate) struct Publication {
    /// Where the reactor keeps its members of the group.
    pub(crate) slot: u32,
    /// The group's identity: the slot may have been given to another group since.
    pub(crate) group: u64,
    pub(crate) offset: u64,
    pub(crate) prepared: Prepared,
    /// A session of this reactor that is not to get it.
    pub(crate) except: Option<Key>,
}

/// The mailbox is over its limit in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// How full a reactor is, as those see it that hand it connections.
#[derive(Debug, Default)]
pub(crate) struct Load {
    sessions: AtomicUsize,
    /// Those of them that are not open.
    openings: AtomicUsize,
    /// Connections in the mailbox.
    coming: AtomicUsize,
}

impl Load {
    /// The reactor tells what it has.
    pub(crate) fn note(&self, sessions: usize, openings: usize) {
        self.sessions.store(sessions, Ordering::Relaxed);
        self.openings.store(openings, Ordering::Relaxed);
    }

    /// One of those that were coming is there, and counted elsewhere.
    pub(crate) fn arrived(&self) {
        self.coming.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many sessions there are with those that are coming. None if too many are not open yet.
    pub(crate) fn with_room(&self, openings_max: usize) -> Option<usize> {
        let coming = self.coming.load(Ordering::Relaxed);
        let openings = self.openings.load(Ordering::Relaxed) + coming;
        (openings < openings_max).then(|| self.sessions.load(Ordering::Relaxed) + coming)
    }
}

pub(crate) struct Mailbox {
    pub(crate) load: Load,
    waiting: Mutex<Waiting>,
    state: AtomicU8,
    stopped: AtomicBool,
    waker: Arc<dyn Wake>,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    commands: Vec<Command>,
    bytes: usize,
    /// The reactor is gone: nothing will ever be carried out.
    closed: bool,
}

impl Mailbox {
    pub(crate) fn new(waker: Arc<dyn Wake>, bytes_max: usize) -> Self {
        Self {
            load: Load::default(),
            waiting: Mutex::default(),
            state: AtomicU8::new(AWAKE),
            stopped: AtomicBool::new(false),
            waker,
            bytes_max,
        }
    }

    /// Posts a command that carries `payload_bytes`, unless the mailbox is full.
    pub(crate) fn post(&self, command: Command, payload_bytes: usize) -> Result<(), Full> {
        let cost = payload_bytes.saturating_add(COMMAND_BYTES);
        {
            let mut waiting = self.waiting.lock();
            if waiting.closed {
                return Ok(());
            }
            if waiting.bytes != 0 && waiting.bytes.saturating_add(cost) > self.bytes_max {
                return Err(Full);
            }
            waiting.bytes = waiting.bytes.saturating_add(cost);
            waiting.commands.push(command);
        }
        self.wake();
        Ok(())
    }

    /// Hands an accepted connection over. It comes back if the mailbox is full, or the reactor gone.
    pub(crate) fn hand(&self, handed: Handed) -> Result<(), Handed> {
        {
            let mut waiting = self.waiting.lock();
            if waiting.closed || waiting.bytes.saturating_add(COMMAND_BYTES) > self.bytes_max {
                return Err(handed);
            }
            waiting.bytes += COMMAND_BYTES;
            waiting.commands.push(Command::Adopt(handed));
            self.load.coming.fetch_add(1, Ordering::Relaxed);
        }
        self.wake();
        Ok(())
    }

    /// Posts a command whose number is bounded by the sessions (one at a time for each), so that it
    /// need not be, and must not be, refused.
    pub(crate) fn post_always(&self, command: Command) {
        {
            let mut waiting = self.waiting.lock();
            if waiting.closed {
                return;
            }
            waiting.commands.push(command);
        }
        self.wake();
    }

    /// The reactor is gone. What waits is dropped, and so is what still comes: commands for sessions
    /// that are gone find nothing anyway, and who waits for an answer learns that there is none.
    pub(crate) fn close(&self) {
        let commands = {
            let mut waiting = self.waiting.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.commands)
        };
        drop(commands);
    }

    /// Makes the next turn happen now.
    pub(crate) fn wake(&self) {
        if self.state.swap(PENDING, Ordering::AcqRel) == ASLEEP {
            self.waker.wake();
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Called before the loop sleeps. False: something was posted, do not sleep.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Called when the loop's sleep is over, whatever ended it.
    pub(crate) fn rouse(&self) {
        // A failure leaves PENDING, which the commands phase has yet to see.
        let _ = self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Swaps everything that waits into `commands`, which must be empty. Costs one atomic operation
    /// when nothing was posted.
    pub(crate) fn swap(&self, commands: &mut Vec<Command>) {
        debug_assert!(commands.is_empty(), "what was taken before has been carried out");
        if self.state.load(Ordering::Acquire) != PENDING {
            return;
        }
        self.state.store(AWAKE, Ordering::Release);
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        std::mem::swap(&mut waiting.commands, commands);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn key() -> Key {
        crate::slab::Slab::new().insert(())
    }

    #[test]
    fn a_sleeping_loop_is_woken_once_and_one_that_is_awake_never() {
        let count = Arc::new(Count::default());
        let mailbox = Mailbox::new(Arc::clone(&count) as Arc<dyn Wake>, 1 << 20);
        mailbox.post_always(Command::Collect(key()));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(!mailbox.fall_asleep());
        let mut commands = Vec::new();
        mailbox.swap(&mut commands);
        assert_eq!(commands.len(), 1);
        commands.clear();

        assert!(mailbox.fall_asleep());
        mailbox.post_always(Command::Collect(key()));
        mailbox.post_always(Command::Collect(key()));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        mailbox.rouse();
        mailbox.swap(&mut commands);
        assert_eq!(commands.len(), 2);
    }

    #[test]
    fn it_is_bounded_in_bytes_and_takes_one_command_of_any_size() {
        let mailbox = Mailbox::new(Arc::new(Count::default()), 1000);
        let prepared = Prepared::binary(&[0; 10]);
        assert!(mailbox.post(Command::Send(key(), prepared.clone()), 5000).is_ok());
        assert_eq!(mailbox.post(Command::Send(key(), prepared.clone()), 10), Err(Full));
        let mut commands = Vec::new();
        mailbox.swap(&mut commands);
        assert!(mailbox.post(Command::Send(key(), prepared), 10).is_ok());
    }
}
