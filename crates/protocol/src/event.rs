//! What a connection reports.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

use bytes::Bytes;

use crate::close::CloseReason;
use crate::copying;

/// What arrived. It borrows the bytes lent to [`receive`](crate::Connection::receive) when it lay
/// whole in them, and owns its bytes when it had to be assembled; it never borrows the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A whole text message (RFC 6455, section 5.6).
    Text(Text<'b>),
    /// A whole binary message (section 5.6).
    Binary(Payload<'b>),
    /// A ping (section 5.5.2). Its pong is in the outbox already, unless that is above
    /// [`Config::outbox_high_mark`](crate::Config::outbox_high_mark), where the newest ping waits for
    /// [`outbox_drained`](crate::Connection::outbox_drained).
    Ping(Payload<'b>),
    /// A pong (section 5.5.3), asked for or not.
    Pong(Payload<'b>),
    /// The peer's Close frame, `None` if its body was empty (section 5.5.1). If this endpoint had
    /// not closed yet, the answer is in the outbox already. It is the last event.
    Close(Option<CloseReason<'b>>),
}

impl Event<'_> {
    /// Whether it owns a buffer that is worth keeping.
    #[inline]
    pub(crate) const fn owns_buffer(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_borrowed(),
            Self::Binary(payload) | Self::Ping(payload) | Self::Pong(payload) => {
                !payload.is_borrowed()
            }
            Self::Close(_) => false,
        }
    }
}

/// The payload of a binary message or of a control frame; dereferences to bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'b>(Cow<'b, [u8]>);

impl<'b> Payload<'b> {
    pub(crate) const fn borrowed(bytes: &'b [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    pub(crate) const fn owned(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }

    /// Whether the bytes lie in the buffer that was lent to the connection.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The bytes, to keep: moved if they are owned, copied if they are borrowed.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Cow::Borrowed(bytes) => copying::to_vec(bytes),
            Cow::Owned(bytes) => bytes,
        }
    }

    /// The bytes, to keep and to share.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.into_vec())
    }

    /// Appends a copy of the bytes, for who has memory for them.
    #[inline]
    pub fn append_to(&self, target: &mut Vec<u8>) {
        copying::append(target, self);
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The payload of a text message; dereferences to a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'b>(Cow<'b, str>);

impl<'b> Text<'b> {
    pub(crate) const fn borrowed(text: &'b str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub(crate) const fn owned(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// Whether the text lies in the buffer that was lent to the connection.
    #[must_use]
    pub const fn is_borrowed(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The text, to keep: moved if it is owned, copied if it is borrowed.
    #[must_use]
    pub fn into_string(self) -> String {
        match self.0 {
            Cow::Borrowed(text) => copying::to_string(text),
            Cow::Owned(text) => text,
        }
    }

    /// Appends a copy of the text, for who has memory for it.
    #[inline]
    pub fn append_to(&self, target: &mut String) {
        copying::append_text(target, self);
    }

    /// The text's bytes, to keep and to share.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.into_string())
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}
