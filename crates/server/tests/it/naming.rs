//! What the public methods take and return can be named with this crate alone.

use std::time::Duration;

use sockeye::{
    Bytes, CloseReason, ConnectError, Event, Handle, Handler, Instant, Key, Outcome, Payload, Peer,
    PeerSender, Response, SendError, Server, Text,
};

/// Keeps what a handler meets in fields, which need the names of their types.
#[derive(Default)]
struct Keeper {
    key: Option<Key>,
    sender: Option<PeerSender>,
    handle: Option<Handle>,
    seen: Option<Instant>,
    outcome: Option<Outcome>,
    failure: Option<ConnectError>,
    bytes: Bytes,
}

impl Keeper {
    fn text(peer: &mut Peer<'_>, text: Text<'_>) -> Result<(), SendError> {
        peer.send_text_owned(text.into_string())
    }

    fn binary(&mut self, payload: Payload<'_>) {
        self.bytes = payload.into_bytes();
    }
}

impl Handler for Keeper {
    fn open(&mut self, peer: &mut Peer<'_>) {
        (self.key, self.sender) = (Some(peer.key()), Some(peer.sender()));
        (self.handle, self.seen) = (Some(peer.handle()), Some(peer.now()));
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let outcome = match event {
            Event::Text(text) => Self::text(peer, text),
            Event::Binary(payload) => return self.binary(payload),
            Event::Close(Some(reason)) => {
                let _: CloseReason<'_> = reason;
                Ok(())
            }
            _ => Ok(()),
        };
        outcome.expect("the session is open");
    }

    fn close(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        self.failure = Some(error);
    }
}

#[test]
fn an_event_route_names_everything_it_keeps() {
    let make = |request: &sockeye::Request<'_>| -> Result<Keeper, Response> {
        let _: &sockeye::Remote = request.remote();
        Ok(Keeper::default())
    };
    let builder = Server::builder().route_events("/", make);
    let mut server = sockeye::testing::TestServer::new(builder).expect("a valid route");
    let mut client = server.connect("/");
    client.send_text("hi");
    server.settle();
    assert_eq!(client.texts(), ["hi"]);
    let draining: sockeye::testing::Draining =
        server.drain(sockeye::DrainPlan::within(Duration::from_secs(1)));
    drop(draining);
}

#[test]
fn the_layers_below_are_reached_by_their_names() {
    let _: Option<sockeye::protocol::handshake::HandshakeError> = None;
    let _: Option<sockeye::reactor::Sender> = None::<PeerSender>;
}
