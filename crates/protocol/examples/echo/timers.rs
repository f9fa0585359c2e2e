//! Timers of many peers on one thread, for the examples with a loop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sockeye_protocol::Instant;

/// Every timer that is set, by time. None is ever taken back, since one that fires early does no
/// harm; so a busy peer, whose deadline moves with each message, hardly ever sets one.
pub(crate) struct Timers<K>(BinaryHeap<Reverse<(Instant, K)>>);

impl<K: Copy + Ord> Timers<K> {
    pub(crate) const fn new() -> Self {
        Self(BinaryHeap::new())
    }

    /// Sets a timer for `due`, unless an earlier one is set already, as `set` tells.
    pub(crate) fn set(&mut self, key: K, set: &mut Option<Instant>, due: Option<Instant>) {
        if let Some(due) = due.filter(|due| set.is_none_or(|set| *due < set)) {
            *set = Some(due);
            self.0.push(Reverse((due, key)));
        }
    }

    /// When the next one fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// Whose timer has fired, and for when it was set. It is an old one if an earlier one was set
    /// after it.
    pub(crate) fn fired(&mut self, now: Instant) -> Option<(K, Instant)> {
        self.next().filter(|due| *due <= now)?;
        self.0.pop().map(|Reverse((due, key))| (key, due))
    }
}
