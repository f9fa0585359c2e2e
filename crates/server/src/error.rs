//! What can go wrong for a user of a socket, told apart by what to do about it.

use std::fmt::{self, Write as _};
use std::io;

use sockeye_protocol::{CloseCode, Initiator};
use sockeye_reactor::{Cause, Refused};

/// Every method of a socket fails with this, and a route returns it.
///
/// `?` turns any [`std::error::Error`] into it, which is why it does not implement that trait itself.
/// After [`Timeout`](Error::Timeout), [`Cancelled`](Error::Cancelled), [`Full`](Error::Full) and
/// [`BufferTooSmall`](Error::BufferTooSmall) the connection is as it was, and nothing has been lost.
#[non_exhaustive]
pub enum Error {
    /// The time given for it passed. The connection stays open; a message that was on its way arrives with the next receive.
    Timeout,
    /// A [`Canceller`](crate::Canceller) ended the wait. The connection stays open.
    Cancelled,
    /// The connection has ended, and every message that arrived whole has been received.
    Closed {
        /// The code of the Close frame; 1005 when it had none, 1006 when there was no Close frame (RFC 6455 section 7.1.5).
        code: CloseCode,
        /// The reason in the Close frame, empty when there was none.
        reason: Box<str>,
        /// Who closed first.
        by: Initiator,
        /// Whether both sides sent a Close frame.
        clean: bool,
        /// What made this side end it, such as a frame that breaks the protocol or a peer that is silent for too long;
        /// `None` if it was nothing but a close by either side.
        cause: Option<Box<Cause>>,
    },
    /// What waits to be sent to this peer has reached its limit, and the method is one that does not wait.
    Full,
    /// The buffer has no room for the next character of a text message: four bytes always suffice.
    BufferTooSmall,
    /// The message or the reason of the close is not one that may be sent.
    NotSendable(sockeye_protocol::SendError),
    /// The server answered the request to upgrade with another status than 101.
    Refused(Box<Refusal>),
    /// A task or a blocking function panicked.
    Panicked,
    /// The operating system, or the transport.
    Io(io::Error),
    /// An error of the program's own, converted by `?`.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A server's answer to an upgrade that it did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status, such as 404 or 503.
    pub status: u16,
    /// The phrase behind the status in the response, such as `Not Found`; servers may leave it empty.
    pub reason: Box<str>,
    /// The header lines in their order: names as they were sent, values that need not be UTF-8.
    pub headers: Vec<(Box<str>, Box<[u8]>)>,
    /// The beginning of the body, as far as it had arrived; at most 16 KiB.
    pub body: Vec<u8>,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let Refused { status, reason, headers, body, .. } = refused;
        Self { status, reason, headers, body }
    }
}

impl Refusal {
    /// The first header of this name, which is compared without regard to case: `Location`, `Retry-After`,
    /// `WWW-Authenticate`.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let is_named = |(own, _): &&(Box<str>, _)| own.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_named).map(|(_, value)| &**value)
    }
}

impl Error {
    /// An error with only a message.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Other(text.into().into())
    }

    /// Whether the connection has ended.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Whether only the time given for it passed.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// The close code, if the connection has ended.
    pub const fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Closed { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl<E> From<E> for Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
        match boxed.downcast::<io::Error>() {
            Ok(error) => Self::Io(*error),
            Err(other) => Self::Other(other),
        }
    }
}

/// So that a program whose `main` returns a boxed error can use `?` on ours.
impl From<Error> for Box<dyn std::error::Error + Send + Sync> {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => Box::new(error),
            Error::Other(error) => error,
            error => error.to_string().into(),
        }
    }
}

/// As above, for the box without bounds.
impl From<Error> for Box<dyn std::error::Error> {
    fn from(error: Error) -> Self {
        let error: Box<dyn std::error::Error + Send + Sync> = error.into();
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => formatter.write_str("the time for it has passed"),
            Self::Cancelled => formatter.write_str("the wait was cancelled"),
            Self::Closed { code, reason, by, cause, .. } => {
                let who = if matches!(by, Initiator::Peer) { "the peer" } else { "this side" };
                write!(
                    formatter,
                    "the connection was closed by {who} with code {}",
                    code.as_u16()
                )?;
                if !reason.is_empty() {
                    formatter.write_str(": ")?;
                    write_on_one_line(reason, formatter)?;
                }
                cause.as_ref().map_or(Ok(()), |cause| write!(formatter, " ({cause})"))
            }
            Self::Full => formatter.write_str("too much waits to be sent to this peer"),
            Self::BufferTooSmall => formatter.write_str("the buffer has no room for one character"),
            Self::NotSendable(error) => error.fmt(formatter),
            Self::Refused(refusal) => {
                write!(formatter, "the server refused the upgrade with status {}", refusal.status)
            }
            Self::Panicked => formatter.write_str("the task panicked"),
            Self::Io(error) => error.fmt(formatter),
            Self::Other(error) => error.fmt(formatter),
        }
    }
}

/// What a peer says, without the characters that would end a line of a log or command a terminal.
fn write_on_one_line(text: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        character if character.is_control() => write!(formatter, "{}", character.escape_default()),
        character => formatter.write_char(character),
    })
}

/// The same words as [`Display`](fmt::Display), because `main` prints an error with this.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_h12_a_peers_reason_cannot_forge_a_line_of_a_log() {
        for character in (0..=u8::MAX).map(char::from) {
            let error = Error::Closed {
                code: CloseCode::NORMAL,
                reason: format!("it's {character}[2J over").into(),
                by: Initiator::Peer,
                clean: true,
                cause: None,
            };
            for told in [error.to_string(), format!("{error:?}")] {
                assert!(!told.chars().any(char::is_control), "{told:?}");
                assert!(told.contains("it's ") && told.ends_with("[2J over"), "{told:?}");
            }
        }
    }
}
