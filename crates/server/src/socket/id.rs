//! The name of a socket.

use std::fmt;

/// Names one socket of a server, for as long as the server runs: numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

impl SocketId {
    /// The number, to write down or to send elsewhere.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The identifier with this number, whether or not there is such a socket.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
