//! Why an outward connection did not come about.

use std::fmt;
use std::io;

use sockeye_protocol::handshake::HandshakeError;

/// Why an outward connection never opened; given to `Handler::failed_to_connect`.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The transport failed: refused, unreachable, reset, or out of descriptors.
    Transport(io::ErrorKind),
    /// The peer closed the transport before its answer was whole.
    Ended,
    /// The peer's answer is not a valid WebSocket handshake (RFC 6455 section 4.1).
    Handshake(HandshakeError),
    /// The peer answered with a status other than 101.
    Refused(Box<Refused>),
    /// Nothing was decided within `Outward::within`, or else `Config::handshake_within`.
    TimedOut,
    /// The reactor is draining or at its limit, so it opens nothing new.
    Unavailable,
}

/// An answer other than 101 to an outward handshake, with as much of its body as came in time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The reason phrase, empty if the peer sent none.
    pub reason: Box<str>,
    /// The header lines in their order: names as they were sent, values that need not be UTF-8.
    pub headers: Vec<(Box<str>, Box<[u8]>)>,
    /// The first bytes of the body: at most [`REFUSED_BODY_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// How much of a refusal's body is kept: enough for a message to a person, too little to be an attack.
pub const REFUSED_BODY_BYTES_MAX: usize = 16 * 1024;

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(kind) => write!(formatter, "transport failed: {kind}"),
            Self::Ended => formatter.write_str("the peer closed before answering the handshake"),
            Self::Handshake(error) => write!(formatter, "invalid answer to the handshake: {error}"),
            Self::Refused(refused) => {
                write!(formatter, "refused with status {} {}", refused.status, refused.reason)
            }
            Self::TimedOut => formatter.write_str("no answer to the handshake in time"),
            Self::Unavailable => formatter.write_str("the reactor takes no new connection"),
        }
    }
}

impl std::error::Error for ConnectError {}
