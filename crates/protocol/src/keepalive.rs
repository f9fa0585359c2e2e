//! Pings after silence, and their deadlines (RFC 6455, section 5.5.2).

use core::time::Duration;

use crate::config::Config;
use crate::time::Instant;

/// When something was last heard of the peer, and the ping that it owes an answer to.
#[derive(Debug)]
pub(crate) struct Keepalive {
    heard: Instant,
    state: State,
    /// How many pings were sent, which is the payload of the last one.
    pings: u16,
    /// How early the next ping is sent, as a share of [`EARLY_PART`] of the interval; changes with each
    /// ping. Zero for ever: never early.
    share: u16,
    /// The round-trip time of the last ping in microseconds; `u32::MAX` before the first.
    round_trip_micros: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Something was heard since the last ping.
    Listening,
    /// A ping was sent at this time and its pong has not come.
    Waiting(Instant),
    /// Nothing has been read since this time, so silence proves nothing.
    Suspended(Instant),
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send a ping.
    Ping,
    /// The peer owes a pong for too long.
    Pong,
}

/// The most by which a ping is early is the interval divided by this.
const EARLY_PART: u64 = 16;

/// The next of all numbers but zero, each of which comes once in a round (a linear feedback shift
/// register); zero stays.
const fn step(share: u16) -> u16 {
    let share = share ^ share << 7;
    let share = share ^ share >> 9;
    share ^ share << 8
}

impl Keepalive {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            heard: now,
            state: State::Listening,
            pings: 0,
            share: 0,
            round_trip_micros: u32::MAX,
        }
    }

    /// From now on each ping is sent a little early, differently each time and from any other seed.
    pub(crate) const fn spread(&mut self, seed: u16) {
        self.share = seed;
    }

    /// A sign of life came.
    pub(crate) const fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A pong came; returns whether it is a sign of life. While an answer is awaited only that is,
    /// so that old answers cannot stand for new ones.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> bool {
        let State::Waiting(sent) = self.state else {
            return true;
        };
        if payload != self.payload() {
            return false;
        }
        let micros = now.saturating_duration_since(sent).as_micros();
        self.round_trip_micros = u32::try_from(micros).unwrap_or(u32::MAX - 1);
        self.state = State::Listening;
        true
    }

    /// The payload of the last ping: eight bytes, so that chance answers do not fit.
    pub(crate) fn payload(&self) -> [u8; 8] {
        (0x736F_636B_0000_0000 | u64::from(self.pings)).to_be_bytes()
    }

    /// When something is due.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        let ping_after = config.ping_after?;
        match self.state {
            State::Listening => Some(self.ping_due(ping_after)),
            State::Waiting(sent) => Some(self.heard.max(sent) + config.pong_within),
            State::Suspended(_) => None,
        }
    }

    /// A crowd that came at one moment must not ping at one moment for ever, so the interval is cut by
    /// a share of its own each time. Cut and not stretched: who vanished is found no later for it.
    fn ping_due(&self, ping_after: Duration) -> Instant {
        let interval = u64::try_from(ping_after.as_nanos()).unwrap_or(u64::MAX);
        let early = interval / (EARLY_PART << 16) * u64::from(self.share);
        Instant::from_nanos((self.heard + ping_after).as_nanos() - early)
    }

    /// What is due at `now`.
    pub(crate) fn due(&self, config: &Config, now: Instant) -> Option<Due> {
        if self.deadline(config)? > now {
            return None;
        }
        match self.state {
            State::Listening => Some(Due::Ping),
            State::Waiting(_) => Some(Due::Pong),
            State::Suspended(_) => None,
        }
    }

    /// A ping is being sent; returns its payload.
    pub(crate) fn ping(&mut self, now: Instant) -> [u8; 8] {
        self.pings = self.pings.wrapping_add(1);
        self.share = step(self.share);
        self.state = State::Waiting(now);
        self.payload()
    }

    /// Gives an awaited answer its whole time again: the ping may not have left before now.
    pub(crate) const fn postpone(&mut self, now: Instant) {
        if let State::Waiting(_) = self.state {
            self.heard = now;
        }
    }

    /// Forgets an awaited answer: it may come while nothing is read.
    pub(crate) const fn suspend(&mut self, now: Instant) {
        if !self.is_suspended() {
            self.state = State::Suspended(now);
        }
    }

    /// Whether no answer is awaited, and silence counts.
    #[inline]
    pub(crate) const fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening)
    }

    pub(crate) const fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended(_))
    }

    /// Goes on as if something had just been heard; returns how long nothing was read.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<Duration> {
        let State::Suspended(since) = self.state else {
            return None;
        };
        self.heard = now;
        self.state = State::Listening;
        Some(now.saturating_duration_since(since))
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.round_trip_micros != u32::MAX)
            .then(|| Duration::from_micros(u64::from(self.round_trip_micros)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_early_by_a_sixteenth_at_most_and_never_late() {
        let config = Config::default();
        let interval = config.ping_after.expect("a keepalive");
        for seed in [0, 1, 0x8000, u16::MAX] {
            let mut keepalive = Keepalive::new(Instant::ZERO);
            keepalive.spread(seed);
            let mut earliest = Duration::MAX;
            for _ in 0..1000 {
                let now = keepalive.heard;
                let due = keepalive.deadline(&config).expect("a ping is due");
                let after = due.saturating_duration_since(now);
                assert!(after <= interval && after >= interval * 15 / 16, "{after:?}");
                assert_eq!(keepalive.due(&config, due), Some(Due::Ping));
                earliest = earliest.min(after);
                let payload = keepalive.ping(due);
                assert!(keepalive.pong(&payload, due));
                keepalive.hear(due);
            }
            assert_eq!(earliest == interval, seed == 0, "only without a seed are all on time");
        }
    }

    #[test]
    fn every_share_but_zero_comes_once_in_a_round() {
        let (mut share, mut seen) = (1, vec![false; 1 << 16]);
        for _ in 1..1 << 16 {
            share = step(share);
            assert!(!std::mem::replace(&mut seen[usize::from(share)], true), "{share} came twice");
        }
        assert!(share == 1 && !seen[0]);
        assert_eq!(step(0), 0);
    }
}
