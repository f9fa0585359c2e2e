//! What one run of a load came to.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::server::Usage;

/// Latencies from a microsecond's thousandth to a minute and more, in nanoseconds, to three digits.
pub(crate) fn new_latency() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000_000, 3).expect("bounds that a histogram can have")
}

/// What one run of a load came to.
#[derive(Debug)]
pub(crate) struct Round {
    /// Messages, deliveries or connections.
    pub(crate) done: u64,
    /// Bytes of payload in them, one way.
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latency: Histogram<u64>,
    /// Messages that were due and had no reply when patience ended.
    pub(crate) unanswered: u64,
    /// Pings of the server that were answered while connections were idle.
    pub(crate) pings: u64,
    /// What it cost the server, if it is known.
    pub(crate) usage: Usage,
}

impl Round {
    pub(crate) fn new() -> Self {
        Self {
            done: 0,
            bytes: 0,
            elapsed: Duration::ZERO,
            latency: new_latency(),
            unanswered: 0,
            pings: 0,
            usage: Usage::default(),
        }
    }

    /// Adds what another process did at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.bytes += other.bytes;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.unanswered += other.unanswered;
        self.pings += other.pings;
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
    }

    /// The round as a line for another process; it may have waited longer than a double can hold.
    pub(crate) fn to_json(&self) -> Value {
        let nanos = u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let latency = self.latency.iter_recorded();
        let latency: Vec<_> =
            latency.map(|step| [step.value_iterated_to(), step.count_at_value()]).collect();
        json!({
            "done": self.done,
            "bytes": self.bytes,
            "elapsed_nanos": nanos,
            "unanswered": self.unanswered,
            "pings": self.pings,
            "server_cpu_nanos": self.usage.cpu_nanos,
            "latency": latency,
        })
    }

    /// Reads such a line.
    pub(crate) fn from_json(line: &Value) -> Option<Self> {
        let number = |name: &str| line[name].as_u64();
        let mut round = Self::new();
        round.done = number("done")?;
        round.bytes = number("bytes")?;
        round.elapsed = Duration::from_nanos(number("elapsed_nanos")?);
        round.unanswered = number("unanswered")?;
        round.pings = number("pings")?;
        round.usage.cpu_nanos = number("server_cpu_nanos")?;
        for step in line["latency"].as_array()? {
            let (value, count) = (step[0].as_u64()?, step[1].as_u64()?);
            round.latency.saturating_record_n(value, count);
        }
        Some(round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_survives_the_way_between_processes() {
        let mut round = Round::new();
        (round.done, round.bytes, round.unanswered) = (3, 60, 1);
        round.elapsed = Duration::from_millis(1500);
        for nanos in [10, 1_000_000, 1_000_000, 59_000_000_000] {
            round.latency.record(nanos).expect("within bounds");
        }
        let line = round.to_json().to_string();
        let mut back =
            Round::from_json(&serde_json::from_str(&line).expect("JSON")).expect("a round");
        assert_eq!((back.done, back.bytes, back.unanswered), (3, 60, 1));
        assert_eq!(back.latency, round.latency);
        back.add(&round);
        assert_eq!((back.done, back.latency.len()), (6, 8));
        assert_eq!(back.elapsed, round.elapsed);
    }
}
