//! When messages are due.

use std::time::Duration;

#[cfg(target_os = "linux")]
use mio::{Interest, unix::SourceFd};
use mio::{Registry, Token};

/// Messages that are due one after the other at the same distance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    per_second: f64,
}

impl Pace {
    pub(crate) const fn new(per_second: f64) -> Self {
        Self { per_second }
    }

    /// When message `number` is due, in nanoseconds from the beginning.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    pub(crate) fn due(self, number: u64) -> u64 {
        (number as f64 * 1e9 / self.per_second) as u64
    }

    /// How many messages are due within `duration`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn count_within(self, duration: Duration) -> u64 {
        (duration.as_secs_f64() * self.per_second).ceil() as u64
    }

    /// How long to sleep at most before the next look at what is due.
    fn interval(self) -> Duration {
        // More often than this costs the load more than it makes its times truer.
        Duration::from_secs_f64((1.0 / self.per_second).clamp(50e-6, 0.1))
    }
}

/// Wakes the loop at the distance of a pace. The loop's own timeout would be up to a millisecond late.
#[derive(Debug)]
pub(crate) struct Pacer {
    #[cfg(target_os = "linux")]
    timer: std::os::fd::OwnedFd,
    interval: Duration,
}

#[cfg(target_os = "linux")]
impl Pacer {
    pub(crate) fn start(pace: Pace) -> std::io::Result<Self> {
        use rustix::time::{
            Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
            timerfd_settime,
        };
        let interval = pace.interval();
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let every = Timespec::try_from(interval).map_err(std::io::Error::other)?;
        let times = Itimerspec { it_interval: every, it_value: every };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(Self { timer, interval })
    }

    /// Lets the timer wake the loop of `registry`.
    pub(crate) fn register(&self, registry: &Registry, token: Token) -> std::io::Result<()> {
        use std::os::fd::AsRawFd;
        registry.register(&mut SourceFd(&self.timer.as_raw_fd()), token, Interest::READABLE)
    }

    /// How long the loop may sleep: the timer wakes it before.
    pub(crate) fn timeout(&self) -> Duration {
        self.interval.max(Duration::from_millis(100))
    }

    /// Lets the timer go on when it has woken the loop.
    pub(crate) fn rearm(&self) {
        // What is read is how often it has expired, and what is due is known from the clock.
        let _ = rustix::io::read(&self.timer, &mut [0; 8]);
    }
}

/// Elsewhere the loop's timeout has to do.
#[cfg(not(target_os = "linux"))]
impl Pacer {
    pub(crate) fn start(pace: Pace) -> std::io::Result<Self> {
        Ok(Self { interval: pace.interval() })
    }

    /// Nothing to do.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps)]
    pub(crate) fn register(&self, _: &Registry, _: Token) -> std::io::Result<()> {
        Ok(())
    }

    /// How long the loop may sleep.
    pub(crate) const fn timeout(&self) -> Duration {
        self.interval
    }

    /// Nothing to do.
    pub(crate) const fn rearm(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_equal_distances() {
        let pace = Pace::new(4.0);
        assert_eq!(
            [0, 1, 2, 40].map(|number| pace.due(number)),
            [0, 250_000_000, 500_000_000, 10_000_000_000]
        );
        assert_eq!(pace.count_within(Duration::from_secs(3)), 12);
        assert_eq!(Pace::new(0.5).count_within(Duration::from_secs(3)), 2);
    }
}
