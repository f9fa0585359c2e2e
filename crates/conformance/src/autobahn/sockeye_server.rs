//! The server of `sockeye`, with an echo in both of its styles.

use sockeye::{Error, Event, Handler, Peer, Server, Socket};
use sockeye_interop::Fault;

use super::echo::{echo, make_room};

#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        echo(peer, event);
    }
}

async fn converse(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// Serves both styles, each on the path of its subject's name.
pub(crate) fn serve() -> Result<Server, Fault> {
    Ok(Server::builder()
        .connection(make_room)
        .route_events("/events", |_| Ok(Echo))
        .route("/conversation", converse)
        .bind("127.0.0.1:0")?)
}
