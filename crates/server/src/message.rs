//! One whole message, and a reader over it.

use std::fmt;
use std::io;

use bytes::Bytes;
use sockeye_protocol::Prepared;

/// A whole message, of the type that the peer gave it (RFC 6455 section 5.6). An empty message is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Valid UTF-8, always.
    Text(String),
    /// Any bytes.
    Binary(Bytes),
}

/// Whether a message is text or binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The text, unless the message is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload, whatever its type.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload, taken out without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload as text, without a copy if it is; bytes that are no UTF-8 are replaced by U+FFFD.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Encoded once, for many.
    pub(crate) fn prepared(&self) -> Prepared {
        match self {
            Self::Text(text) => Prepared::text(text),
            Self::Binary(bytes) => Prepared::binary(bytes),
        }
    }

    /// Bytes in the payload.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A message of the type of this one, to answer in the type that the peer chose.
    ///
    /// ```
    /// use sockeye::{Kind, Message};
    /// assert_eq!(Message::binary("hello").reply("Hello!").kind(), Kind::Binary);
    /// ```
    #[must_use]
    pub fn reply(&self, text: impl Into<String>) -> Self {
        match self {
            Self::Text(_) => Self::Text(text.into()),
            Self::Binary(_) => Self::Binary(text.into().into()),
        }
    }

    /// Reads the payload from its beginning.
    pub fn into_reader(self) -> MessageReader {
        MessageReader { message: self, position: 0 }
    }
}

/// The text; of a binary message, how many bytes it has.
impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Binary(bytes) => write!(formatter, "({} bytes)", bytes.len()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

/// What one `recv_into` put into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Piece {
    /// Bytes at the beginning of the buffer.
    pub count: usize,
    /// The type of the message that the piece belongs to.
    pub kind: Kind,
    /// Whether this was its last piece.
    pub end: bool,
}

/// A message being read in pieces.
#[derive(Debug)]
pub struct MessageReader {
    message: Message,
    position: usize,
}

impl MessageReader {
    /// Text or binary.
    pub const fn kind(&self) -> Kind {
        self.message.kind()
    }

    /// Fills the buffer as far as it goes; a piece of text ends between two characters.
    /// `None`: there is no room for one character.
    pub(crate) fn read_piece(&mut self, buffer: &mut [u8]) -> Option<Piece> {
        let rest = self.message.as_bytes().get(self.position..).unwrap_or_default();
        let mut count = rest.len().min(buffer.len());
        if let Message::Text(text) = &self.message {
            while !text.is_char_boundary(self.position + count) {
                count -= 1;
            }
        }
        let end = count == rest.len();
        if count == 0 && !end {
            return None;
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Some(Piece { count, kind: self.kind(), end })
    }

    /// What has not been read yet, as a message of the same type.
    pub(crate) fn into_rest(self) -> Message {
        match self.message {
            Message::Text(text) => {
                Message::Text(text.get(self.position..).unwrap_or_default().to_owned())
            }
            Message::Binary(mut bytes) => Message::Binary(bytes.split_off(self.position)),
        }
    }
}

impl io::Read for MessageReader {
    /// Reads plain bytes: unlike `recv_into` it may stop within a character.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.message.as_bytes().get(self.position..).unwrap_or_default();
        let count = io::Read::read(&mut rest, buffer)?;
        self.position += count;
        Ok(count)
    }
}
