//! The name of a socket.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names one socket of the process, for as long as that runs: numbers are not used again, not by another server either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

impl SocketId {
    /// A name that no socket of this process has had: a route may well hold sockets of several servers, and clients.
    pub(super) fn next() -> Self {
        static LATEST: AtomicU64 = AtomicU64::new(0);
        Self(LATEST.fetch_add(1, Ordering::Relaxed) + 1)
    }

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
