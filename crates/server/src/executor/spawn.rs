//! More tasks, and work for other threads.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use super::local::Local;
use super::pool::Pool;
use super::slot::{Slot, slot};
use crate::error::Error;

/// Threads that [`spawn_blocking`] uses at most, all loops together.
const BLOCKING_THREADS_MAX: usize = 128;
/// Functions that wait for one of them at most.
const BLOCKING_QUEUE_MAX: usize = 4096;

/// Runs a task on this thread's loop, beside the route that spawned it. It ends with the loop, not with the connection.
/// Dropping the handle lets it run on.
///
/// # Panics
/// When it is called outside of a loop.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    let local = Local::current().expect("sockeye::spawn is for tasks of a sockeye loop");
    let (filler, slot) = slot();
    local.spawn(Box::pin(async move {
        let _ = filler.fill(future.await);
    }));
    JoinHandle { outcome: Outcome::Running(slot) }
}

/// Runs a function that blocks on another thread, at most 128 at once; a further 4,096 wait their turn.
/// Works on any thread; the handle can be awaited anywhere.
///
/// # Errors
/// Awaiting yields [`Error::Panicked`] if the function did, and [`Error::Full`] if too many wait.
pub fn spawn_blocking<T, F>(function: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (filler, slot) = slot();
    let job = Box::new(move || {
        if let Ok(value) = catch_unwind(AssertUnwindSafe(function)) {
            let _ = filler.fill(value);
        }
    });
    let outcome =
        if blocking_pool().run(job).is_ok() { Outcome::Running(slot) } else { Outcome::Full };
    JoinHandle { outcome }
}

/// What [`spawn`] and [`spawn_blocking`] return: a future of the result.
pub struct JoinHandle<T> {
    outcome: Outcome<T>,
}

enum Outcome<T> {
    Running(Slot<T>),
    Full,
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        match &mut self.outcome {
            Outcome::Running(slot) => {
                Pin::new(slot).poll(context).map(|value| value.ok_or(Error::Panicked))
            }
            Outcome::Full => Poll::Ready(Err(Error::Full)),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JoinHandle")
    }
}

fn blocking_pool() -> &'static Arc<Pool> {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    POOL.get_or_init(|| Pool::new("sockeye-blocking", BLOCKING_THREADS_MAX, BLOCKING_QUEUE_MAX))
}
