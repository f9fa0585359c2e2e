//! How many control frames the peer may send: RFC 6455 sets no bound, and each of them costs an
//! event and perhaps an answer, without carrying anything.

use core::time::Duration;

use crate::config::Config;
use crate::time::Instant;

/// The generic cell rate algorithm: a point in time instead of a count and the time of its last
/// change. Every frame moves the point by what a frame costs, and time catches up with it; how far
/// the point may be ahead is the burst. So it does not matter in how many reads the frames come,
/// nor whether time goes on between them.
#[derive(Debug)]
pub(crate) struct ControlRate {
    /// When the peer has its whole burst again.
    whole_again: Instant,
    /// Frames that are no doing of the peer's: see [`owe`](Self::owe) and [`rest`](Self::rest).
    owed: u32,
}

impl ControlRate {
    pub(crate) const fn new() -> Self {
        Self { whole_again: Instant::ZERO, owed: 0 }
    }

    /// We have sent a ping: one pong more than the rest allows.
    pub(crate) const fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1);
    }

    /// Nothing was read for so long: what the peer was allowed to send meanwhile comes at once.
    pub(crate) fn rest(&mut self, time: Duration, config: &Config) {
        let frames = time.as_nanos() / u128::from(nanos_per_frame(config).max(1));
        self.owed = self.owed.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
    }

    /// A pong came; returns whether it is allowed. If it can be an answer of ours, it is that.
    pub(crate) fn pong(&mut self, config: &Config, now: Instant) -> bool {
        self.take_owed() || self.take(config, now)
    }

    /// A ping came; returns whether it is allowed.
    pub(crate) fn ping(&mut self, config: &Config, now: Instant) -> bool {
        self.take(config, now) || self.take_owed()
    }

    const fn take_owed(&mut self) -> bool {
        let is_owed = self.owed > 0;
        self.owed = self.owed.saturating_sub(1);
        is_owed
    }

    fn take(&mut self, config: &Config, now: Instant) -> bool {
        let frame = nanos_per_frame(config);
        let burst = frame * u64::from(config.control_burst_max);
        let whole_again = self.whole_again.max(now) + Duration::from_nanos(frame);
        let is_allowed = whole_again.saturating_duration_since(now) <= Duration::from_nanos(burst);
        if is_allowed {
            self.whole_again = whole_again;
        }
        is_allowed
    }
}

/// What a frame costs of the peer's time.
fn nanos_per_frame(config: &Config) -> u64 {
    1_000_000_000 / u64::from(config.control_rate_max.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rate: u32, burst: u32) -> Config {
        let mut config = Config::default();
        (config.control_rate_max, config.control_burst_max) = (rate, burst);
        config
    }

    /// How many of `frames` pings are taken at `now`.
    fn taken(rate: &mut ControlRate, config: &Config, frames: usize, now: Instant) -> usize {
        (0..frames).filter(|_| rate.ping(config, now)).count()
    }

    #[test]
    fn ctl_10_a_burst_passes_at_once_and_time_brings_it_back() {
        for start in [Instant::ZERO, Instant::ZERO + Duration::from_secs(1000)] {
            let (config, mut rate) = (config(100, 200), ControlRate::new());
            assert_eq!(taken(&mut rate, &config, 1000, start), 200);
            // A frame for every ten milliseconds, and what is not used is kept up to a burst.
            assert_eq!(taken(&mut rate, &config, 10, start + Duration::from_millis(9)), 0);
            assert_eq!(taken(&mut rate, &config, 10, start + Duration::from_millis(10)), 1);
            assert_eq!(taken(&mut rate, &config, 99, start + Duration::from_millis(510)), 50);
            assert_eq!(taken(&mut rate, &config, 1000, start + Duration::from_secs(3600)), 200);
        }
    }

    /// An oracle that counts frames in fractions of a billionth, over a clock that jumps.
    #[test]
    fn ctl_10_the_rate_is_that_of_a_bucket_that_fills() {
        let (config, mut rate) = (config(100, 20), ControlRate::new());
        let (mut now, mut tokens, mut random) = (0_u64, 20 * 10_000_000_u64, 1_u64);
        for _ in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let passed = (random >> 40) % 20_000_000;
            now += passed;
            tokens = (tokens + passed).min(20 * 10_000_000);
            let expected = tokens >= 10_000_000;
            tokens -= if expected { 10_000_000 } else { 0 };
            assert_eq!(rate.ping(&config, Instant::from_nanos(now)), expected);
        }
    }

    #[test]
    fn ctl_10_what_we_asked_for_and_what_we_did_not_read_is_not_counted() {
        let (config, mut rate) = (config(10, 5), ControlRate::new());
        let now = Instant::ZERO;
        for _ in 0..100 {
            rate.owe();
        }
        assert_eq!((0..1000).filter(|_| rate.pong(&config, now)).count(), 100 + 5);
        // Three seconds unread are thirty frames more.
        rate.rest(Duration::from_secs(3), &config);
        assert_eq!(taken(&mut rate, &config, 1000, now), 30);
        assert!(!rate.pong(&config, now));
    }

    #[test]
    fn ctl_10_the_extremes_of_both_limits() {
        let now = Instant::ZERO + Duration::from_secs(1);
        let at = |per_second, burst| {
            taken(&mut ControlRate::new(), &config(per_second, burst), 500, now)
        };
        assert_eq!((at(u32::MAX, 1), at(1, u32::MAX), at(u32::MAX, u32::MAX)), (500, 500, 500));
        assert_eq!((at(0, 3), at(0, 0), at(100, 0), at(u32::MAX, 0)), (3, 0, 0, 500));
        let (slow, mut rate) = (config(0, 1), ControlRate::new());
        rate.rest(Duration::MAX, &slow);
        rate.owe();
        assert_eq!((rate.owed, taken(&mut rate, &slow, 500, now)), (u32::MAX, 500));
    }
}
