//! Running the function of a route with its socket, and what becomes of the connection when it returns.

use std::any::Any;
use std::future::Future;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Socket;
use super::blocking::BlockingSocket;
use super::sender::{Half, while_polling};
use super::shared::{Shared, Verdict};
use crate::error::Error;

/// A route that a drain of its loop waits for, from before its first step until this is dropped.
pub(crate) struct Running(Arc<Shared>);

impl Running {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.home.note_route_begun();
        Self(Arc::clone(shared))
    }

    /// For the thread of a blocking route, which may begin only after the connection has ended.
    pub(crate) fn of_blocking(socket: &BlockingSocket) -> Self {
        Self::new(socket.shared())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.home.note_route_ended();
    }
}

/// The task of an async route, which counts as running from now on. Each poll tells the halves that the route is being
/// polled, and its result decides the close code.
pub(crate) fn run_async<R>(
    socket: Socket,
    route: Arc<R>,
    report: impl Fn(&Error),
) -> impl Future<Output = ()>
where
    R: AsyncFn(Socket) -> Result<(), Error>,
{
    let running = Running::new(socket.shared());
    // A block, since an async function would keep its arguments twice.
    async move {
        let shared = &running.0;
        // The function that makes the future is the program's as well.
        let future = match observed(shared, || route(socket)) {
            Ok(future) => future,
            Err(panic) => return report(&panic),
        };
        let future = pin!(future);
        if let Err(error) = poll_observed(shared, future).await {
            report(&error);
        }
    }
}

/// Two pointers wide: every parked route carries its size.
fn poll_observed<F>(shared: &Shared, mut future: Pin<&mut F>) -> impl Future<Output = F::Output>
where
    F: Future<Output = Result<(), Error>>,
{
    poll_fn(move |context| {
        observed(shared, || poll_once(shared, future.as_mut(), context))
            .unwrap_or_else(|panic| Poll::Ready(Err(panic)))
    })
}

/// The verdict is known before the last half, which may have been dropped in this poll, ends the connection.
fn poll_once<F>(
    shared: &Shared,
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Result<(), Error>>
where
    F: Future<Output = Result<(), Error>>,
{
    let polled = future.poll(context);
    if matches!(polled, Poll::Ready(Err(_))) {
        shared.set_verdict(Verdict::Failed);
    }
    polled
}

/// Runs code of the program's about this socket. A panic is its verdict.
fn observed<T>(shared: &Shared, run: impl FnOnce() -> T) -> Result<T, Error> {
    let (outcome, dropped) = while_polling(shared.id(), || catch_unwind(AssertUnwindSafe(run)));
    if outcome.is_err() {
        shared.set_verdict(Verdict::Failed);
        shared.home.note_panic();
    }
    if dropped {
        shared.close_by_verdict();
    }
    outcome.map_err(described)
}

/// A panic as an error, in its own words where it has some.
fn described(payload: Box<dyn Any + Send>) -> Error {
    let words = payload.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
    Error::message(format!("the route panicked: {}", words.unwrap_or("without a message")))
}

/// Runs a blocking route on the thread that it was given. A half is held until the function has returned, since its
/// result decides the close code.
pub(crate) fn run_blocking(
    running: Running,
    socket: BlockingSocket,
    route: impl FnOnce(BlockingSocket) -> Result<(), Error>,
    report: impl Fn(&Error),
) {
    let half = Half::new(Arc::clone(&running.0));
    match catch_unwind(AssertUnwindSafe(|| route(socket))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            half.0.set_verdict(Verdict::Failed);
            report(&error);
        }
        Err(payload) => {
            half.0.set_verdict(Verdict::Failed);
            half.0.home.note_panic();
            report(&described(payload));
        }
    }
}
