//! What the user gets to read.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::arguments::Scenario;

use super::progress::share;
use super::round::Round;
use super::server::{Memory, Server};

/// The percentiles that are told.
pub(crate) const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// A run of a load, with what it was.
#[derive(Debug)]
pub(crate) struct Report<'r> {
    pub(crate) scenario: &'r Scenario,
    pub(crate) round: Round,
    pub(crate) processes: usize,
    pub(crate) server: &'r Server,
    /// What the server held before the connections were opened, and at the end.
    pub(crate) memory: Option<(Memory, Memory)>,
}

impl Report<'_> {
    /// What is counted, one of it and many.
    const fn unit(&self) -> (&'static str, &'static str) {
        match self.scenario {
            Scenario::Echo(_) => ("message", "messages"),
            Scenario::Broadcast(_) => ("delivery", "deliveries"),
            Scenario::Idle(_) | Scenario::Connect(_) => ("connection", "connections"),
        }
    }

    /// What was asked for.
    pub(crate) fn title(&self) -> String {
        let common = self.scenario.common();
        let shape = |shape: &crate::arguments::Shape, window: usize| {
            let kind = match shape.kind {
                crate::arguments::Kind::Text => "text",
                crate::arguments::Kind::MultiByte => "multi-byte text",
                crate::arguments::Kind::Binary => "binary",
            };
            format!("window {window}, {kind} of {} bytes", shape.size)
        };
        let (name, more) = match self.scenario {
            Scenario::Echo(options) => {
                let rate =
                    options.rate.map_or_else(String::new, |rate| format!(", {rate} a second"));
                ("echo", format!(", {}{rate}", shape(&options.shape, options.window.get())))
            }
            Scenario::Broadcast(options) => {
                let stalled = match options.stalled {
                    0 => String::new(),
                    count => format!(", {count} more that never read"),
                };
                ("broadcast", format!(", {}{stalled}", shape(&options.shape, options.window.get())))
            }
            Scenario::Idle(_) => ("idle", String::new()),
            Scenario::Connect(options) => ("connect", format!(", {} at a time", options.window)),
        };
        let processes = match self.processes {
            0 | 1 => String::new(),
            count => format!(", over {count} processes"),
        };
        let connections = common.connections;
        format!("{name} {}: {connections} connections{more}{processes}", common.urls.join(" "))
    }

    /// The server's time for one of what is counted; of idle connections, for each and second.
    fn cpu_nanos_each(&self) -> Option<f64> {
        if !self.server.is_known() || self.round.done == 0 {
            return None;
        }
        let each = share(self.round.usage.cpu_nanos, self.round.done);
        match self.scenario {
            Scenario::Idle(_) => Some(each / self.round.elapsed.as_secs_f64()),
            _ => Some(each),
        }
    }

    #[expect(clippy::cast_precision_loss)]
    fn memory_each(&self) -> Option<f64> {
        // Connections that were opened one after the other are not held together.
        let (before, after) =
            self.memory.filter(|_| !matches!(self.scenario, Scenario::Connect(_)))?;
        let growth = after.proportional_bytes as f64 - before.proportional_bytes as f64;
        Some(growth / self.scenario.common().connections.get() as f64)
    }

    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let (one, many) = self.unit();
        let (round, seconds) = (&self.round, self.round.elapsed.as_secs_f64());
        let mut text = format!("{}\n", self.title());
        if matches!(self.scenario, Scenario::Idle(_)) {
            let _ = writeln!(
                text,
                "  held      {} connections for {seconds:.2} s, and answered {} pings",
                round.done, round.pings
            );
        } else {
            let per_second = share(round.done, 1) / seconds;
            let _ = write!(text, "  rate      {per_second:.0} {many}/s");
            if round.bytes > 0 {
                let megabytes = share(round.bytes, 1_000_000) / seconds;
                let _ = write!(text, ", {megabytes:.1} MB/s of payload");
            }
            let _ = writeln!(text, " ({} in {seconds:.2} s)", round.done);
        }
        if !round.latency.is_empty() {
            text.push_str("  latency  ");
            for percentile in PERCENTILES {
                let nanos = round.latency.value_at_percentile(percentile);
                let _ = write!(text, " p{percentile} {}", duration(nanos));
            }
            let _ = writeln!(text, " max {}", duration(round.latency.max()));
        }
        if round.unanswered > 0 {
            let _ = writeln!(
                text,
                "  late      {} messages were due and had no reply at the end; they are in the latency \
                 with the time that they had waited",
                round.unanswered
            );
        }
        if let Some(each) = self.cpu_nanos_each() {
            let busy = 100.0 * share(round.usage.cpu_nanos, 1_000_000_000) / seconds;
            let per = if matches!(self.scenario, Scenario::Idle(_)) { "second and " } else { "" };
            let _ = writeln!(
                text,
                "  server    {:.3} µs of processor time per {per}{one}, {busy:.0} % of a processor",
                each / 1000.0
            );
            self.calls(&mut text);
        }
        if let Some((_, after)) = self.memory {
            let mebibytes = |bytes| share(bytes, 1 << 20);
            let _ = write!(
                text,
                "  memory    {:.1} MiB resident, {:.1} MiB proportional",
                mebibytes(after.resident_bytes),
                mebibytes(after.proportional_bytes)
            );
            if let Some(each) = self.memory_each() {
                let _ = write!(text, "; {each:.0} bytes more per connection");
            }
            text.push('\n');
        }
        text
    }

    fn calls(&self, text: &mut String) {
        let (usage, done) = (&self.round.usage, self.round.done);
        let _ = write!(text, "  calls     {:.3} sleeps", share(usage.sleeps, done));
        if usage.reads + usage.writes > 0 {
            let (reads, writes) = (share(usage.reads, done), share(usage.writes, done));
            let _ = write!(text, ", {reads:.3} read(2) and {writes:.3} write(2)");
        }
        let (one, _) = self.unit();
        let _ = writeln!(text, " per {one}; the kernel does not count recv(2) and send(2)");
    }

    /// The report for programs.
    pub(crate) fn json(&self) -> Value {
        let (round, common) = (&self.round, self.scenario.common());
        let seconds = round.elapsed.as_secs_f64();
        let mut latency = serde_json::Map::new();
        if !round.latency.is_empty() {
            for percentile in PERCENTILES {
                let nanos = round.latency.value_at_percentile(percentile);
                latency.insert(format!("p{percentile}"), nanos.into());
            }
            latency.insert("max".to_owned(), round.latency.max().into());
            latency.insert("mean".to_owned(), round.latency.mean().into());
        }
        let memory = self.memory.map(|(before, after)| {
            json!({
                "resident_before": before.resident_bytes,
                "resident": after.resident_bytes,
                "proportional_before": before.proportional_bytes,
                "proportional": after.proportional_bytes,
                "per_connection": self.memory_each(),
            })
        });
        let usage = &round.usage;
        let server = self.server.is_known().then(|| {
            json!({
                "cpu": usage.cpu_nanos,
                "cpu_each": self.cpu_nanos_each(),
                "sleeps": usage.sleeps,
                "reads": usage.reads,
                "writes": usage.writes,
                "memory": memory,
            })
        });
        let (_, many) = self.unit();
        json!({
            "title": self.title(),
            "urls": common.urls,
            "connections": common.connections.get(),
            "processes": self.processes,
            "counted": many,
            "done": round.done,
            "unanswered": round.unanswered,
            "pings": round.pings,
            "payload": round.bytes,
            "elapsed": u64::try_from(round.elapsed.as_nanos()).unwrap_or(u64::MAX),
            "per_second": share(round.done, 1) / seconds,
            "payload_per_second": share(round.bytes, 1) / seconds,
            "latency": latency,
            "server": server,
        })
    }
}

/// Nanoseconds in the unit that suits them.
pub(crate) fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.0} µs", share(nanos, 1000)),
        1_000_000..1_000_000_000 => format!("{:.2} ms", share(nanos, 1_000_000)),
        _ => format!("{:.2} s", share(nanos, 1_000_000_000)),
    }
}
