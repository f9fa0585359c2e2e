//! How a route of the program's becomes a task or a thread once its connection is open.

use std::sync::Arc;

use sockeye_protocol::CloseCode;

use super::app::{Launch, SocketRoute};
use super::{RETRY_AFTER_SECONDS, refusal, with_header};
use crate::error::Error;
use crate::executor::Local;
use crate::socket::{BlockingSocket, Running, Socket, run_async, run_blocking};

/// A task on the loop that accepted the connection.
pub(crate) fn async_route<F>(route: F) -> SocketRoute
where
    F: AsyncFn(Socket) -> Result<(), Error> + Send + Sync + 'static,
{
    let route = Arc::new(route);
    SocketRoute::Socket(Box::new(move |app| {
        let (route, app) = (Arc::clone(&route), Arc::clone(app));
        let launch: Launch = Box::new(move |opened| {
            // An accepted connection never fails to connect.
            let Ok(socket) = opened else { return };
            let local = Local::current().expect("a connection opens within its loop");
            local.start(Box::pin(run_async(socket, route, move |error| app.report(error))));
        });
        Ok(launch)
    }))
}

/// A thread, which is reserved before the upgrade is agreed to.
pub(crate) fn blocking_route<F>(route: F) -> SocketRoute
where
    F: Fn(BlockingSocket) -> Result<(), Error> + Send + Sync + 'static,
{
    let route = Arc::new(route);
    SocketRoute::Socket(Box::new(move |app| {
        let busy =
            || with_header(refusal(503, "no thread is free\n"), "Retry-After", RETRY_AFTER_SECONDS);
        let permit = app.threads.reserve().ok_or_else(busy)?;
        let (route, app) = (Arc::clone(&route), Arc::clone(app));
        let launch: Launch = Box::new(move |opened| {
            let Ok(socket) = opened else { return };
            let handle = socket.handle();
            let socket = socket.into_blocking();
            let running = Running::of_blocking(&socket);
            let run = move || {
                run_blocking(running, socket, |socket| route(socket), |error| app.report(error));
            };
            if let Err(not_run) = permit.run(run) {
                // The system has no more threads. The socket is in the job, and would close in its own way with that.
                let _ = handle.close(CloseCode::TRY_AGAIN_LATER, "no thread");
                drop(not_run);
            }
        });
        Ok(launch)
    }))
}
