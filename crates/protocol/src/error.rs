//! Errors, by whose fault they are: the peer's, the caller's, the clock's.
//!
//! Those of the opening handshake are in [`handshake`](crate::handshake).

use core::fmt;

use crate::close::CloseCode;
use crate::time::Timer;

/// The peer broke the protocol or a limit. The connection has failed: a Close frame with
/// [`close_code`](Self::close_code) is in the outbox, and nothing that the peer sends from now on
/// is looked at (RFC 6455, section 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtocolError {
    /// What was wrong.
    pub violation: Violation,
    /// Where: the position in the bytes received of the first byte of the frame concerned,
    /// counted from the first byte after the opening handshake.
    pub frame_offset: u64,
}

impl ProtocolError {
    /// The close code that tells the peer what it did.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        self.violation.close_code()
    }
}

/// A rule of RFC 6455, or a limit of [`Config`](crate::Config), that the peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A reserved bit is set and no extension gives it a meaning (section 5.2), or not in this frame
    /// (RFC 7692, section 6).
    ReservedBit,
    /// The opcode, in its lower four bits, is not defined (section 5.2).
    ReservedOpcode(u8),
    /// A client's frame is not masked (section 5.1).
    Unmasked,
    /// A server's frame is masked (section 5.1).
    Masked,
    /// A control frame without FIN (section 5.5).
    FragmentedControl,
    /// A control frame with more than 125 bytes (section 5.5).
    ControlTooLong,
    /// The length is not in its shortest form (section 5.2).
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (section 5.2).
    LengthTopBit,
    /// A continuation frame without a message that it continues (section 5.4).
    UnexpectedContinuation,
    /// A new message before the last one has ended (section 5.4).
    ExpectedContinuation,
    /// The message is longer than [`Config::message_bytes_max`](crate::Config::message_bytes_max).
    MessageTooLong,
    /// A compressed message does not inflate (RFC 7692, section 7.2.2).
    DeflateInvalid,
    /// A compressed message has more than 1024 blocks that say they are the last.
    TooManyFinalBlocks,
    /// The message has more frames than [`Config::fragments_max`](crate::Config::fragments_max).
    TooManyFragments,
    /// More pings and pongs than [`Config::control_rate_max`](crate::Config::control_rate_max) and
    /// [`Config::control_burst_max`](crate::Config::control_burst_max) allow.
    TooManyControlFrames,
    /// A text message is not UTF-8 (section 8.1).
    TextNotUtf8,
    /// A Close frame whose body is one byte long (section 5.5.1).
    CloseBodyTooShort,
    /// A Close frame with a code that must not be sent (section 7.4).
    IllegalCloseCode(u16),
    /// A Close frame whose reason is not UTF-8 (section 5.5.1).
    ReasonNotUtf8,
}

impl Violation {
    /// The close code that tells the peer what it did (section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooLong => CloseCode::TOO_BIG,
            Self::TooManyFragments | Self::TooManyFinalBlocks | Self::TooManyControlFrames => {
                CloseCode::POLICY
            }
            Self::DeflateInvalid | Self::TextNotUtf8 | Self::ReasonNotUtf8 => {
                CloseCode::INVALID_PAYLOAD
            }
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::ReservedOpcode(opcode) => {
                return write!(formatter, "reserved opcode {opcode:#x}");
            }
            Self::IllegalCloseCode(code) => {
                return write!(formatter, "close code {code} must not be sent");
            }
            Self::ReservedBit => "reserved bit without an extension",
            Self::Unmasked => "frame from a client is not masked",
            Self::Masked => "frame from a server is masked",
            Self::FragmentedControl => "control frame is fragmented",
            Self::ControlTooLong => "control frame is longer than 125 bytes",
            Self::LengthNotMinimal => "payload length is not in its shortest form",
            Self::LengthTopBit => "top bit of the payload length is set",
            Self::UnexpectedContinuation => "continuation frame without a message",
            Self::ExpectedContinuation => "new message before the last one has ended",
            Self::MessageTooLong => "message is longer than the limit",
            Self::DeflateInvalid => "compressed message does not inflate",
            Self::TooManyFinalBlocks => "compressed message has too many final blocks",
            Self::TooManyFragments => "message has more frames than the limit",
            Self::TooManyControlFrames => "control frames come faster than the limit",
            Self::TextNotUtf8 => "text message is not UTF-8",
            Self::CloseBodyTooShort => "close frame has a body of one byte",
            Self::ReasonNotUtf8 => "close reason is not UTF-8",
        };
        formatter.write_str(text)
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, in the frame at byte {}", self.violation, self.frame_offset)
    }
}

