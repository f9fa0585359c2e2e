//! Running the function of a route with its socket, and what becomes of the connection when it returns.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Socket;
use super::blocking::BlockingSocket;
use super::sender::{Half, while_polling};
use super::shared::{Shared, Verdict};
use crate::error::Error;

/// The future that a route returns; it stays on its loop.
pub(crate) type RouteFuture = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// Wraps the future of an async route: each poll tells the halves that the route is being polled, and its result decides
/// the close code.
pub(crate) fn run_async(
    socket: Socket,
    route: impl FnOnce(Socket) -> RouteFuture,
    report: impl Fn(&Error) + Unpin + 'static,
) -> Pin<Box<dyn Future<Output = ()>>> {
    let shared = Arc::clone(socket.shared());
    // The closure that makes the future is the program's as well: it runs within the first poll.
    let (made, dropped) =
        while_polling(shared.id(), || catch_unwind(AssertUnwindSafe(|| route(socket))));
    let Ok(future) = made else {
        shared.set_verdict(Verdict::Failed);
        if dropped {
            shared.close_by_verdict();
        }
        return Box::pin(async {});
    };
    Box::pin(Running { future, shared, report })
}

struct Running<R> {
    future: RouteFuture,
    shared: Arc<Shared>,
    report: R,
}

impl<R: Fn(&Error) + Unpin> Future for Running<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let future = &mut this.future;
        let (polled, dropped) = while_polling(this.shared.id(), || {
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)))
        });
        let (outcome, panic) = match polled {
            Ok(Poll::Pending) => (Poll::Pending, None),
            Ok(Poll::Ready(Ok(()))) => (Poll::Ready(()), None),
            Ok(Poll::Ready(Err(error))) => {
                this.shared.set_verdict(Verdict::Failed);
                (this.report)(&error);
                (Poll::Ready(()), None)
            }
            Err(panic) => {
                this.shared.set_verdict(Verdict::Failed);
                (Poll::Ready(()), Some(panic))
            }
        };
        if dropped {
            this.shared.close_by_verdict();
        }
        match panic {
            Some(panic) => resume_unwind(panic),
            None => outcome,
        }
    }
}

/// Runs a blocking route on the thread that it was given. A half is held until the function has returned, since its
/// result decides the close code.
pub(crate) fn run_blocking(
    socket: BlockingSocket,
    route: impl FnOnce(BlockingSocket) -> Result<(), Error>,
    report: impl Fn(&Error),
) {
    let half = Half::new(Arc::clone(socket.shared()));
    match catch_unwind(AssertUnwindSafe(|| route(socket))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            half.0.set_verdict(Verdict::Failed);
            report(&error);
        }
        Err(_) => half.0.set_verdict(Verdict::Failed),
    }
}
