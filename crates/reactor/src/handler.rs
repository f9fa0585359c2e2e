//! What users of the reactor implement: a service for the loop, a handler for each session.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientRequest, Head};
use sockeye_protocol::{Event, Instant};

use crate::decision::Decision;
use crate::engine::{Address, Remote};
use crate::error::ConnectError;
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::slab::Key;

/// What a reactor serves. All calls come on the reactor's thread and must not block it; a panic in
/// any of them is caught.
pub trait Service {
    /// What takes the events of one session.
    type Handler: Handler;

    /// A request arrived. It need not be an upgrade: see [`Head`]. A panic answers 500.
    fn request(&mut self, head: &Head<'_>, remote: &Remote) -> Decision<Self::Handler>;

    /// The tasks phase, once in each turn, after events, commands and timers.
    fn tasks(&mut self, peers: &mut Peers<'_>) {
        let _ = peers;
    }

    /// Asked after `tasks` until it returns None: a connection to be made outward.
    fn connect(&mut self) -> Option<Outward<Self::Handler>> {
        None
    }

    /// When `tasks` must run even though nothing happens; `Instant::ZERO` if there is work already.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// How many pieces of the service's own work a drain must still wait for once its sessions are gone, such as tasks
    /// that clean up behind them. Asked in every turn of a drain, so whoever ends the last piece elsewhere calls
    /// [`Handle::wake`](crate::Handle::wake).
    fn unfinished(&self) -> usize {
        0
    }

    /// Something happened that metrics or a log may care for.
    fn observe(&mut self, notice: Notice<'_>) {
        let _ = notice;
    }
}

/// What takes the events of one session, on the reactor's thread. It must not block.
///
/// ```text
///   open ──► event | after_read | writable .. ──► close, then dropped      (a panic anywhere: dropped at once)
///   failed_to_connect, then dropped                              (outward connections only)
/// ```
pub trait Handler {
    /// The session is open; sending is allowed.
    fn open(&mut self, peer: &mut Peer<'_>) {
        let _ = peer;
    }

    /// Something arrived. May send, close, and pause.
    ///
    /// What is sent here is an answer, and has room whatever waits before it: while more answers wait
    /// than the high mark, nothing is read. Who has much to say for one event should send some of it
    /// here and the rest when he is told that it is [`writable`](Self::writable), or through a
    /// [`Sender`](crate::Sender): the peer is heard meanwhile, and may be one that does the same.
    ///
    /// `Event::Close` comes after [`after_read`](Self::after_read) was called for what came before it,
    /// and is answered when this returns: what was sent until then leaves before the answer. Who has
    /// more to say first may [pause](Peer::pause): then the answer waits until the session is resumed
    /// or this side closes, and for a tenth of `close_within` at most.
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>);

    /// All that one read has brought was told, or all of it that could be before something held the
    /// session back or ended it. For who collects what comes, to act on all of it at once: what is
    /// said here leaves with the answers to the events, and before a Close frame that answers the
    /// peer's or tells it which rule it broke, if one of these ended the read.
    fn after_read(&mut self, peer: &mut Peer<'_>) {
        let _ = peer;
    }

    /// The outbox was above its high mark, or refused a message, and is below half of the mark now.
    fn writable(&mut self, peer: &mut Peer<'_>) {
        let _ = peer;
    }

    /// The session is over. Exactly once for every session that was opened, unless its handler
    /// panicked.
    fn close(&mut self, outcome: Outcome) {
        let _ = outcome;
    }

    /// An outward connection did not open. Neither `open` nor `close` is called.
    fn failed_to_connect(&mut self, error: ConnectError) {
        let _ = error;
    }
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn open(&mut self, peer: &mut Peer<'_>) {
        (**self).open(peer);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        (**self).event(peer, event);
    }

    fn after_read(&mut self, peer: &mut Peer<'_>) {
        (**self).after_read(peer);
    }

    fn writable(&mut self, peer: &mut Peer<'_>) {
        (**self).writable(peer);
    }

    fn close(&mut self, outcome: Outcome) {
        (**self).close(outcome);
    }

    fn failed_to_connect(&mut self, error: ConnectError) {
        (**self).failed_to_connect(error);
    }
}

/// A connection to be made outward, in the client role.
#[non_exhaustive]
pub struct Outward<H> {
    /// Where to connect to.
    pub address: Address,
    /// The opening handshake's request.
    pub request: ClientRequest,
    /// Takes the session's events.
    pub handler: H,
    /// Limits for this connection; None: those of the reactor's configuration.
    pub config: Option<Arc<sockeye_protocol::Config>>,
    /// How long it may take until it is open; None: `Config::handshake_within`.
    pub within: Option<Duration>,
}

impl<H> Outward<H> {
    /// A connection with the reactor's limits.
    pub fn new(address: Address, request: ClientRequest, handler: H) -> Self {
        Self { address, request, handler, config: None, within: None }
    }
}

impl<H> fmt::Debug for Outward<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outward").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a reactor tells its service for metrics and logs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'n> {
    /// A session opened.
    Opened {
        /// The session.
        key: Key,
        /// Where it leads to.
        remote: &'n Remote,
    },
    /// An open session ended.
    Closed {
        /// The session; the key is stale after this turn.
        key: Key,
        /// How it ended.
        outcome: &'n Outcome,
    },
    /// A request was answered with something other than 101.
    Responded {
        /// The HTTP status.
        status: u16,
        /// Where the request came from.
        remote: &'n Remote,
    },
    /// Accepting failed. If descriptors ran out, it rests for `Config::accept_rest`.
    AcceptFailed(&'n io::Error),
    /// User code panicked.
    Panicked {
        /// The session whose handler it was; None: the service itself.
        key: Option<Key>,
    },
}