impl core::error::Error for ProtocolError {}

/// The caller asked for something that cannot be sent. Nothing was put in the outbox and the
/// connection is unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing, closed or failed (section 6.1).
    NotOpen,
    /// The outbox holds too much: see
    /// [`Config::outbox_bytes_max`](crate::Config::outbox_bytes_max). Try again when it has drained.
    Full,
    /// A ping or pong with more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A close reason with more than 123 bytes (section 5.5).
    ReasonTooLong,
    /// A close code that this endpoint must not send (section 7.4).
    IllegalCloseCode,
    /// Frames without a mask, from an endpoint that must mask (section 5.1).
    Unmasked,
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotOpen => "connection is not open",
            Self::Full => "outbox is full",
            Self::ControlTooLong => "control payload is longer than 125 bytes",
            Self::ReasonTooLong => "close reason is longer than 123 bytes",
            Self::IllegalCloseCode => "close code must not be sent by this endpoint",
            Self::Unmasked => "frames of a client must be masked",
        })
    }
}

impl core::error::Error for SendError {}

/// A deadline passed and ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TimedOut {
    /// Which deadline.
    pub timer: Timer,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.timer {
            Timer::Ping => "ping is overdue",
            Timer::Pong => "peer did not answer a ping in time",
            Timer::Message => "message was not finished in time",
            Timer::Close => "peer did not answer the close in time",
        })
    }
}

impl core::error::Error for TimedOut {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    /// Every violation with the code that section 7.4.1 has for it. Whoever adds one is asked here.
    #[test]
    fn cls_21_40_every_violation_has_its_code_and_its_words() {
        use Violation::*;
        let table = [
            (1002, ReservedBit),
            (1002, ReservedOpcode(3)),
            (1002, Unmasked),
            (1002, Masked),
            (1002, FragmentedControl),
            (1002, ControlTooLong),
            (1002, LengthNotMinimal),
            (1002, LengthTopBit),
            (1002, UnexpectedContinuation),
            (1002, ExpectedContinuation),
            (1002, CloseBodyTooShort),
            (1002, IllegalCloseCode(999)),
            (1007, TextNotUtf8),
            (1007, ReasonNotUtf8),
            (1007, DeflateInvalid),
            (1008, TooManyFragments),
            (1008, TooManyFinalBlocks),
            (1008, TooManyControlFrames),
            (1009, MessageTooLong),
        ];
        let mut places: Vec<usize> = table.iter().map(|(_, violation)| place(*violation)).collect();
        places.sort_unstable();
        assert!(places.iter().copied().eq(0..table.len()), "{places:?}");
        for (code, violation) in table {
            let error = ProtocolError { violation, frame_offset: 7 };
            assert_eq!(error.close_code().as_u16(), code, "{violation:?}");
        }
        let mut words: Vec<_> = table.iter().map(|(_, violation)| violation.to_string()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), table.len(), "no two say the same");
    }

    /// Without a wildcard, so that it does not compile while the table lacks one.
    const fn place(violation: Violation) -> usize {
        match violation {
            Violation::ReservedBit => 0,
            Violation::ReservedOpcode(_) => 1,
            Violation::Unmasked => 2,
            Violation::Masked => 3,
            Violation::FragmentedControl => 4,
            Violation::ControlTooLong => 5,
            Violation::LengthNotMinimal => 6,
            Violation::LengthTopBit => 7,
            Violation::UnexpectedContinuation => 8,
            Violation::ExpectedContinuation => 9,
            Violation::CloseBodyTooShort => 10,
            Violation::IllegalCloseCode(_) => 11,
            Violation::TextNotUtf8 => 12,
            Violation::ReasonNotUtf8 => 13,
            Violation::DeflateInvalid => 14,
            Violation::TooManyFragments => 15,
            Violation::TooManyFinalBlocks => 16,
            Violation::TooManyControlFrames => 17,
            Violation::MessageTooLong => 18,
        }
    }
}
