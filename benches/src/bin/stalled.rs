//! What one member of a broadcast who never reads costs the others: their latency with it and without
//! it, in turn, on real sockets, with the server's memory and what it closed.
//!
//! Needs `target/release/sockeye` (`cargo build --release -p sockeye-cli`). Two servers and their loads
//! are up all the time, one with the one who never reads, and have short phases in turn, so that
//! whatever else the machine does meets both. First the one is there and its queue fills, then its
//! policy closes it, and then nobody is left who does not read: the phases behind that show how far
//! two equal servers are apart. Each figure is the median of the pairs' ratios with its 95 %
//! interval.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use clap::Parser;
use serde_json::Value;
use sockeye_benches::compare::Estimate;
use sockeye_benches::served::Served;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many read
    #[arg(long, short, default_value_t = 10_000)]
    connections: usize,
    /// Messages of a phase
    #[arg(long, short = 'n', default_value_t = 20)]
    count: usize,
    /// Bytes of a message
    #[arg(long, short, default_value_t = 2048)]
    size: usize,
    /// Messages under way at a time
    #[arg(long, short, default_value_t = 1)]
    window: usize,
    /// Pairs of phases, of which the first is not counted
    #[arg(long, default_value_t = 40)]
    pairs: usize,
    /// The program
    #[arg(long, default_value = "target/release/sockeye")]
    sockeye: PathBuf,
}

/// A server with its load, which waits for a line to do a phase.
struct Side {
    server: Served,
    load: Child,
    lines: Lines<BufReader<ChildStdout>>,
    memory_before: f64,
}

/// What one phase came to.
struct Phase {
    p50_nanos: f64,
    p99_nanos: f64,
    /// What the server has more in memory than before the first.
    memory_bytes: f64,
    /// Connections that have ended.
    closed: u64,
}

impl Side {
    fn start(arguments: &Arguments, stalled: usize) -> Result<Self, String> {
        let server = Served::start(&arguments.sockeye, 1)?;
        let mut load = Command::new(&arguments.sockeye)
            .args(["bench", "broadcast", &server.url("/broadcast"), "--steps", "--patience=60"])
            .arg(format!("--connections={}", arguments.connections))
            .arg(format!("--count={}", arguments.count))
            .arg(format!("--size={}", arguments.size))
            .arg(format!("--window={}", arguments.window))
            .arg(format!("--stalled={stalled}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // When all is measured it finds the connection closed that was to be.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", arguments.sockeye.display()))?;
        let lines = BufReader::new(load.stdout.take().expect("it was piped")).lines();
        let mut side = Self { server, load, lines, memory_before: 0.0 };
        // It says that it is ready.
        side.line()?;
        side.memory_before = memory(side.server.id());
        Ok(side)
    }

    fn line(&mut self) -> Result<String, String> {
        self.lines.next().and_then(Result::ok).ok_or_else(|| "the load has ended".to_owned())
    }

    fn phase(&mut self) -> Result<Phase, String> {
        let stdin = self.load.stdin.as_mut().expect("it was piped");
        stdin.write_all(b"\n").map_err(|error| error.to_string())?;
        let round: Value =
            serde_json::from_str(&self.line()?).map_err(|error| error.to_string())?;
        let latency = &round["latency"];
        Ok(Phase {
            p50_nanos: percentile(latency, 0.5).ok_or("no latency")?,
            p99_nanos: percentile(latency, 0.99).ok_or("no latency")?,
            memory_bytes: memory(self.server.id()) - self.memory_before,
            closed: self.server.figure("closed_total").ok_or("no figures")?,
        })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It would read what was to stay unread before it ends.
        let _ = self.load.kill();
        let _ = self.load.wait();
    }
}

/// The latency below which a share of the steps of a histogram lies.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 messages and nanoseconds")]
fn percentile(steps: &Value, share: f64) -> Option<f64> {
    let steps: Vec<(f64, f64)> = steps
        .as_array()?
        .iter()
        .filter_map(|step| Some((step[0].as_u64()? as f64, step[1].as_u64()? as f64)))
        .collect();
    let wanted = steps.iter().map(|(_, count)| count).sum::<f64>() * share;
    let mut seen = 0.0;
    steps.iter().find_map(|(nanos, count)| {
        seen += count;
        (seen >= wanted).then_some(*nanos)
    })
}

/// Bytes of a process that are in memory.
fn memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1024.0
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    let (mut alone, mut beside) = (Side::start(arguments, 0)?, Side::start(arguments, 1)?);
    let (mut waiting, mut behind) = (Vec::new(), Vec::new());
    // Joining closes nobody, and the looks at the figures come to both alike.
    println!("| pair | p50 without | with | p99 without | with | memory without | with | closed |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut was_closed = false;
    // The ratio of the pair before this one, in the other order.
    let mut other_order = None;
    for pair in 0..=arguments.pairs {
        // Who comes first has an advantage, so each does in turn.
        let (without, with) = if pair % 2 == 0 {
            let without = alone.phase()?;
            (without, beside.phase()?)
        } else {
            let with = beside.phase()?;
            (alone.phase()?, with)
        };
        let closed = with.closed.saturating_sub(without.closed);
        let millis = |nanos: f64| nanos / 1e6;
        let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
        println!(
            "| {pair} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.1} MiB | {:.1} MiB | {closed} |",
            millis(without.p50_nanos),
            millis(with.p50_nanos),
            millis(without.p99_nanos),
            millis(with.p99_nanos),
            mebibytes(without.memory_bytes),
            mebibytes(with.memory_bytes),
        );
        // In the first both servers fetch the memory that they keep.
        if pair > 0 {
            let ratio = with.p99_nanos / without.p99_nanos;
            match other_order.take() {
                Some(other) => {
                    let ratios = if was_closed { &mut behind } else { &mut waiting };
                    ratios.push(f64::sqrt(ratio * other));
                    was_closed |= closed > 0;
                }
                None => other_order = Some(ratio),
            }
        }
    }
    say("with one who never reads, until it is closed", &waiting);
    say("behind that, with equal members", &behind);
    Ok(())
}

fn say(what: &str, ratios: &[f64]) {
    if ratios.is_empty() {
        return println!("\np99 {what}: no two pairs");
    }
    let ratio = Estimate::of(ratios);
    println!(
        "\np99 {what}: {:.3} ({:.3} to {:.3}) of that without, {} times two pairs",
        ratio.median,
        ratio.low,
        ratio.high,
        ratios.len()
    );
}
