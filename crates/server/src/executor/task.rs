//! Tasks: a slab of futures, and wakers that know which one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::key::TaskKey;
use super::local::Local;
use super::remote::{LocalFuture, Remote};

/// One task.
pub(super) struct Task {
    pub(super) future: LocalFuture,
    waker: Arc<TaskWaker>,
}

impl Task {
    /// From here on a wake puts the task on the ready list again.
    pub(super) fn begin_poll(&mut self) -> Waker {
        self.waker.queued.store(false, Ordering::Release);
        Waker::from(Arc::clone(&self.waker))
    }
}

/// Puts its task on the ready list, once until it is polled.
struct TaskWaker {
    key: TaskKey,
    queued: AtomicBool,
    remote: Arc<Remote>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        match Local::current_of(&self.remote) {
            Some(local) => local.push_ready(self.key),
            None => self.remote.wake_task(self.key),
        }
    }
}

/// Every task of a loop. Places are used again; the generation tells the old user of a place from the new one.
#[derive(Default)]
pub(super) struct Tasks {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    task: Option<Task>,
}

impl Tasks {
    /// The new task counts as woken: its first poll is the caller's to arrange.
    pub(super) fn insert(&mut self, future: LocalFuture, remote: &Arc<Remote>) -> TaskKey {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.places.len()).expect("fewer than 2^32 tasks");
            self.places.push(Place { generation: 0, task: None });
            index
        });
        let place = &mut self.places[index as usize];
        let key = TaskKey { index, generation: place.generation };
        let waker = TaskWaker { key, queued: AtomicBool::new(true), remote: Arc::clone(remote) };
        place.task = Some(Task { future, waker: Arc::new(waker) });
        key
    }

    pub(super) fn get_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation == key.generation { place.task.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, key: TaskKey) -> Option<Task> {
        let place = self.places.get_mut(key.index as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        let task = place.task.take();
        self.free.push(key.index);
        task
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Task> {
        self.free.clear();
        self.places.drain(..).filter_map(|place| place.task)
    }
}
