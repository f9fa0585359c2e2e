//! The part of an executor that its own thread reaches without a lock, found through a thread local.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use sockeye_protocol::Instant;

use super::key::TaskKey;
use super::remote::{LocalFuture, Remote};
use super::timers::{TimerKey, Timers};

thread_local! {
    /// The loop whose turn this thread is in.
    static CURRENT: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// Ready tasks, new tasks and timers of the loop that runs on this thread.
pub(crate) struct Local {
    remote: Arc<Remote>,
    ready: RefCell<VecDeque<TaskKey>>,
    spawned: RefCell<Vec<LocalFuture>>,
    timers: RefCell<Timers>,
}

impl Local {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            ready: RefCell::default(),
            spawned: RefCell::default(),
            timers: RefCell::default(),
        }
    }

    /// Makes this the loop of the thread until the guard is dropped. A hand-driven loop enters for each turn.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        Entered { before: CURRENT.replace(Some(Rc::clone(self))) }
    }

    /// The loop whose turn this thread is in, if any.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// The loop of this thread, if it is the one that `remote` belongs to.
    pub(crate) fn current_of(remote: &Arc<Remote>) -> Option<Rc<Self>> {
        Self::current().filter(|local| Arc::ptr_eq(&local.remote, remote))
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    pub(crate) fn spawn(&self, future: LocalFuture) {
        self.spawned.borrow_mut().push(future);
    }

    pub(super) fn take_spawned(&self) -> Vec<LocalFuture> {
        std::mem::take(&mut *self.spawned.borrow_mut())
    }

    pub(super) fn push_ready(&self, key: TaskKey) {
        self.ready.borrow_mut().push_back(key);
    }

    pub(super) fn next_ready(&self) -> Option<TaskKey> {
        self.ready.borrow_mut().pop_front()
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.borrow().len()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.ready_len() > 0 || !self.spawned.borrow().is_empty() || self.remote.is_pending()
    }

    pub(super) fn arm(&self, key: TimerKey, waker: Waker) {
        self.timers.borrow_mut().arm(key, waker);
    }

    /// The waker is dropped after the borrow has ended: its drop may free a task, which may disarm a timer of its own.
    pub(super) fn disarm(&self, key: TimerKey) {
        let waker = self.timers.borrow_mut().disarm(key);
        drop(waker);
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.borrow().next()
    }

    pub(super) fn expired(&self, now: Instant) -> Vec<Waker> {
        self.timers.borrow_mut().expire(now)
    }

    /// Takes over what other threads asked for.
    pub(super) fn take_remote(&self) {
        let Some(queue) = self.remote.take() else { return };
        self.ready.borrow_mut().extend(queue.ready);
        self.spawned
            .borrow_mut()
            .extend(queue.spawned.into_iter().map(|future| -> LocalFuture { future }));
        for (key, waker) in queue.armed {
            self.arm(key, waker);
        }
        for key in queue.disarmed {
            self.disarm(key);
        }
    }
}

/// Ends the stay in a loop.
pub(crate) struct Entered {
    before: Option<Rc<Local>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.replace(self.before.take());
    }
}
