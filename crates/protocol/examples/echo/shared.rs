//! What all peers of a loop share, for the examples with one.

use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Buffers, Config, FrameHeader, Instant, Outbox, Output};

/// Limits, memory and time.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    buffers: Buffers,
    /// For how long a request may take.
    pub(crate) open_within: Duration,
    origin: std::time::Instant,
    /// When the current turn began: reading the clock once is enough for all that it does.
    pub(crate) now: Instant,
}

impl Shared {
    pub(crate) fn new(mut config: Config, open_within: Duration) -> Self {
        // Nothing is taken in above the mark, so an answer always has room.
        let message_bytes_max = config.message_bytes_max + FrameHeader::BYTES_MAX;
        config.outbox_bytes_max = config.outbox_high_mark + message_bytes_max;
        let (config, buffers) = (Arc::new(config), Buffers::default());
        let origin = std::time::Instant::now();
        Self { config, buffers, open_within, origin, now: Instant::ZERO }
    }

    pub(crate) fn begin_turn(&mut self) {
        self.now = Instant::ZERO + self.origin.elapsed();
    }

    pub(crate) fn output<'o>(&'o mut self, outbox: &'o mut Outbox) -> Output<'o> {
        Output::server(outbox, &mut self.buffers, self.now)
    }
}
