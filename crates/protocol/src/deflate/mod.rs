//! Compression of messages: permessage-deflate (RFC 7692).
//!
//! [`DeflateConfig`] says what one side wants, the opening handshake makes a [`Deflate`] of it and
//! of what the other side wants, and a connection that is given that compresses and inflates.

// In reading order.
mod offer;
mod codec;

pub(crate) use codec::{Deflater, Fault, Inflater, Setting, Step};
pub(crate) use offer::{NAME, RESPONSE_LEN_MAX};

use core::fmt;

/// The size of a window as a power of two, 8 to 15: 256 bytes to 32 KiB (RFC 7692, section 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes. An inflater can obey it; a deflater cannot, so whoever must compress with it
    /// declines, or sends what it has as it is.
    pub const MIN: Self = Self(8);
    /// 32 KiB, which is meant where nothing is said.
    pub const MAX: Self = Self(15);
    /// The smallest window of the deflater: 512 bytes.
    pub(crate) const DEFLATER_MIN: Self = Self(9);

    /// The window of 2^`bits` bytes, if `bits` is 8 to 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The power, 8 to 15.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The size, 256 to 32,768.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// What one side wants of permessage-deflate, as a server that is offered it or as a client that
/// offers it.
///
/// Compression mixes what it compresses together: who can put text of his own beside a secret in
/// one message, or with a context in one connection, and sees how long the frames are, can guess
/// the secret (RFC 7692, section 8). Send such messages with
/// [`send_text_uncompressed`](crate::Connection::send_text_uncompressed) and its like.
///
/// ```
/// use sockeye_protocol::{DeflateConfig, WindowBits};
///
/// let mut config = DeflateConfig::default();
/// config.keeps_own_context = true;
/// config.own_window_max = WindowBits::new(12).expect("8 to 15");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// Whether a message that we send may refer to those before it; default `false`. It makes
    /// similar messages much shorter, and costs each connection that has sent one 288 KiB, or 162
    /// to 225 KiB with a smaller window, until the keepalive has sent two pings with no message
    /// between them. Without it all connections of a thread share a deflater.
    pub keeps_own_context: bool,
    /// Whether a message from the peer may refer to those before it; default `false`. It costs a
    /// window for each connection that has received one, at most 32 KiB.
    pub keeps_peer_context: bool,
    /// The window that we compress with at most; default 15.
    pub own_window_max: WindowBits,
    /// The smallest window that we let the peer ask us to compress with; default 9. An offer that
    /// asks for less is declined. With 15 a client does not let the server ask at all, and with 8,
    /// which the deflater cannot do, messages are sent as they are.
    pub own_window_min: WindowBits,
    /// The window that the peer may compress with; default 15. Of a client that cannot be told, a
    /// server with less declines the offer.
    pub peer_window_max: WindowBits,
    /// How much work to put into compression, 1 to 9; default 4. Above 6 little is won.
    pub level: u8,
    /// Messages with fewer bytes than this are sent as they are; default 256. With a context it is a
    /// quarter of it, since a short message then repeats those before it. 0 compresses even empty
    /// messages.
    pub payload_bytes_min: usize,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            keeps_own_context: false,
            keeps_peer_context: false,
            own_window_max: WindowBits::MAX,
            own_window_min: WindowBits::DEFLATER_MIN,
            peer_window_max: WindowBits::MAX,
            level: 4,
            payload_bytes_min: 256,
        }
    }
}

/// What the two sides agreed on, seen from one of them. The handshake makes it:
/// [`Upgrade::deflate`](crate::handshake::Upgrade::deflate) on a server,
/// [`Switched::deflate`](crate::handshake::Switched::deflate) on a client. Give it to
/// [`Connection::set_deflate`](crate::Connection::set_deflate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    keeps_own_context: bool,
    keeps_peer_context: bool,
    own_window: WindowBits,
    peer_window: WindowBits,
    /// Whether a server's response names its own window, as it must if the offer did.
    names_own_window: bool,
    level: u8,
    payload_bytes_min: usize,
}

impl Deflate {
    /// Whether messages that we send may refer to those before them.
    #[must_use]
    pub const fn keeps_own_context(&self) -> bool {
        self.keeps_own_context
    }

    /// Whether messages from the peer may refer to those before them.
    #[must_use]
    pub const fn keeps_peer_context(&self) -> bool {
        self.keeps_peer_context
    }

    /// The window that we compress with at most.
    #[must_use]
    pub const fn own_window(&self) -> WindowBits {
        self.own_window
    }

    /// The window that the peer compresses with at most.
    #[must_use]
    pub const fn peer_window(&self) -> WindowBits {
        self.peer_window
    }
}
