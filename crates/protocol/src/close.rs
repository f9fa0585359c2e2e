//! Close codes, close reasons, and how a connection ended (RFC 6455, sections 7.1 and 7.4).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::fmt;

use crate::role::Role;

/// A close code (RFC 6455, section 7.4, and the IANA registry).
///
/// Any number can be held, since 1005 and 1006 are reported without ever being sent;
/// [`is_legal_on_wire`](Self::is_legal_on_wire) tells which may stand in a Close frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server shuts down, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that this endpoint does not take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: reported when the peer's Close frame had no code; never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: reported when the transport ended without a Close frame; never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that does not fit the message's type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated, a limit on rate or time among them.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: a client missed an extension that it needs; sent by clients only.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition on the server.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the service restarts; come back after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code with this number, legal on the wire or not.
    #[must_use]
    pub const fn from_u16(code: u16) -> Self {
        Self(code)
    }

    /// The code's number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether the code may stand in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    #[must_use]
    pub const fn is_legal_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether this endpoint may start a closing handshake with the code: those legal on the wire,
    /// less 1010 for servers, which refuse extensions in the opening handshake instead.
    #[must_use]
    pub const fn is_sendable_by(self, role: Role) -> bool {
        self.is_legal_on_wire() && !(matches!(role, Role::Server) && self.0 == 1010)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

/// What a Close frame says: a code and a reason (RFC 6455, section 5.5.1).
///
/// The reason is meant for logs, not for the people who use the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason<'b> {
    code: CloseCode,
    reason: Cow<'b, str>,
}

impl<'b> CloseReason<'b> {
    /// The longest reason that fits a control frame, in bytes.
    pub const REASON_BYTES_MAX: usize = 123;

    /// A code and a reason of at most [`REASON_BYTES_MAX`](Self::REASON_BYTES_MAX) bytes; both are
    /// checked when they are sent.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'b, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The close code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, which may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The same, independent of the buffer that it was read from; copies a borrowed reason.
    #[must_use]
    pub fn into_owned(self) -> CloseReason<'static> {
        CloseReason { code: self.code, reason: Cow::Owned(self.reason.into_owned()) }
    }
}

impl From<CloseCode> for CloseReason<'_> {
    fn from(code: CloseCode) -> Self {
        Self { code, reason: Cow::Borrowed("") }
    }
}

/// Which side began to end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// This endpoint: it closed, or it failed the connection.
    Local,
    /// The other endpoint, by a Close frame or by ending the transport.
    Peer,
}

/// How a connection ended (RFC 6455, sections 7.1.4 to 7.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The code of the peer's Close frame, [`CloseCode::NO_STATUS`] if it had none,
    /// [`CloseCode::ABNORMAL`] if no Close frame came; the code with which this endpoint failed the
    /// connection if it did, which the peer was told unless our Close frame had been sent before.
    pub code: CloseCode,
    /// The reason in the peer's Close frame, or empty.
    pub reason: Box<str>,
    /// Which side began it.
    pub by: Initiator,
    /// Whether the closing handshake was completed.
    pub clean: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cls_26_27_28_29_30_31_32_33_34_35_36_every_code_against_the_table() {
        for number in 0..=u16::MAX {
            let legal = matches!(
                number,
                1000 | 1001 | 1002 | 1003 | 1007 | 1008 | 1009 | 1010 | 1011 | 1012 | 1013 | 1014
            ) || (3000..5000).contains(&number);
            let code = CloseCode::from_u16(number);
            assert_eq!(code.is_legal_on_wire(), legal, "{number}");
            assert_eq!(code.is_sendable_by(Role::Client), legal, "{number}");
            assert_eq!(code.is_sendable_by(Role::Server), legal && number != 1010, "{number}");
        }
    }
}
