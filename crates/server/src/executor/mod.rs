//! The small executor of an event loop: tasks in a slab, polled in the loop's `tasks` phase on the loop's own thread,
//! so their futures need not be `Send`. Waking a task on that thread costs no system call.
//!
//! ```text
//!   own thread:     wake ──────────────▶ ready ─────────▶ run, in this turn or the next
//!   other threads:  wake ─▶ remote queue ─▶ one wake of the loop ─┘
//! ```

mod interval;
mod spawn;
mod sleep;
mod task;
mod local;
mod remote;
mod timers;
mod clock;
mod key;
mod pool;
mod slot;
mod block_on;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use sockeye_protocol::Instant;

use self::key::TaskKey;
use self::task::Tasks;

pub use self::interval::{Interval, interval};
pub use self::sleep::{Sleep, sleep};
pub use self::spawn::{JoinHandle, spawn, spawn_blocking};

pub(crate) use self::block_on::{block_on, block_on_until};
pub(crate) use self::clock::Clock;
pub(crate) use self::local::Local;
pub(crate) use self::pool::Pool;
pub(crate) use self::remote::Remote;
pub(crate) use self::sleep::Timer;
pub(crate) use self::slot::{Filler, slot};

/// Whether blocking would stop a loop.
pub(crate) fn is_loop_thread() -> bool {
    Local::current().is_some()
}

/// Polls in one turn, so that tasks that wake each other without end leave the loop its turns.
const POLLS_PER_TURN: usize = 256;

/// The tasks of one loop. Lives in the loop's service; everything else reaches it through [`Local`] and [`Remote`].
pub(crate) struct Executor {
    local: Rc<Local>,
    tasks: Tasks,
    panics: u64,
}

impl Executor {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            local: Rc::new(Local::new(Arc::new(Remote::new(clock)))),
            tasks: Tasks::default(),
            panics: 0,
        }
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
    pub(crate) fn run(&mut self, now: Instant) {
        self.local.take_remote();
        for waker in self.local.expired(now) {
            waker.wake();
        }
        self.admit_spawned();
        let budget = self.local.ready_len().max(POLLS_PER_TURN);
        for _ in 0..budget {
            let Some(key) = self.local.next_ready() else { break };
            self.poll(key);
            self.admit_spawned();
        }
    }

    /// When `run` has something to do although nothing happens; now, if something is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.local.has_ready() { Some(Instant::ZERO) } else { self.local.next_timer() }
    }

    /// Panics caught so far, each of which ended its task.
    pub(crate) const fn panics(&self) -> u64 {
        self.panics
    }

    /// Tasks that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    fn admit_spawned(&mut self) {
        for future in self.local.take_spawned() {
            let key = self.tasks.insert(future, self.local.remote());
            self.local.push_ready(key);
        }
    }

    fn poll(&mut self, key: TaskKey) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        let waker = task.begin_poll();
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
        match polled {
            Ok(std::task::Poll::Pending) => {}
            Ok(std::task::Poll::Ready(())) => self.end(key),
            Err(_) => {
                self.panics += 1;
                self.end(key);
            }
        }
    }

    /// Dropping a future runs code of its user.
    fn end(&mut self, key: TaskKey) {
        let task = self.tasks.remove(key);
        if catch_unwind(AssertUnwindSafe(|| drop(task))).is_err() {
            self.panics += 1;
        }
    }
}

impl Drop for Executor {
    /// The loop has ended: its tasks go with it, and one that panics while it is dropped takes no other along.
    fn drop(&mut self) {
        for task in self.tasks.drain() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
    }
}
