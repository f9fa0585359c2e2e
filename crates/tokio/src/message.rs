//! Messages that own their payload.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;

use bytes::Bytes;
use bytestring::ByteString;
use sockeye_protocol::{CloseReason, Event};

/// Text that is cheap to clone: UTF-8 in shared memory, of the same kind as [`Bytes`].
///
/// It dereferences to `str`.
///
/// ```
/// use sockeye_tokio::Utf8Bytes;
///
/// let text = Utf8Bytes::from("grüße");
/// assert!(text.starts_with("gr"));
/// assert_eq!(text.clone(), "grüße");
/// let counts = std::collections::HashMap::from([(text, 1)]);
/// assert_eq!(counts.get("grüße"), Some(&1));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf8Bytes(ByteString);

impl Utf8Bytes {
    /// Text of the program itself, which is not copied.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text's bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<Bytes> for Utf8Bytes {
    fn as_ref(&self) -> &Bytes {
        self.0.as_bytes()
    }
}

impl Borrow<str> for Utf8Bytes {
    fn borrow(&self) -> &str {
        self
    }
}

/// As a `str`, which it can be looked up with.
impl Hash for Utf8Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), formatter)
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Self {
        Self(text.as_str().into())
    }
}

impl From<Utf8Bytes> for String {
    fn from(text: Utf8Bytes) -> Self {
        text.as_str().to_owned()
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.into_bytes()
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Utf8Error> {
        ByteString::try_from(bytes).map(Self)
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Utf8Error> {
        Bytes::from(bytes).try_into()
    }
}

impl PartialEq<str> for Utf8Bytes {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Utf8Bytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Utf8Bytes {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

/// What a Close frame says (RFC 6455, section 5.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The close code; [`CloseCode`](crate::CloseCode) has names for those of the RFC.
    pub code: u16,
    /// The reason, at most 123 bytes, which may be empty.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    /// A code and a reason; both are checked when they are sent.
    pub fn new(code: impl Into<u16>, reason: impl Into<Utf8Bytes>) -> Self {
        Self { code: code.into(), reason: reason.into() }
    }

    /// The same in the words of the protocol crate.
    pub(crate) fn as_reason(&self) -> CloseReason<'_> {
        CloseReason::new(sockeye_protocol::CloseCode::from_u16(self.code), self.reason.as_str())
    }
}

/// A message, or a control frame that the application gets to see.
///
/// Pings were answered, and a Close was, when they are received; nothing need be done about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A ping, of at most 125 bytes.
    Ping(Bytes),
    /// A pong, of at most 125 bytes.
    Pong(Bytes),
    /// A Close frame, `None` if it has no body. The last message that is received.
    Close(Option<CloseFrame>),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self::Binary(payload.into())
    }

    /// Whether it is a text message.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether it is a binary message.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// Whether it is a ping.
    #[must_use]
    pub const fn is_ping(&self) -> bool {
        matches!(self, Self::Ping(_))
    }

    /// Whether it is a pong.
    #[must_use]
    pub const fn is_pong(&self) -> bool {
        matches!(self, Self::Pong(_))
    }

    /// Whether it is a Close frame.
    #[must_use]
    pub const fn is_close(&self) -> bool {
        matches!(self, Self::Close(_))
    }

    /// The payload; of a Close frame, its reason.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.as_ref().map_or(&[], |frame| frame.reason.as_bytes()),
        }
    }

    /// Bytes in the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload, without a copy; of a Close frame, its reason.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes,
            Self::Close(frame) => frame.map_or_else(Bytes::new, |frame| frame.reason.into()),
        }
    }

    /// The payload as text, without a copy.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8, which a text message always is.
    pub fn into_text(self) -> Result<Utf8Bytes, Utf8Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => other.into_data().try_into(),
        }
    }

    /// The payload as text.
    ///
    /// # Errors
    ///
    /// As [`into_text`](Self::into_text).
    pub fn to_text(&self) -> Result<&str, Utf8Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => std::str::from_utf8(other.as_bytes()),
        }
    }
}

/// The payload; what is not UTF-8 is told by its length.
impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Ok(text) => formatter.write_str(text),
            Err(_) => write!(formatter, "({} bytes)", self.len()),
        }
    }
}

impl From<Event<'_>> for Message {
    /// Moves the payload where the event owns it, and copies it where it is borrowed.
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into_string().into()),
            Event::Binary(payload) => Self::Binary(payload.into_bytes()),
            Event::Ping(payload) => Self::Ping(payload.into_bytes()),
            Event::Pong(payload) => Self::Pong(payload.into_bytes()),
            Event::Close(reason) => Self::Close(reason.map(|reason| CloseFrame {
                code: reason.code().as_u16(),
                reason: reason.reason().into(),
            })),
            _ => unreachable!("there are no other events"),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Utf8Bytes> for Message {
    fn from(text: Utf8Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Message {
    fn from(payload: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(payload))
    }
}

impl From<Bytes> for Message {
    fn from(payload: Bytes) -> Self {
        Self::Binary(payload)
    }
}

impl From<Vec<u8>> for Message {
    fn from(payload: Vec<u8>) -> Self {
        Self::binary(payload)
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        message.into_data()
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_data().into()
    }
}
