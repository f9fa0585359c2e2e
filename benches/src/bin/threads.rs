//! What a second reactor thread gives: the same load on servers with one thread and with two, in turn,
//! and how much of the processors the server and the load took each.
//!
//! Needs `target/release/sockeye` (`cargo build --release -p sockeye-cli`). Where the load has no
//! processor of its own, it holds two threads back; so the figure that holds elsewhere is the server's
//! processor time per message. Two threads that need as much of it as one serve twice as many messages
//! where there are processors for them.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use serde_json::Value;
use sockeye_benches::compare::{Estimate, median};
use sockeye_benches::served::Served;

#[derive(Debug, Parser)]
struct Arguments {
    /// Connections
    #[arg(long, short, default_value_t = 100)]
    connections: usize,
    /// Messages under way on each
    #[arg(long, short, default_value_t = 32)]
    window: usize,
    /// Bytes of a message
    #[arg(long, short, default_value_t = 20)]
    size: usize,
    /// Seconds of a load
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Rounds: each is a load on one thread and one on two
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// The program
    #[arg(long, default_value = "target/release/sockeye")]
    sockeye: PathBuf,
}

/// What one load came to.
struct Outcome {
    messages_per_second: f64,
    /// The server's processor time for each message.
    nanos_each: f64,
    /// How much of a processor the server took, and the load.
    server_share: f64,
    load_share: f64,
}

fn run(arguments: &Arguments, threads: usize) -> Result<Outcome, String> {
    let server = Served::start(&arguments.sockeye, threads)?;
    let mut load = Command::new(&arguments.sockeye)
        .args(["bench", "echo", &server.url("/echo"), "--json"])
        .arg(format!("--connections={}", arguments.connections))
        .arg(format!("--window={}", arguments.window))
        .arg(format!("--size={}", arguments.size))
        .arg(format!("--duration={}", arguments.seconds))
        .arg(format!("--server-pid={}", server.id()))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", arguments.sockeye.display()))?;
    let mut line = String::new();
    let _ = BufReader::new(load.stdout.take().expect("it was piped")).read_line(&mut line);
    // It has one thread, and opening its connections took little beside the messages.
    let load_nanos = std::fs::read_to_string(format!("/proc/{}/schedstat", load.id()));
    load.wait().map_err(|error| error.to_string())?;
    let round: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
    let figure =
        |value: &Value| value.as_f64().ok_or_else(|| format!("a figure is missing: {line}"));
    let elapsed_nanos = figure(&round["elapsed"])?;
    let load_nanos = load_nanos.ok().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    Ok(Outcome {
        messages_per_second: figure(&round["per_second"])?,
        nanos_each: figure(&round["server"]["cpu"])? / figure(&round["done"])?,
        server_share: figure(&round["server"]["cpu"])? / elapsed_nanos,
        load_share: load_nanos.ok_or("the kernel does not tell the load's time")? / elapsed_nanos,
    })
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
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        // Who comes first changes.
        for threads in [1 + round % 2, 2 - round % 2] {
            let outcome = run(arguments, threads)?;
            if threads == 1 { one.push(outcome) } else { two.push(outcome) }
        }
    }
    println!(
        "| threads | messages/s | server's ns per message | server, processors | load, processors |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    let messages = |outcome: &Outcome| outcome.messages_per_second;
    let nanos = |outcome: &Outcome| outcome.nanos_each;
    for (threads, outcomes) in [(1, &one), (2, &two)] {
        println!(
            "| {threads} | {:.0} | {:.0} | {:.2} | {:.2} |",
            median(&column(outcomes, messages)),
            median(&column(outcomes, nanos)),
            median(&column(outcomes, |outcome| outcome.server_share)),
            median(&column(outcomes, |outcome| outcome.load_share)),
        );
    }
    let rate = Estimate::of_ratios(&column(&two, messages), &column(&one, messages));
    let cost = Estimate::of_ratios(&column(&two, nanos), &column(&one, nanos));
    println!(
        "\nmessages per second with two: {:.2} ({:.2} to {:.2}) of one's; a message's processor time: \
         {:.2} ({:.2} to {:.2}) of one's, so {:.2} times as many where the load takes nothing from them",
        rate.median,
        rate.low,
        rate.high,
        cost.median,
        cost.low,
        cost.high,
        2.0 / cost.median,
    );
    Ok(())
}

/// One figure of all outcomes.
fn column(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
    outcomes.iter().map(of).collect()
}
