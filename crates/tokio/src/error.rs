//! What can go wrong.

use std::error::Error as StdError;
use std::{fmt, io};

use bytes::Bytes;
use sockeye_protocol::handshake::{HandshakeError, InvalidHeader, UrlError};
use sockeye_protocol::{ProtocolError, SendError, TimedOut};

/// Why a socket, or the making of one, failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol or a limit. It was told so, and the connection has failed.
    Protocol(ProtocolError),
    /// A deadline passed and ended the connection.
    TimedOut(TimedOut),
    /// The transport ended without a Close frame from the peer (1006).
    Interrupted,
    /// The transport failed.
    Io(io::Error),
    /// This cannot be sent. Nothing was sent, and the connection is as it was.
    Send(SendError),
    /// The opening handshake came to nothing.
    Handshake(HandshakeError),
    /// The server answered the request with another status than 101.
    Refused(Box<Refused>),
    /// This end refused the request, with this status.
    Rejected(u16),
    /// The opening handshake was not done in time.
    OpeningTimedOut,
    /// The URL is none.
    Url(UrlError),
    /// A header or a subprotocol of the request cannot be sent.
    Header(InvalidHeader),
    /// The URL asks for TLS, and this build has none: the feature `tls` is off.
    NoTls,
}

/// A server's answer other than 101.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The status, such as 404.
    pub status: u16,
    /// The header lines in their order.
    pub headers: Vec<(String, Bytes)>,
    /// The body, as much of it as had come within a second, and 64 KiB at most. Chunks are as they
    /// came.
    pub body: Bytes,
}

impl Refused {
    /// The value of the first header line of that name, which is compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}

impl Error {
    /// Whether it says no more than that the connection is over or about to be: it is closing, it
    /// was interrupted, or the peer has reset it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Interrupted | Self::Send(SendError::NotOpen) => true,
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::UnexpectedEof
            ),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(formatter),
            Self::TimedOut(error) => error.fmt(formatter),
            Self::Interrupted => formatter.write_str("connection ended without a close frame"),
            Self::Io(error) => error.fmt(formatter),
            Self::Send(error) => error.fmt(formatter),
            Self::Handshake(error) => error.fmt(formatter),
            Self::Refused(refused) => {
                write!(formatter, "server answered with status {}", refused.status)
            }
            Self::Rejected(status) => {
                write!(formatter, "request was rejected with status {status}")
            }
            Self::OpeningTimedOut => formatter.write_str("opening handshake was not done in time"),
            Self::Url(error) => error.fmt(formatter),
            Self::Header(error) => error.fmt(formatter),
            Self::NoTls => formatter.write_str("wss URL without the feature `tls`"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::TimedOut(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Url(error) => Some(error),
            Self::Header(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<TimedOut> for Error {
    fn from(error: TimedOut) -> Self {
        Self::TimedOut(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<InvalidHeader> for Error {
    fn from(error: InvalidHeader) -> Self {
        Self::Header(error)
    }
}
