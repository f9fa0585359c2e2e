//! How a simulated network behaves.

use std::time::Duration;

/// What a simulated network does to what travels through it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conditions {
    /// From which the sizes of cut reads and writes follow.
    pub seed: u64,
    /// The time from the end that was connected to, to the one that connected. Default: none.
    pub latency_to_caller: Duration,
    /// The time in the other direction. Default: none.
    pub latency_to_callee: Duration,
    /// Each read of an engine brings a random number of bytes from one to this. `None`, the
    /// default: all that are there and fit.
    pub read_bytes_max: Option<usize>,
    /// Each write of an engine takes a random number of bytes from one to this. `None`, the
    /// default: all that fit the window.
    pub send_bytes_max: Option<usize>,
    /// How many bytes one end may send that the other has not read. Default: 256 KiB.
    pub window_bytes: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_to_caller: Duration::ZERO,
            latency_to_callee: Duration::ZERO,
            read_bytes_max: None,
            send_bytes_max: None,
            window_bytes: 256 * 1024,
        }
    }
}

/// How an address of a simulated network answers connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// They are made, and [`Network::accept`](super::Network::accept) returns them.
    Accept,
    /// They fail.
    Refuse,
    /// Nothing ever comes back.
    Silence,
}
