//! The way into an executor from other threads: a queue that is swapped whole, and one wake of the loop for what it holds.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use super::clock::Clock;
use super::key::TaskKey;
use super::timers::TimerKey;
use sockeye_reactor::mutex::Mutex;

/// A task's future; it stays on its loop's thread.
pub(crate) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;
/// A future on its way to the loop that is to poll it.
pub(crate) type SendFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Shared by every waker, socket and handle of one loop.
///
/// The queue needs no limit of its own: a task is in it at most once, and timers and spawned tasks are each one per wait
/// or per connection.
pub(crate) struct Remote {
    clock: Clock,
    timer_numbers: AtomicU64,
    pending: AtomicBool,
    queue: Mutex<RemoteQueue>,
    wake_loop: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What other threads asked for since the loop last looked.
#[derive(Default)]
pub(crate) struct RemoteQueue {
    pub(super) ready: VecDeque<Arc<TaskWaker>>,
    pub(super) spawned: Vec<SendFuture>,
    pub(super) armed: Vec<(TimerKey, Waker)>,
    pub(super) disarmed: Vec<TimerKey>,
}

/// What wakes a task, from any thread.
pub(super) struct TaskWaker {
    pub(super) key: TaskKey,
    /// Whether it is on the ready list. The loop's own thread alone asks.
    pub(super) is_ready: AtomicBool,
    /// Whether it lies in the remote queue, where it is once at most.
    pub(super) queued: AtomicBool,
    pub(super) remote: Arc<Remote>,
}

impl Remote {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            timer_numbers: AtomicU64::new(0),
            pending: AtomicBool::new(false),
            queue: Mutex::new(RemoteQueue::default()),
            wake_loop: OnceLock::new(),
        }
    }

    /// Told once, when the loop exists: how to end its sleep.
    pub(crate) fn set_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.wake_loop.set(Box::new(wake));
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn next_timer_number(&self) -> u64 {
        self.timer_numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs the future on the loop.
    pub(crate) fn spawn(&self, future: SendFuture) {
        self.ask(|queue| queue.spawned.push(future));
    }

    /// Makes the loop look at once at what was put elsewhere for it.
    pub(crate) fn wake(&self) {
        self.ask(|_| {});
    }

    pub(super) fn wake_task(&self, task: &Arc<TaskWaker>) {
        if !task.queued.swap(true, Ordering::AcqRel) {
            self.ask(|queue| queue.ready.push_back(Arc::clone(task)));
        }
    }

    pub(super) fn arm(&self, key: TimerKey, waker: Waker) {
        self.ask(|queue| queue.armed.push((key, waker)));
    }

    /// Needs no wake: a timer that fires for nobody does no harm.
    pub(super) fn disarm(&self, key: TimerKey) {
        self.queue.lock().disarmed.push(key);
        self.pending.store(true, Ordering::Release);
    }

    /// `None`: nothing was asked for, which costs a load.
    pub(super) fn take(&self) -> Option<RemoteQueue> {
        let asked = self.is_pending() && self.pending.swap(false, Ordering::AcqRel);
        asked.then(|| std::mem::take(&mut *self.queue.lock()))
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The loop sleeps at most until whoever made the queue non-empty has woken it.
    fn ask(&self, put: impl FnOnce(&mut RemoteQueue)) {
        put(&mut self.queue.lock());
        self.pending.store(true, Ordering::Release);
        if let Some(wake) = self.wake_loop.get() {
            wake();
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Remote").field("clock", &self.clock).finish_non_exhaustive()
    }
}
