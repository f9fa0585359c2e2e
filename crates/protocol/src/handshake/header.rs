use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

/// The fields that the handshake writes itself, or that decide where a message ends.
const RESERVED: [&str; 4] = ["connection", "content-length", "transfer-encoding", "upgrade"];
/// All fields that begin so belong to the handshake, those that are yet to be defined as well.
const RESERVED_PREFIX: &str = "sec-websocket-";

/// One header line that is to be sent: it holds neither a line end nor any other control byte, so
/// that no text from elsewhere can end the line and begin another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: Cow<'static, str>,
    value: Cow<'static, str>,
}

impl Header {
    /// Checks a name and a value and joins them.
    ///
    /// # Errors
    /// [`InvalidHeader::Name`] unless the name is a token (RFC 9110 section 5.1),
    /// [`InvalidHeader::Value`] if the value holds anything but visible ASCII, spaces and tabs, and
    /// [`InvalidHeader::Reserved`] for the fields that the handshake writes itself (`Connection`,
    /// `Upgrade`, `Sec-WebSocket-*`) or that frame a message (`Content-Length`,
    /// `Transfer-Encoding`).
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<Self, InvalidHeader> {
        let (name, value) = (name.into(), value.into());
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name);
        }
        let prefix = name.get(..RESERVED_PREFIX.len()).unwrap_or_default();
        if prefix.eq_ignore_ascii_case(RESERVED_PREFIX)
            || RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            return Err(InvalidHeader::Reserved);
        }
        if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(InvalidHeader::Value);
        }
        Ok(Self { name, value })
    }

    /// The name, as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, as it was given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The bytes of the line that [`write`](Self::write) appends.
    pub(super) fn line_len(&self) -> usize {
        self.name.len() + self.value.len() + ": \r\n".len()
    }

    /// Appends the line and its end.
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        head.extend_from_slice(self.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(self.value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
}

/// Why something cannot stand in a head that we send. The fault is the caller's, nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token.
    Name,
    /// The value holds something other than visible ASCII, spaces and tabs.
    Value,
    /// The field belongs to the handshake, or decides where a message ends.
    Reserved,
    /// The subprotocol is not a token.
    Subprotocol,
    /// The subprotocol is offered already.
    SubprotocolRepeated,
    /// 64 subprotocols are offered already.
    TooManySubprotocols,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Name => "the header name is not a token",
            Self::Value => {
                "the header value holds something other than visible ASCII, spaces and tabs"
            }
            Self::Reserved => "the header belongs to the handshake",
            Self::Subprotocol => "the subprotocol is not a token",
            Self::SubprotocolRepeated => "the subprotocol is offered already",
            Self::TooManySubprotocols => "too many subprotocols are offered",
        })
    }
}

impl core::error::Error for InvalidHeader {}

/// Whether `bytes` are a token: one or more of the characters that need no quotes (RFC 9110 section
/// 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a byte may stand in a token: a letter, a digit, or one of fifteen others.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    match byte {
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' => true,
        b'^' | b'_' | b'`' | b'|' | b'~' => true,
        _ => byte.is_ascii_alphanumeric(),
    }
}

/// Whether `bytes` are `lower` in any case. `lower` is of small letters and hyphens, and `bytes`
/// hold no control byte.
#[inline(always)]
pub(super) fn matches_lower<const LEN: usize>(bytes: &[u8], lower: &[u8; LEN]) -> bool {
    let Ok(bytes) = <&[u8; LEN]>::try_from(bytes) else {
        return false;
    };
    // The bit makes a small letter of a great one; else only a CR would become one of `lower`.
    bytes.iter().zip(lower).fold(0, |differ, (byte, lower)| differ | (byte | 0x20) ^ lower) == 0
}

/// `bytes` without the optional whitespace around them: spaces and tabs, nothing else (RFC 9110
/// section 5.6.3).
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
