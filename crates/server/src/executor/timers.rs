//! The deadlines of one loop's tasks, in order.

use std::collections::BTreeMap;
use std::task::Waker;

use sockeye_protocol::Instant;

/// Names one armed timer; unique among all that its loop ever armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    pub(crate) deadline: Instant,
    pub(crate) number: u64,
}

/// Fires exactly at the deadline or later, never before.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeMap<TimerKey, Waker>);

impl Timers {
    pub(crate) fn arm(&mut self, key: TimerKey, waker: Waker) {
        self.0.insert(key, waker);
    }

    pub(crate) fn disarm(&mut self, key: TimerKey) -> Option<Waker> {
        self.0.remove(&key)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first_key_value().map(|(key, _)| key.deadline)
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Waker> {
        let mut expired = Vec::new();
        while let Some(entry) = self.0.first_entry() {
            if entry.key().deadline > now {
                break;
            }
            expired.push(entry.remove());
        }
        expired
    }
}
