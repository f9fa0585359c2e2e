//! How a session ended, and why.

use std::fmt;
use std::io;

use sockeye_protocol::{CloseCode, Closed, Initiator, ProtocolError, Timer};

/// How a session ended: what both sides said, and what really happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The close code: the peer's or ours; 1005 if none was given, 1006 if no Close frame came.
    pub code: CloseCode,
    /// The reason that travelled with the code.
    pub reason: Box<str>,
    /// Who began to close.
    pub by: Initiator,
    /// Whether both Close frames were exchanged (RFC 6455 section 7.1.4).
    pub clean: bool,
    /// What made this reactor end the session.
    pub cause: Cause,
}

impl Outcome {
    pub(crate) fn new(closed: &Closed, cause: Cause) -> Self {
        Self {
            code: closed.code,
            reason: closed.reason.clone(),
            by: closed.by,
            clean: closed.clean,
            cause,
        }
    }

    /// For a session whose connection never reached a verdict of its own.
    pub(crate) fn abnormal(cause: Cause) -> Self {
        Self {
            code: CloseCode::ABNORMAL,
            reason: Box::from(""),
            by: Initiator::Local,
            clean: false,
            cause,
        }
    }
}

/// What made a session end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The closing handshake, begun by either side.
    Closed,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// A deadline of the connection passed: keepalive, an unfinished message, or the closing handshake.
    TimedOut(Timer),
    /// The kernel took no byte for `Config::write_stall`: the peer does not read.
    WriteStalled,
    /// The handler kept reading paused for `Config::pause_within`.
    PauseStalled,
    /// The transport failed.
    Transport(io::ErrorKind),
    /// The peer ended the transport without a Close frame.
    Eof,
    /// The handler panicked; it was dropped and not told.
    Panicked,
    /// The reactor was drained.
    Drained,
    /// The member of a group with [`Policy::Close`](crate::Policy::Close) fell behind.
    FellBehind,
    /// The reactor was stopped or dropped while the session was open.
    Stopped,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Protocol(error) => return error.fmt(formatter),
            Self::Transport(kind) => return write!(formatter, "transport failed: {kind}"),
            Self::Closed => "closing handshake",
            Self::TimedOut(Timer::Message) => "message was not finished in time",
            Self::TimedOut(Timer::Close) => "peer did not answer the close in time",
            Self::TimedOut(_) => "peer did not answer a ping in time",
            Self::WriteStalled => "peer took nothing of what was sent for too long",
            Self::PauseStalled => "reading was paused for too long",
            Self::Eof => "transport ended without a close frame",
            Self::Panicked => "handler panicked",
            Self::Drained => "loop was drained",
            Self::FellBehind => "peer fell behind its group",
            Self::Stopped => "loop has ended",
        })
    }
}
