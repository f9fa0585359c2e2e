//! Threads for what blocks: a bounded number, started when needed, gone after a while without work.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar};
use std::thread;
use std::time::Duration;

use sockeye_reactor::mutex::Mutex;

/// How long a thread without work waits for some.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// At most so many jobs at once, and at most so many waiting.
pub(crate) struct Pool {
    name: &'static str,
    threads_max: usize,
    queue_max: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    threads: usize,
    idle: usize,
    reserved: usize,
    queue: VecDeque<Job>,
}

impl Pool {
    pub(crate) fn new(name: &'static str, threads_max: usize, queue_max: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            threads_max,
            queue_max,
            state: Mutex::default(),
            work: Condvar::new(),
        })
    }

    /// A place for one job, asked for before it is known whether the job will come; `None` when all are taken.
    /// All jobs of such a pool come with a permit.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.state.lock();
        if state.reserved >= self.threads_max {
            return None;
        }
        state.reserved += 1;
        Some(Permit(Arc::clone(self)))
    }

    /// Runs the job on a thread of the pool, or gives it back when too many wait or no thread could be started.
    pub(crate) fn run(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let mut state = self.state.lock();
        if state.idle > state.queue.len() {
            state.queue.push_back(job);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads < self.threads_max {
            let pool = Arc::clone(self);
            state.threads += 1;
            state.queue.push_back(job);
            let started =
                thread::Builder::new().name(self.name.to_owned()).spawn(move || pool.work());
            if started.is_ok() {
                return Ok(());
            }
            state.threads -= 1;
            return state.queue.pop_back().map_or(Ok(()), Err);
        }
        if state.queue.len() < self.queue_max {
            state.queue.push_back(job);
            return Ok(());
        }
        Err(job)
    }

    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                // The job reports its own panic; here it only must not take the thread along.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let (woken, timeout) = match self.work.wait_timeout(state, IDLE) {
                Ok(woken) => woken,
                Err(poisoned) => poisoned.into_inner(),
            };
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// A reserved place in a pool, given back when dropped.
pub(crate) struct Permit(Arc<Pool>);

impl Permit {
    /// Runs the job and gives the place back after it; or gives both back when no thread could be started.
    pub(crate) fn run(self, job: impl FnOnce() + Send + 'static) -> Result<(), Job> {
        let pool = Arc::clone(&self.0);
        let held = move || {
            let _place = self;
            job();
        };
        pool.run(Box::new(held))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state.lock().reserved -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_place_that_was_given_back_can_be_used_at_once() {
        let pool = Pool::new("test", 1, 1);
        let (done, ended) = mpsc::channel();
        for _ in 0..2000 {
            let permit = loop {
                match pool.reserve() {
                    Some(permit) => break permit,
                    None => thread::yield_now(),
                }
            };
            let done = done.clone();
            assert!(permit.run(move || done.send(()).expect("somebody waits")).is_ok());
            ended.recv().expect("the job ran");
        }
    }
}
