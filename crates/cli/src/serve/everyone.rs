//! `/broadcast`: what one sends, everyone gets, the sender included.

use sockeye::{Event, Group, Handler, Message, Peer, Policy};

/// One of those who are there.
#[derive(Debug)]
pub(crate) struct Everyone(pub(crate) Group);

impl Handler for Everyone {
    fn open(&mut self, peer: &mut Peer<'_>) {
        // A gap would go unseen, so who lags too far is closed.
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
