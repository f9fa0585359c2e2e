//! The small executor of an event loop: tasks in a slab, polled in the loop's `tasks` phase on the loop's own thread,
//! so their futures need not be `Send`. Waking a task on that thread costs no system call. A task that waits for what
//! the loop has at hand is polled then and there.
//!
//! ```text
//!   own thread:     poll_now ───────────────────────────▶ polled
//!   own thread:     wake ──────────────▶ ready ─────────▶ run, in this turn or the next
//!   other threads:  wake ─▶ remote queue ─▶ one wake of the loop ─┘
//! ```

mod interval;
mod spawn;
mod sleep;
mod local;
mod remote;
mod timers;
mod clock;
mod key;
mod pool;
mod slot;
mod unsaid;
mod block_on;

use std::rc::Rc;
use std::sync::Arc;

use sockeye_protocol::Instant;

pub use self::interval::{Interval, interval};
pub use self::sleep::{Sleep, sleep};
pub use self::spawn::{JoinHandle, spawn, spawn_blocking};

pub(crate) use self::block_on::{block_on, block_on_until};
pub(crate) use self::clock::Clock;
pub(crate) use self::key::{TaskKey, from_bits, to_bits};
pub(crate) use self::local::Local;
pub(crate) use self::pool::Pool;
pub(crate) use self::remote::Remote;
pub(crate) use self::sleep::Timer;
pub(crate) use self::slot::{Filler, slot};
pub(crate) use self::unsaid::{say_what_is_unsaid, set_unsaid, take_unsaid};

/// Whether blocking would stop a loop.
pub(crate) fn is_loop_thread() -> bool {
    Local::current().is_some()
}

/// Polls in one turn, so that tasks that wake each other without end leave the loop its turns.
const POLLS_PER_TURN: usize = 256;

/// The tasks of one loop. Lives in the loop's service; everything else reaches it through [`Local`] and [`Remote`].
pub(crate) struct Executor {
    local: Rc<Local>,
}

impl Executor {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { local: Rc::new(Local::new(Arc::new(Remote::new(clock)))) }
    }

    /// What the loop's own thread uses to reach the executor.
    pub(crate) fn local(&self) -> &Rc<Local> {
        &self.local
    }

    /// What any thread uses to reach it.
    pub(crate) fn remote(&self) -> &Arc<Remote> {
        self.local.remote()
    }

    /// Polls what is ready. Called once per turn; a task that is always ready gets its share and no more.
    pub(crate) fn run(&self, now: Instant) {
        self.local.take_remote();
        for waker in self.local.expired(now) {
            waker.wake();
        }
        let budget = self.local.ready_len().max(POLLS_PER_TURN);
        for _ in 0..budget {
            if !self.local.poll_next() {
                break;
            }
        }
    }

    /// When `run` has something to do although nothing happens; now, if something is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.local.has_ready() { Some(Instant::ZERO) } else { self.local.next_timer() }
    }

    /// Panics caught so far, each of which ended its task.
    pub(crate) fn panics(&self) -> u64 {
        self.local.panics()
    }

    /// Tasks that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.local.tasks_len()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.local.drop_tasks();
    }
}
