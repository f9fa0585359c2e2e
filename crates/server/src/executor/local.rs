//! The part of an executor that its own thread reaches without a lock, found through a thread local.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sockeye_protocol::Instant;
use sockeye_reactor::Slab;

use super::key::TaskKey;
use super::remote::{LocalFuture, Remote, TaskWaker};
use super::timers::{TimerKey, Timers};

thread_local! {
    /// The loop whose turn this thread is in.
    static CURRENT: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// Tasks and timers of the loop that runs on this thread. Nothing is borrowed while code of a user runs.
pub(crate) struct Local {
    remote: Arc<Remote>,
    ready: RefCell<VecDeque<Arc<TaskWaker>>>,
    /// A task that is being polled is not in its place, which is kept for it.
    tasks: RefCell<Slab<Option<Task>>>,
    timers: RefCell<Timers>,
    /// The task that is being polled, and what its waker is known by.
    polled: Cell<Option<(TaskKey, WakerName)>>,
    panics: Cell<u64>,
}

/// One task.
struct Task {
    future: LocalFuture,
    /// Made once, so that a poll need not count who holds it.
    waker: Waker,
}

/// What tells one waker from another: the addresses that it consists of.
type WakerName = (usize, usize);

fn name_of(waker: &Waker) -> WakerName {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}

impl Local {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            ready: RefCell::default(),
            tasks: RefCell::new(Slab::new()),
            timers: RefCell::default(),
            polled: Cell::new(None),
            panics: Cell::new(0),
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

    /// Does something with the loop of this thread, if it is the one that `remote` belongs to. No code of a user.
    fn with_current_of<R>(remote: &Arc<Remote>, act: impl FnOnce(&Self) -> R) -> Option<R> {
        let on_own = |current: &RefCell<Option<Rc<Self>>>| {
            let current = current.borrow();
            let local = current.as_deref().filter(|local| Arc::ptr_eq(&local.remote, remote))?;
            Some(act(local))
        };
        CURRENT.try_with(on_own).ok().flatten()
    }

    /// The task of this thread's loop that is being polled, if `waker` is its own and not one that something within it
    /// has made, and if the loop is the one that `remote` belongs to.
    pub(crate) fn polled_with(remote: &Arc<Remote>, waker: &Waker) -> Option<TaskKey> {
        Self::with_current_of(remote, |local| {
            let (key, name) = local.polled.get()?;
            (name == name_of(waker)).then_some(key)
        })?
    }

    /// A new task, which is ready.
    pub(crate) fn spawn(&self, future: LocalFuture) {
        let task = self.insert(future);
        self.make_ready(&task);
    }

    /// A new task, which is polled for the first time at once.
    pub(crate) fn start(&self, future: LocalFuture) {
        let task = self.insert(future);
        self.poll_now(task.key);
    }

    fn insert(&self, future: LocalFuture) -> Arc<TaskWaker> {
        let mut made = None;
        self.tasks.borrow_mut().insert_with(|key| {
            let state = made.insert(Arc::new(TaskWaker {
                key,
                is_ready: AtomicBool::new(false),
                queued: AtomicBool::new(false),
                remote: Arc::clone(&self.remote),
            }));
            Some(Task { future, waker: Waker::from(Arc::clone(state)) })
        });
        made.expect("a slab makes what it inserts")
    }

    /// Tasks that have not ended.
    pub(super) fn tasks_len(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Panics caught so far, each of which ended its task.
    pub(super) fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// Polls the task that has been on the ready list for longest. From here on a wake puts it there again.
    pub(super) fn poll_next(&self) -> bool {
        let Some(task) = self.ready.borrow_mut().pop_front() else { return false };
        task.is_ready.store(false, Ordering::Relaxed);
        self.poll_now(task.key);
        true
    }

    /// Polls a task at once, whether it was woken or not; one that was woken is polled again in its turn. Does nothing
    /// if it has ended, or is being polled.
    pub(crate) fn poll_now(&self, key: TaskKey) {
        let lent = self.tasks.borrow_mut().get_mut(key).and_then(Option::take);
        let Some(mut task) = lent else { return };
        let outer = self.polled.replace(Some((key, name_of(&task.waker))));
        let mut context = Context::from_waker(&task.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
        self.polled.set(outer);
        if matches!(polled, Ok(Poll::Pending)) {
            if let Some(place) = self.tasks.borrow_mut().get_mut(key) {
                *place = Some(task);
            }
            return;
        }
        self.end(key, task, polled.is_err());
    }

    #[inline(never)]
    fn end(&self, key: TaskKey, task: Task, has_panicked: bool) {
        self.tasks.borrow_mut().remove(key);
        // Dropping a future runs code of its user.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(task)));
        let panics = u64::from(has_panicked) + u64::from(dropped.is_err());
        self.panics.set(self.panics.get() + panics);
    }

    /// The loop has ended: its tasks go with it, and one that panics while it is dropped takes no other along.
    pub(super) fn drop_tasks(&self) {
        let keys: Vec<TaskKey> = self.tasks.borrow().iter().map(|(key, _)| key).collect();
        for key in keys {
            let task = self.tasks.borrow_mut().remove(key);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
    }

    /// Puts a task that was woken on the ready list, unless it is there.
    fn make_ready(&self, task: &Arc<TaskWaker>) {
        if !task.is_ready.load(Ordering::Relaxed) {
            task.is_ready.store(true, Ordering::Relaxed);
            self.ready.borrow_mut().push_back(Arc::clone(task));
        }
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.borrow().len()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.ready_len() > 0 || self.remote.is_pending()
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
        for task in queue.ready {
            // What was written before a wake that found it in the queue is seen by the poll that follows.
            task.queued.swap(false, Ordering::AcqRel);
            self.make_ready(&task);
        }
        for future in queue.spawned {
            self.spawn(future);
        }
        for (key, waker) in queue.armed {
            self.arm(key, waker);
        }
        for key in queue.disarmed {
            self.disarm(key);
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let on_own_thread = Local::with_current_of(&self.remote, |local| local.make_ready(self));
        if on_own_thread.is_none() {
            self.remote.wake_task(self);
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
