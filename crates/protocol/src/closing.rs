//! The end of a connection (RFC 6455, section 7).
//!
//! ```text
//!           close                     the peer's Close
//!  Open ───────────────► CloseSent ───────────────────┐
//!   │ │  the peer's Close, answered at once           ▼
//!   │ ├────────────────────────────────────────► Finished ──┐ end of the transport,
//!   │ │ the same or a violation, if ends are held           │
//!   │ └──────► Held ──────────► Finished or Failed ─────────┤
//!   │ violation, deadline, fail                             │ deadline, or too many
//!   └─────────────────────► Failed ─────────────────────────┤ bytes discarded
//!   │ end of the transport, pong overdue                    ▼
//!   └──────────────────────────────────────────────────► Ended
//! ```
//!
//! `CloseSent` fails and ends like `Open` does, and `Held` ends like it.

use alloc::boxed::Box;

use crate::close::{CloseCode, CloseReason, Closed, Initiator};
use crate::role::Role;

/// How many bytes that come behind the end are read and discarded. To close a socket with unread
/// bytes sends a reset, which destroys a Close frame that is still on its way.
const DISCARDED_BYTES_MAX: u32 = 256 * 1024;

/// What to do with the transport once the outbox is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Keep it open: read, write, and wait.
    Keep,
    /// Shut down writing, and go on reading into [`receive`](crate::Connection::receive), which
    /// discards it, until this becomes `Close`.
    Linger,
    /// Close it as soon as the outbox is empty or a write would block: what the transport does not
    /// take at once need not be waited for any more.
    Close,
}

/// Where the connection stands between open and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Both directions carry messages.
    Open,
    /// Our Close frame was sent; the peer's has not come.
    CloseSent,
    /// Both Close frames have passed; what still comes is discarded.
    Finished { discarded: u32 },
    /// The connection has failed; what still comes is discarded.
    Failed { discarded: u32 },
    /// The peer's Close frame has come, or a violation, and our answer is the caller's to give: until
    /// then it may send. What still comes is discarded.
    Held,
    /// The transport has ended, or must be ended now.
    Ended,
}

/// The closing handshake's state and its verdict.
#[derive(Debug)]
pub(crate) struct Closing {
    state: State,
    closed: Option<Box<Closed>>,
}

impl Closing {
    pub(crate) const fn new() -> Self {
        Self { state: State::Open, closed: None }
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// Whether messages may be sent.
    #[inline]
    pub(crate) const fn is_sending(&self) -> bool {
        matches!(self.state, State::Open | State::Held)
    }

    /// Whether frames from the peer are still looked at.
    pub(crate) const fn is_receiving(&self) -> bool {
        matches!(self.state, State::Open | State::CloseSent)
    }

    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.closed.as_deref()
    }

    /// What to do with the transport. A server ends it at once, a client leaves that to the server
    /// so that the waiting state of TCP is kept there, where it harms nobody (section 7.1.1).
    pub(crate) const fn transport(&self, role: Role) -> Transport {
        match (self.state, role) {
            (State::Open | State::CloseSent | State::Held, _)
            | (State::Finished { .. }, Role::Client) => Transport::Keep,
            (State::Finished { .. } | State::Failed { .. }, _) => Transport::Linger,
            (State::Ended, _) => Transport::Close,
        }
    }

    /// Our Close frame is being sent. If an end is held, it is the answer.
    pub(crate) fn send_close(&mut self) {
        debug_assert!(self.is_sending());
        self.state = match (self.state, &self.closed) {
            (State::Held, Some(closed)) if closed.clean => State::Finished { discarded: 0 },
            (State::Held, _) => State::Failed { discarded: 0 },
            _ => State::CloseSent,
        };
    }

    /// The peer's Close frame has been answered.
    pub(crate) const fn finish(&mut self) {
        self.state = State::Finished { discarded: 0 };
    }

    /// What has come ends the connection, and is not answered yet.
    pub(crate) const fn hold(&mut self) {
        self.state = State::Held;
    }

    /// The peer's Close frame has come, and has been answered if it was the first.
    pub(crate) fn receive_close(&mut self, reason: Option<&CloseReason<'_>>) {
        let by = match self.state {
            State::CloseSent => Initiator::Local,
            _ => Initiator::Peer,
        };
        self.state = State::Finished { discarded: 0 };
        self.closed = Some(Box::new(Closed {
            code: reason.map_or(CloseCode::NO_STATUS, CloseReason::code),
            reason: reason.map_or("", CloseReason::reason).into(),
            by,
            clean: true,
        }));
    }

    /// We have failed the connection with `code`. What was known of its end before stays.
    pub(crate) fn fail(&mut self, code: CloseCode) {
        self.state = State::Failed { discarded: 0 };
        if self.closed.is_none() {
            self.unclean(code, Initiator::Local);
        }
    }

    /// The transport has ended, by the peer's doing or by ours; `by` says whose if no Close frame
    /// had come.
    pub(crate) fn end(&mut self, by: Initiator) {
        if self.is_receiving() {
            let by = if self.state == State::CloseSent { Initiator::Local } else { by };
            self.unclean(CloseCode::ABNORMAL, by);
        }
        self.state = State::Ended;
    }

    /// Discards `bytes` bytes that came behind the end.
    pub(crate) fn discard(&mut self, bytes: usize) {
        if let State::Finished { discarded } | State::Failed { discarded } = &mut self.state {
            *discarded = discarded.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
            if *discarded > DISCARDED_BYTES_MAX {
                self.state = State::Ended;
            }
        }
    }

    fn unclean(&mut self, code: CloseCode, by: Initiator) {
        self.closed = Some(Box::new(Closed { code, reason: "".into(), by, clean: false }));
    }
}
