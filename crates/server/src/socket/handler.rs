//! The loop's side of a socket.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sockeye_protocol::{CloseCode, Event, Initiator, Role};
use sockeye_reactor::{Cause, ConnectError, Handler, Outcome, Peer};

use super::Socket;
use super::hand::{self, Arrived, Put};
use super::home::Home;
use super::ping;
use super::queue::Closed;
use super::receiver::Receiver;
use super::shared::{About, Shared};
use crate::executor::Local;
use crate::request::Kept;

/// Turns what the loop reports into what a [`Socket`] yields.
#[derive(Debug)]
pub(crate) struct SocketHandler(Stage);

#[derive(Debug)]
enum Stage {
    Opening(Box<Opening>),
    Open(Arc<Shared>),
    Ended,
}

/// What to do once the connection is open.
pub(crate) struct Opening {
    pub(crate) home: Arc<Home<Shared>>,
    pub(crate) role: Role,
    pub(crate) kept: Kept,
    pub(crate) subprotocol: Option<Box<str>>,
    /// Given the socket, or why there is none.
    pub(crate) launch: Box<dyn FnOnce(Result<Socket, ConnectError>)>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Opening").field("role", &self.role).finish_non_exhaustive()
    }
}

impl SocketHandler {
    pub(crate) fn new(opening: Opening) -> Self {
        Self(Stage::Opening(Box::new(opening)))
    }

    fn end(&mut self, closed: impl FnOnce() -> Closed) {
        if let Stage::Open(shared) = std::mem::replace(&mut self.0, Stage::Ended) {
            shared.home.registry.remove(shared.id());
            shared.end(closed());
        }
    }

    #[inline(never)]
    fn event_of_any_kind(&self, peer: &mut Peer<'_>, event: Event<'_>) {
        match event {
            Event::Text(text) => self.deliver(peer, text),
            Event::Binary(payload) => self.deliver(peer, payload),
            Event::Pong(payload) => {
                let Stage::Open(shared) = &self.0 else { return };
                let own = ping::round_trip(&payload, peer.now())
                    .filter(|_| shared.pinging.load(Ordering::Relaxed));
                if let Some(round_trip) = own.or_else(|| peer.round_trip()) {
                    shared.note_round_trip(round_trip);
                }
            }
            // Its end follows, and tells who closed first.
            Event::Close(_) => {
                let Stage::Open(shared) = &self.0 else { return };
                if shared.holds_end() { peer.pause() } else { peer.resume() }
            }
            _ => {}
        }
    }

    /// What is not wanted is not even made a message.
    #[inline]
    fn deliver(&self, peer: &mut Peer<'_>, arrived: impl Arrived) {
        let Stage::Open(shared) = &self.0 else { return };
        if shared.pinging.load(Ordering::Relaxed) {
            shared.note_activity(peer.now());
        }
        if shared.is_deaf() {
            return;
        }
        match hand::put(shared.id(), || shared.room(), arrived) {
            Put::Taken => {}
            Put::Full => pass_on(shared, peer),
            Put::Busy(message) => {
                shared.put(Box::new([message].into()));
                pause_if_full(shared, peer);
            }
        }
    }
}

fn pause_if_full(shared: &Shared, peer: &mut Peer<'_>) {
    if shared.is_full() && shared.begin_pause() {
        peer.pause();
    }
}

/// Gives what the hand holds to the socket: to its task, if that is one of this loop's and waits for it, and what it
/// leaves to the inbox.
fn pass_on(shared: &Shared, peer: &mut Peer<'_>) {
    let remote = &shared.home.remote;
    let left = if let Some(key) = shared.parked()
        && let Some(local) = Local::current_of(remote)
    {
        remote.clock().follow(peer.now());
        let unfinished = Left(shared);
        let polled = hand::poll(peer, || local.poll_now(key));
        std::mem::forget(unfinished);
        if polled.lent {
            shared.note_lent();
        }
        polled.left
    } else {
        hand::release()
    };
    if let Some(left) = left {
        shared.put(left);
        pause_if_full(shared, peer);
    }
}

/// What the hand holds of a socket goes to its inbox when code of a user panics.
struct Left<'s>(&'s Shared);

impl Drop for Left<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(left) = hand::release() {
            self.0.put(left);
        }
    }
}

impl Handler for SocketHandler {
    fn open(&mut self, peer: &mut Peer<'_>) {
        let Stage::Opening(opening) = std::mem::replace(&mut self.0, Stage::Ended) else { return };
        let Opening { home, role, kept, subprotocol, launch } = *opening;
        // Only an outward connection learns it from its peer.
        let subprotocol = subprotocol.or_else(|| peer.subprotocol().map(Into::into));
        let about = About { kept, subprotocol, address: peer.remote() };
        let shared = Shared::new(home, peer.sender(), role, about);
        let socket = Socket::new(Receiver::new(&shared));
        self.0 = Stage::Open(Arc::clone(&shared));
        shared.home.remote.clock().follow(peer.now());
        // A route begins at once, and what it says first leaves with the answer to the handshake.
        if hand::hold(shared.id()) {
            hand::poll(peer, || launch(Ok(socket)));
        } else {
            launch(Ok(socket));
        }
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        // The common case by itself, so that nothing is kept for the others.
        if let (Event::Text(text), Stage::Open(shared)) = (&event, &self.0)
            && text.is_borrowed()
            && !(shared.pinging.load(Ordering::Relaxed) | shared.is_deaf())
            && hand::put_text(shared.id(), || shared.room(), text)
        {
            return;
        }
        self.event_of_any_kind(peer, event);
    }

    fn after_read(&mut self, peer: &mut Peer<'_>) {
        if let Stage::Open(shared) = &self.0
            && hand::len(shared.id()) > 0
        {
            pass_on(shared, peer);
        }
    }

    fn close(&mut self, outcome: Outcome) {
        self.end(|| outcome.into());
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        if let Stage::Opening(opening) = std::mem::replace(&mut self.0, Stage::Ended) {
            (opening.launch)(Err(error));
        }
    }
}

impl Drop for SocketHandler {
    /// Also when the loop itself ends: whoever waits for the socket learns that it is over.
    fn drop(&mut self) {
        self.end(|| Closed {
            code: CloseCode::ABNORMAL,
            reason: "".into(),
            by: Initiator::Local,
            clean: false,
            cause: Some(Box::new(Cause::Stopped)),
        });
    }
}
