//! Measures Sockeye beside raw TCP and beside other servers, and writes what came of it into docs/performance.md.
//!
//! Builds `sockeye` and `sockeye-peers` first, in release mode. Every server is a process of its own on one processor,
//! and the load, which is `sockeye bench`, on the other; all servers of an experiment are up at the same time and take
//! turns, round by round, and start afresh after every five. A figure is the median of the rounds' ratios to the raw server, with its 95 % bootstrap
//! interval. What was measured is kept in `target/compare.json`, so that experiments can be measured again one by one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::SystemTime;
use std::{env, fs};

use clap::Parser;
use sockeye_benches::compare::{
    ASKED_FOR, EXPERIMENTS, Experiment, KINDS, Kind, Million, Plan, Programs, Results, all, crates,
    crowd, crowd_section, file_of, measure, newest, plot, section, verdict,
};
use sockeye_benches::report::{Setting, replace_between};

/// Servers measured beside each other.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of each server
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Five rounds: for orientation, not for figures that are quoted
    #[arg(long)]
    quick: bool,
    /// Only experiments whose name contains this, such as 100:32 or broadcast; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// Only these servers beside the raw one; may be given several times
    #[arg(long)]
    peer: Vec<String>,
    /// Leave docs/performance.md as it is
    #[arg(long)]
    no_docs: bool,
    /// Measure nothing, only write what was measured before
    #[arg(long)]
    no_measuring: bool,
    /// Use the programs as they are
    #[arg(long)]
    no_build: bool,
    /// Let the system choose processors
    #[arg(long)]
    no_pin: bool,
    /// The congestion control of every socket; by default one that every Linux has and that does not pace by timers
    #[arg(long, value_name = "NAME")]
    #[cfg_attr(target_os = "linux", arg(default_value = "reno"))]
    congestion: Option<String>,
    /// Instead of all that, open a million idle connections, or so many
    #[arg(long, value_name = "CONNECTIONS", num_args = 0..=1, default_missing_value = "1000000")]
    million: Option<usize>,
    /// How many seconds they stay; as many as the interval of pings, and each gets one
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// After how many seconds of silence each gets a ping: about as long as opening a million takes;
    /// the server's own default is 20
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    ping_after: u64,
    /// List the experiments
    #[arg(long)]
    list: bool,
}

/// Memory does not vary as time does.
const IDLE_ROUNDS_MAX: usize = 3;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let chosen = |experiment: &&Experiment| {
        let name = experiment.name();
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part))
    };
    let experiments: Vec<_> = EXPERIMENTS.iter().filter(chosen).collect();
    if arguments.list {
        experiments.iter().for_each(|experiment| println!("{}", experiment.name()));
        return Ok(());
    }
    if experiments.is_empty() {
        return Err("--only names no experiment; --list lists them".to_owned());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.parent().expect("a program lies in a folder");
    let file = folder.parent().unwrap_or(folder).join("compare.json");
    if let Some(connections) = arguments.million {
        return run_million(arguments, connections, root, folder);
    }
    let mut results = Results::read(&file)?;
    if !arguments.no_measuring {
        if !arguments.no_build {
            build(root)?;
        }
        measure_all(arguments, &experiments, folder, &mut results, &file)?;
    }
    if arguments.no_docs { Ok(()) } else { write_docs(root, &results) }
}

fn run_million(
    arguments: &Arguments,
    connections: usize,
    root: &Path,
    folder: &Path,
) -> Result<(), String> {
    if !arguments.no_build {
        build(root)?;
    }
    let Arguments { seconds, ping_after: interval, .. } = *arguments;
    let million = Million { connections, seconds, interval };
    let all = crowd(&programs(arguments, folder), &million)?;
    let setting = Setting::read_with(root, SystemTime::now(), ["mio"].into_iter());
    let section = crowd_section(&million, &all, arguments.congestion.as_deref(), &setting);
    print!("{section}");
    if arguments.no_docs { Ok(()) } else { replace_section(root, "million", &section) }
}

fn programs<'a>(arguments: &'a Arguments, folder: &'a Path) -> Programs<'a> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let pin = !arguments.no_pin && processors > 1;
    Programs { folder, pin, congestion: arguments.congestion.as_deref() }
}

/// The two programs, beside this one.
fn build(root: &Path) -> Result<(), String> {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command.current_dir(root).args([
        "build",
        "--release",
        "-p",
        "sockeye-cli",
        "-p",
        "sockeye-peers",
    ]);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the servers do not build".to_owned()),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

fn measure_all(
    arguments: &Arguments,
    experiments: &[&Experiment],
    folder: &Path,
    results: &mut Results,
    file: &Path,
) -> Result<(), String> {
    let is_chosen = |name: &str| {
        arguments.peer.is_empty() || name == "raw" || arguments.peer.iter().any(|one| one == name)
    };
    let mut peers: Vec<_> = all().filter(|peer| is_chosen(peer.name)).collect();
    peers.extend(ASKED_FOR.iter().filter(|peer| arguments.peer.iter().any(|one| one == peer.name)));
    let rounds = if arguments.quick { 5 } else { arguments.rounds };
    for experiment in experiments {
        let name = experiment.name();
        let is_idle = experiment.kind == Kind::Idle;
        let rounds = if is_idle { rounds.min(IDLE_ROUNDS_MAX) } else { rounds };
        let plan = Plan { programs: programs(arguments, folder), rounds };
        let outcome =
            measure(&plan, experiment, &peers, |round| eprint!("\r{name}: round {round}"))?;
        eprint!("\r\x1b[K");
        let unit = if is_idle { "bytes" } else { "ns" };
        println!("{name}");
        for peer in &peers {
            let Some(median) = outcome.median(peer.name) else { continue };
            let ratio = outcome.ratio(peer.name, None);
            let ratio = ratio.map_or_else(String::new, |ratio| {
                format!("{:8.3}  {:.3}–{:.3}", ratio.median, ratio.low, ratio.high)
            });
            println!("  {:20} {median:10.0} {unit} {ratio}", peer.label);
        }
        print!("{}", verdict(experiment, &outcome));
        results.experiments.insert(name, outcome);
        // After each, so that an interrupted run has not been for nothing.
        results.write(file)?;
    }
    Ok(())
}

fn write_docs(root: &Path, results: &Results) -> Result<(), String> {
    let setting = Setting::read_with(root, newest(results), crates());
    let figures = root.join("docs/figures");
    let in_docs = |error| format!("docs: {error}");
    fs::create_dir_all(&figures).map_err(in_docs)?;
    for kind in KINDS {
        if let Some(svg) = plot(results, kind, &setting) {
            fs::write(figures.join(file_of(kind)), svg).map_err(in_docs)?;
        }
    }
    replace_section(root, "loop", &section(results, &setting))
}

fn replace_section(root: &Path, name: &str, section: &str) -> Result<(), String> {
    let in_docs = |error| format!("docs: {error}");
    let document = root.join("docs/performance.md");
    let text = fs::read_to_string(&document).map_err(in_docs)?;
    fs::write(document, replace_between(&text, name, section)?).map_err(in_docs)
}
