//! The loop's time, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_protocol::Instant;

/// Either the machine's monotonic clock, or one that a test moves.
#[derive(Debug)]
pub(crate) enum Clock {
    /// `at` was the engine's time when the machine's was `origin`.
    Monotonic { origin: std::time::Instant, at: Instant },
    /// Nanoseconds as of the latest turn of a loop that is driven by hand.
    Virtual(AtomicU64),
}

impl Clock {
    /// Never behind the engine's time, however long reading that takes: what has fallen due there has here.
    pub(crate) fn monotonic(engine: impl FnOnce() -> Instant) -> Self {
        let origin = std::time::Instant::now();
        Self::Monotonic { origin, at: engine() }
    }

    pub(crate) const fn virtual_at(at: Instant) -> Self {
        Self::Virtual(AtomicU64::new(at.as_nanos()))
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Monotonic { origin, at } => *at + origin.elapsed(),
            Self::Virtual(nanos) => Instant::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// A virtual clock follows the engine's; the machine's needs no help.
    pub(crate) fn follow(&self, now: Instant) {
        if let Self::Virtual(nanos) = self {
            nanos.store(now.as_nanos(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else a timer that has fired would wait for itself to come due.
    #[test]
    fn the_clock_is_never_behind_the_engines() {
        let began = std::time::Instant::now();
        let engine = || Instant::ZERO + began.elapsed();
        let clock = Clock::monotonic(|| {
            let at = engine();
            // As a thread that is put aside between reading one clock and the other.
            while engine() < at + std::time::Duration::from_millis(1) {}
            at
        });
        let turn = engine();
        assert!(clock.now() >= turn);
    }
}
