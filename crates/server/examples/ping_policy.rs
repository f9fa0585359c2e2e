//! Keeps an idle line open: with a text that the peer sees, or with ping frames that it does not.
use sockeye::{Error, PingPolicy, Server, Socket};
use std::time::Duration;

pub(crate) async fn text(socket: Socket) -> Result<(), Error> {
    socket.start_ping(PingPolicy::text("ping-message", Duration::from_secs(10)));
    echo(socket).await
}

pub(crate) async fn frames(socket: Socket) -> Result<(), Error> {
    let policy = PingPolicy::frames(Duration::from_secs(10));
    socket.start_ping(policy.within(Duration::from_secs(5)));
    echo(socket).await
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

fn main() -> Result<(), Error> {
    Server::builder().route("/text", text).route("/frames", frames).serve("127.0.0.1:9001")
}
