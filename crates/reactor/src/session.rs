//! A session: one transport from accept or connect to its end, in phases that carry their data.
//!
//! ```text
//!   accept ─► Handshake ─┬────────────► Open ─► Ending ─► reaped
//!                 │      └► Deferred ──►│  ▲       ▲
//!                 └───── a response ────┼──┼───────┤
//!   connect ────────────► Connecting ───┼──┘       │
//!                                       └ a panic ─┘
//! ```

use std::sync::Arc;

use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, ServerHandshake};
use sockeye_protocol::{Connection, Instant};

use crate::config::Config;
use crate::decision::Deferred;
use crate::error::Refused;
use crate::link::Link;
use crate::peers::Directory;
use crate::slab::Key;
use crate::table::{Keyed, Table};

pub(crate) struct Session<H> {
    pub(crate) link: Link,
    pub(crate) phase: Phase<H>,
}

/// The phase in which sessions idle lies in the table, the others in boxes.
pub(crate) enum Phase<H> {
    /// The request's head is being read.
    Handshake(Box<Opening>),
    /// The request was read; its answer is being decided elsewhere.
    Deferred(Box<Waiting<H>>),
    /// An outward connection: the transport, then the peer's answer.
    Connecting(Box<Dialing<H>>),
    /// Both sides may send messages.
    Open(Open<H>),
    /// The handler is gone; what is left is to say goodbye.
    Ending(Box<Ending>),
    /// Over: the transport is closed when the turn ends.
    Over,
}

/// Kept small: this is what an idle session consists of.
pub(crate) struct Open<H> {
    pub(crate) connection: Connection,
    pub(crate) handler: H,
}

pub(crate) struct Opening {
    pub(crate) handshake: ServerHandshake,
    /// The bytes of a head that did not come in one piece; from the pool.
    pub(crate) received: Vec<u8>,
    pub(crate) deadline: Instant,
}

pub(crate) struct Waiting<H> {
    pub(crate) deferred: Deferred<H>,
    /// The head, and what came behind it.
    pub(crate) received: Vec<u8>,
    pub(crate) deadline: Instant,
}

pub(crate) struct Dialing<H> {
    pub(crate) handler: H,
    pub(crate) request: ClientRequest,
    pub(crate) stage: Stage,
    pub(crate) limits: Arc<sockeye_protocol::Config>,
    pub(crate) deadline: Instant,
}

/// How far an outward connection has come.
pub(crate) enum Stage {
    /// The transport is not connected yet.
    Transport,
    /// The request was sent; these bytes of the answer have come.
    Answer(ClientHandshake, Vec<u8>),
    /// The peer refused; its body is being read, this many bytes of it are still to come.
    Refusal(Refused, usize),
}

pub(crate) struct Ending {
    /// None after a plain HTTP answer.
    pub(crate) connection: Option<Connection>,
    pub(crate) write_shut: bool,
    pub(crate) discarded_bytes: usize,
    /// After this the transport is closed whatever is left.
    pub(crate) deadline: Instant,
}

impl Ending {
    /// For how long an ending may take: what waits may need a stalled write's time, and lingering
    /// comes after it.
    pub(crate) fn new(connection: Option<Connection>, config: &Config, now: Instant) -> Box<Self> {
        Box::new(Self {
            connection,
            write_shut: false,
            discarded_bytes: 0,
            deadline: now + config.write_stall + config.linger_within,
        })
    }
}

impl<H> Session<H> {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The earliest moment at which something must happen although nothing happened.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        let of_phase = match &self.phase {
            Phase::Handshake(opening) => Some(opening.deadline),
            Phase::Deferred(waiting) => Some(waiting.deadline),
            Phase::Connecting(dialing) => Some(dialing.deadline),
            Phase::Open(open) => open.connection.poll_timeout(),
            Phase::Ending(ending) => {
                let connection = ending.connection.as_ref();
                let timeout = connection.and_then(Connection::poll_timeout);
                Some(timeout.map_or(ending.deadline, |timeout| timeout.min(ending.deadline)))
            }
            Phase::Over => return None,
        };
        let Some(rarer) = self.link.rarer() else { return of_phase };
        let stalled = rarer.blocked_since.map(|since| since + config.write_stall);
        let paused = rarer.paused_since.map(|since| since + config.pause_within);
        [of_phase, stalled, paused, rarer.closes_by].into_iter().flatten().min()
    }
}

impl<H> Keyed for Session<H> {
    #[inline]
    fn key(&self) -> Key {
        self.link.key
    }
}

impl<H> Directory for Table<Session<H>> {
    fn find(&mut self, key: Key) -> Option<(&mut Link, &mut Connection)> {
        let session = self.get_mut(key)?;
        match &mut session.phase {
            Phase::Open(open) => Some((&mut session.link, &mut open.connection)),
            _ => None,
        }
    }
}

/// Limits for a connection that may have brought its own.
pub(crate) fn limits(
    own: Option<Arc<sockeye_protocol::Config>>,
    config: &Config,
) -> Arc<sockeye_protocol::Config> {
    own.unwrap_or_else(|| Arc::clone(&config.connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle session with a handler without data consists of, beside what is in the sums: the
    /// engine's stream (see there) and a node of the timing wheel (16). A part that grows is seen here.
    #[test]
    fn an_idle_session_is_small() {
        // What was agreed on about compression is behind a pointer, which exists only where the feature does.
        let agreed = if cfg!(feature = "deflate") { size_of::<usize>() } else { 0 };
        let sizes = [
            ("Connection", size_of::<Connection>(), 120 + agreed),
            ("Link", size_of::<Link>(), 48),
            ("Session", size_of::<Session<()>>(), 168 + agreed),
            ("a slot", size_of::<Option<Session<()>>>(), 168 + agreed),
            ("Rare", size_of::<crate::link::Rare>(), 56),
        ];
        for (name, bytes, bytes_max) in sizes {
            println!("{name}: {bytes} bytes");
            assert!(bytes <= bytes_max, "{name} has {bytes} bytes");
        }
    }
}
