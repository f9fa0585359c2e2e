//! The limits and deadlines of a connection.

use core::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;

/// Limits and deadlines, shared by many connections through an `Arc`.
///
/// Every limit stops a known accident or attack, so there is no "unlimited" among the defaults.
///
/// ```
/// let mut config = sockeye_protocol::Config::default();
/// config.message_bytes_max = 64 * 1024;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The longest message taken from the peer, in bytes of payload; default 1 MiB.
    /// A longer one is refused with 1009 at the last byte of the length that announces it, so no
    /// memory is spent on it.
    pub message_bytes_max: usize,
    /// The most frames of one message, empty ones included; `None`, the default, means
    /// `max(1024, message_bytes_max / 64)`. One more is refused with 1008: without this limit a
    /// peer could send empty fragments for ever.
    pub fragments_max: Option<u32>,
    /// The most bytes that may wait in the outbox; default 1 MiB.
    /// A send that would exceed it fails with [`SendError::Full`](crate::SendError::Full), except
    /// that an empty outbox takes one message of any size. Without this limit a peer that does not
    /// read makes the sender's memory grow.
    pub outbox_bytes_max: usize,
    /// The level of the outbox, in bytes, above which a driver should stop calling
    /// [`receive`](crate::Connection::receive); default 64 KiB.
    /// Above it only the newest ping is answered, so a flood of pings grows nothing.
    pub outbox_high_mark: usize,
    /// The most pings and pongs that the peer may send in a second, in the long run; default 100.
    /// More are refused with 1008: each costs an event and perhaps an answer, and carries nothing.
    ///
    /// A pong for each ping that we sent is not counted, and neither is what the peer may have sent
    /// while the driver did not read (see
    /// [`suspend_keepalive`](crate::Connection::suspend_keepalive)). With `u32::MAX` nothing is
    /// refused; zero means one.
    pub control_rate_max: u32,
    /// The most pings and pongs that may come at once, before
    /// [`control_rate_max`](Self::control_rate_max) counts; default 200. A peer that was held up by
    /// the network, or by a driver that was busy elsewhere, sends at once what it would have sent in
    /// that time.
    pub control_burst_max: u32,
    /// How long a message may take from its first byte to its last; default 30 s, then 1008.
    /// It ends connections that hold memory for a message that they never finish. The time in which
    /// the driver does not read is not counted; see
    /// [`suspend_keepalive`](crate::Connection::suspend_keepalive).
    pub message_within: Option<Duration>,
    /// The silence after which a ping is sent; default 20 s. `None` switches keepalive off.
    pub ping_after: Option<Duration>,
    /// How long the peer may take to answer a ping; default 20 s. What it sends meanwhile, except
    /// answers to older pings, counts as life and starts this time again.
    pub pong_within: Duration,
    /// How long the closing handshake may take, and after it the peer's end of the transport;
    /// default 5 s.
    pub close_within: Duration,
    /// What to agree on about compression; default `None`, and no compression.
    ///
    /// A [`Connection`](crate::Connection) does not look at it: it is for the driver, whose opening
    /// handshake decides. Give what that came to to
    /// [`set_deflate`](crate::Connection::set_deflate).
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Config {
    /// The most frames of one message, with the default worked out.
    #[must_use]
    pub fn fragments_max(&self) -> u32 {
        self.fragments_max.unwrap_or_else(|| {
            let by_size = u32::try_from(self.message_bytes_max / 64).unwrap_or(u32::MAX);
            by_size.max(1024)
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message_bytes_max: 1024 * 1024,
            fragments_max: None,
            outbox_bytes_max: 1024 * 1024,
            outbox_high_mark: 64 * 1024,
            control_rate_max: 100,
            control_burst_max: 200,
            message_within: Some(Duration::from_secs(30)),
            ping_after: Some(Duration::from_secs(20)),
            pong_within: Duration::from_secs(20),
            close_within: Duration::from_secs(5),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
