//! Draining: a shutdown that closes every session properly, spread over a window, done by a deadline.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use sockeye_protocol::{CloseCode, Instant};

use crate::slab::Key;

/// How a reactor is to be drained.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrainPlan {
    /// The code that sessions are closed with: 1001 by default, 1012 before a restart.
    pub code: CloseCode,
    /// The reason that travels with it, at most 123 bytes.
    pub reason: String,
    /// When it must be over, from the start: whoever is left then is cut.
    pub within: Duration,
    /// Over how long the closes are spread, so that a herd does not reconnect in one instant.
    pub spread: Duration,
}

impl DrainPlan {
    /// Closes with 1001 (going away), all at once, done within `within`.
    #[must_use]
    pub fn within(within: Duration) -> Self {
        Self { code: CloseCode::GOING_AWAY, reason: String::new(), within, spread: Duration::ZERO }
    }

    /// The same plan with another code and reason.
    #[must_use]
    pub fn close_with(mut self, code: CloseCode, reason: impl Into<String>) -> Self {
        self.code = code;
        self.reason = reason.into();
        self
    }

    /// The same plan with its closes spread over `spread`, which `within` must exceed to leave time
    /// for the last of them.
    #[must_use]
    pub fn spread(mut self, spread: Duration) -> Self {
        self.spread = spread;
        self
    }
}

/// What draining did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Sessions that were open when it began.
    pub open: usize,
    /// Of those, how many ended with both Close frames exchanged.
    pub closed_cleanly: usize,
    /// Of those, how many ended otherwise before the deadline.
    pub ended: usize,
    /// How many were cut by the deadline.
    pub cut: usize,
    /// How many pieces of the service's own work the deadline found unfinished: see
    /// [`Service::unfinished`](crate::Service::unfinished).
    pub unfinished: usize,
    /// Upgrades that were answered 503 meanwhile.
    pub refused: usize,
    /// How long it took.
    pub took: Duration,
}

impl DrainReport {
    /// Adds another reactor's report to this one; `took` is the longer of both.
    pub fn merge(&mut self, other: &Self) {
        self.open += other.open;
        self.closed_cleanly += other.closed_cleanly;
        self.ended += other.ended;
        self.cut += other.cut;
        self.unfinished += other.unfinished;
        self.refused += other.refused;
        self.took = self.took.max(other.took);
    }
}

/// A drain in progress, as seen from the thread that asked for it.
#[derive(Debug)]
pub struct Draining {
    pub(crate) report: Receiver<DrainReport>,
}

impl Draining {
    /// The report, if it is there. None as well if the reactor was gone before it drained.
    #[must_use]
    pub fn try_report(&self) -> Option<DrainReport> {
        self.report.try_recv().ok()
    }

    /// Waits for the report, at most `timeout`. None if it did not come, or the reactor is gone.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<DrainReport> {
        self.report.recv_timeout(timeout).ok()
    }
}

/// The reactor's side: whom to close when.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) plan: DrainPlan,
    pub(crate) started: Instant,
    pub(crate) report: DrainReport,
    keys: Vec<Key>,
    closed: usize,
}

impl Schedule {
    pub(crate) fn new(plan: DrainPlan, started: Instant, keys: Vec<Key>) -> Self {
        let report = DrainReport { open: keys.len(), ..DrainReport::default() };
        Self { plan, started, report, keys, closed: 0 }
    }

    /// When everybody must be gone.
    pub(crate) fn deadline(&self) -> Instant {
        self.started + self.plan.within
    }

    /// When the next close is due. None once all of them were.
    pub(crate) fn next_close(&self) -> Option<Instant> {
        (self.closed < self.keys.len()).then(|| self.started + self.due_after(self.closed))
    }

    /// The next session whose close is due by `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Key> {
        if self.next_close()? > now {
            return None;
        }
        let key = self.keys.get(self.closed).copied();
        self.closed += 1;
        key
    }

    /// The closes are spread evenly; the first comes at once.
    fn due_after(&self, position: usize) -> Duration {
        let count = u32::try_from(self.keys.len().max(1)).unwrap_or(u32::MAX);
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        self.plan.spread.saturating_mul(position) / count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_are_spread_evenly_and_the_first_comes_at_once() {
        let key = crate::slab::Slab::new().insert(());
        let plan = DrainPlan::within(Duration::from_secs(10)).spread(Duration::from_secs(4));
        let mut schedule = Schedule::new(plan, Instant::ZERO, vec![key; 4]);
        for second in 0..4 {
            let now = Instant::ZERO + Duration::from_secs(second);
            assert_eq!(schedule.next_close(), Some(now));
            assert!(schedule.due(now).is_some());
            assert!(schedule.due(now).is_none());
        }
        assert_eq!(schedule.next_close(), None);
    }
}
