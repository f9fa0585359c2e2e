//! What one member of a broadcast who never reads costs the others: their latency with it and without
//! it, in turn, on real sockets, with the server's memory and what it closed.
//!
//! Needs `target/release/sockeye` (`cargo build --release -p sockeye-cli`). Each round is two servers,
//! one after the other; the figure is the median of the rounds' ratios with its 95 % interval.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use serde_json::Value;
use sockeye_benches::compare::Estimate;
use sockeye_benches::served::Served;

#[derive(Debug, Parser)]
struct Arguments {
    /// How many read
    #[arg(long, short, default_value_t = 10_000)]
    connections: usize,
    /// Messages of a round: more than the system's buffers and an outbox take, or no policy fires
    #[arg(long, short = 'n', default_value_t = 1200)]
    count: usize,
    /// Bytes of a message
    #[arg(long, short, default_value_t = 2048)]
    size: usize,
    /// Messages under way at a time
    #[arg(long, short, default_value_t = 1)]
    window: usize,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The program
    #[arg(long, default_value = "target/release/sockeye")]
    sockeye: PathBuf,
}

/// What one load came to.
struct Outcome {
    p50_nanos: f64,
    p99_nanos: f64,
    memory_bytes: f64,
    /// Connections that ended before the load closed its own.
    closed: u64,
}

fn run(arguments: &Arguments, stalled: usize) -> Result<Outcome, String> {
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
    let mut lines = BufReader::new(load.stdout.take().expect("it was piped")).lines();
    let mut line = || lines.next().and_then(Result::ok).ok_or("the load has ended");
    // It says that it is ready, and waits for a line.
    line()?;
    let before = memory(server.id());
    let stdin = load.stdin.as_mut().expect("it was piped");
    stdin.write_all(b"\n").map_err(|error| error.to_string())?;
    let round: Value = serde_json::from_str(&line()?).map_err(|error| error.to_string())?;
    let after = memory(server.id());
    let closed = server.figure("closed_total").ok_or("no figures")?;
    // It would read what was to stay unread before it ends.
    let _ = load.kill();
    let _ = load.wait();
    let latency = &round["latency"];
    Ok(Outcome {
        p50_nanos: percentile(latency, 0.5).ok_or("no latency")?,
        p99_nanos: percentile(latency, 0.99).ok_or("no latency")?,
        memory_bytes: after - before,
        closed,
    })
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
    let (mut with, mut without) = (Vec::new(), Vec::new());
    println!(
        "| round | p50 without | with | p99 without | with | memory without | with | closed |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for round in 0..arguments.rounds {
        // Who comes first has an advantage or none; each does in turn.
        let first = run(arguments, round % 2)?;
        let second = run(arguments, 1 - round % 2)?;
        let (alone, beside) = if round % 2 == 0 { (first, second) } else { (second, first) };
        let millis = |nanos: f64| nanos / 1e6;
        let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
        println!(
            "| {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms | {:.1} MiB | {:.1} MiB | {} |",
            round + 1,
            millis(alone.p50_nanos),
            millis(beside.p50_nanos),
            millis(alone.p99_nanos),
            millis(beside.p99_nanos),
            mebibytes(alone.memory_bytes),
            mebibytes(beside.memory_bytes),
            beside.closed - alone.closed.min(beside.closed),
        );
        without.push(alone.p99_nanos);
        with.push(beside.p99_nanos);
    }
    let ratio = Estimate::of_ratios(&with, &without);
    println!(
        "\np99 with one who never reads: {:.3} ({:.3} to {:.3}) of that without",
        ratio.median, ratio.low, ratio.high
    );
    Ok(())
}
