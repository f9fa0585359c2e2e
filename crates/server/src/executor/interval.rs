//! A beat.

use std::time::Duration;

use sockeye_protocol::Instant;
use std::sync::Arc;

use super::local::Local;
use super::remote::Remote;
use super::sleep::Sleep;

/// Beats at once, and then every `period`. A beat that comes late is not made up for: the next is a period after it.
///
/// # Panics
/// When it is called outside of a loop, as [`sleep`](crate::sleep), or when `period` is zero.
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period");
    let local = Local::current().expect("sockeye::interval is for tasks of a sockeye loop");
    let remote = Arc::clone(local.remote());
    Interval { next: remote.clock().now(), remote, period }
}

/// See [`interval`].
#[derive(Debug)]
pub struct Interval {
    remote: Arc<Remote>,
    next: Instant,
    period: Duration,
}

impl Interval {
    /// Waits for the next beat. Dropping the future skips none.
    pub async fn tick(&mut self) {
        Sleep::until(&self.remote, self.next).await;
        let now = self.remote.clock().now();
        let kept = self.next + self.period;
        self.next = if kept > now { kept } else { now + self.period };
    }
}
