//! Sockeye with events: what comes is answered from where it lies.

use std::net::TcpListener;
use std::time::Duration;

use sockeye::{Event, Group, Handler, Message, Peer, Policy, Server, ServerBuilder};

use crate::{Fault, MESSAGE_BYTES_MAX, say};

struct Echo;

impl Handler for Echo {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let sent = match event {
            // A message that was assembled is owned already, and goes out without another copy.
            Event::Text(text) if text.is_borrowed() => peer.send_text(&text),
            Event::Text(text) => peer.send_text_owned(text.into_string()),
            Event::Binary(payload) if payload.is_borrowed() => peer.send_binary(&payload),
            Event::Binary(payload) => peer.send_binary_owned(payload.into_bytes()),
            _ => Ok(()),
        };
        if sent.is_err() {
            // An echo with gaps is none; it cannot fail twice, for the connection is closing now.
            let _ = peer.close(None);
        }
    }
}

struct Member(Group);

impl Handler for Member {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::Close);
    }

    fn event(&mut self, _peer: &mut Peer<'_>, event: Event<'_>) {
        match event {
            Event::Text(text) => drop(self.0.broadcast(&text)),
            Event::Binary(payload) => {
                self.0.broadcast_message(&Message::binary(payload.into_bytes()));
            }
            _ => {}
        }
    }
}

pub(crate) fn serve(
    listener: TcpListener,
    broadcasts: bool,
    heartbeat: Option<Duration>,
) -> Result<(), Fault> {
    let server = limits(Server::builder(), heartbeat);
    let server = if broadcasts {
        server.route_events("/", |request| Ok(Member(request.group("all"))))
    } else {
        server.route_events("/", |_| Ok(Echo))
    };
    run(server, listener)
}

/// The limits that all servers have, and pings after so much silence, if that is not to be the usual.
pub(crate) fn limits(server: ServerBuilder, heartbeat: Option<Duration>) -> ServerBuilder {
    server.message_bytes_max(MESSAGE_BYTES_MAX).connection(|connection| {
        connection.outbox_bytes_max += MESSAGE_BYTES_MAX;
        connection.ping_after = heartbeat.or(connection.ping_after);
    })
}

/// Serves on one thread.
pub(crate) fn run(server: ServerBuilder, listener: TcpListener) -> Result<(), Fault> {
    let server = server.listen_on(listener).start()?;
    say(&server.local_addr().ok_or("it does not listen over TCP")?)?;
    server.wait();
    Ok(())
}
