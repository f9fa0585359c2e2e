//! What every load is to those who run it.

use std::time::{Duration, Instant};

use crate::arguments::Length;

use super::crowd::Crowd;
use super::progress::{Progress, share};
use super::round::Round;

/// Connections that are open, or about to be, and something to do with them.
pub(crate) trait Load {
    /// Does it once. It can be done again.
    fn round(&mut self, progress: &mut Progress) -> Result<Round, String>;

    fn crowd(&mut self) -> &mut Crowd;
}

/// When a round is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) count: Option<u64>,
    pub(crate) duration: Duration,
}

impl Goal {
    pub(crate) fn new(length: &Length) -> Self {
        let count = length.count.map(|count| count.get() as u64);
        Self { count, duration: length.duration }
    }

    /// When nothing more is begun, in nanoseconds from the beginning.
    pub(crate) fn deadline_nanos(&self) -> u64 {
        match self.count {
            Some(_) => u64::MAX,
            None => u64::try_from(self.duration.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// How far it is.
    pub(crate) fn share(&self, done: u64, now: u64) -> f64 {
        self.count.map_or_else(|| share(now, self.deadline_nanos()), |count| share(done, count))
    }
}

pub(crate) fn nanos_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
