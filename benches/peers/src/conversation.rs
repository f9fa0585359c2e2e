//! Sockeye with an async function for each connection, polled on the loop.

use std::net::TcpListener;
use std::time::Duration;

use sockeye::{Policy, Server};

use crate::Fault;
use crate::events::{limits, run};

pub(crate) fn serve(
    listener: TcpListener,
    broadcasts: bool,
    heartbeat: Option<Duration>,
) -> Result<(), Fault> {
    let server = limits(Server::builder(), heartbeat);
    let server = if broadcasts {
        server.route("/", async |mut socket| {
            let all = socket.group("all");
            socket.join(&all, Policy::Close).await?;
            loop {
                all.broadcast_message(&socket.recv().await?);
            }
        })
    } else {
        server.route("/", async |mut socket| {
            loop {
                let message = socket.recv().await?;
                socket.send(message).await?;
            }
        })
    };
    run(server, listener)
}
