//! `sockeye bench`: measures a server under load.
//!
//! One loop drives all connections of a process. Frames are encoded before the load begins, and replies are compared
//! where they were received, so that the load costs less than any server that answers it.

mod processes;
mod plot;
mod report;
mod steps;
mod broadcast;
mod connect;
mod idle;
mod echo;
mod load;
mod round;
mod crowd;
mod pace;
mod opening;
mod target;
mod congestion;
mod client;
mod messages;
mod progress;
mod server;

use std::fs;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::arguments::{Bench, Common, Scenario};

use broadcast::Broadcast;
use connect::Connect;
use echo::Echo;
use idle::Idle;
use load::Load;
use processes::Processes;
use progress::Progress;
use report::Report;
use round::Round;
use server::Server;
use target::Target;

/// Descriptors that a process needs for itself.
const DESCRIPTORS_OWN: usize = 64;

/// Runs the load and prints what it came to.
pub(crate) fn bench(options: &Bench) -> Result<ExitCode, String> {
    let scenario = &options.scenario;
    let common = scenario.common();
    let targets = Target::all(common)?;
    // Were every member to look at every process of the server, none had time for pings.
    let server_pids = if common.member { &[][..] } else { &common.server_pids };
    let server = Server::new(server_pids)?;
    if let Some(cpu) = common.cpu {
        stay_on(cpu)?;
    }
    let per_process = connections_max(common);
    if common.steps {
        let mut load = open(scenario, targets, server, &mut Progress::hidden())?;
        steps::serve(&mut *load)?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = server.memory();
    let (round, processes) = if common.connections.get() > per_process {
        run_processes(scenario, &targets, &server, per_process)?
    } else {
        let mut progress = Progress::on_terminal();
        let mut load = open(scenario, targets, server.clone(), &mut progress)?;
        (load.round(&mut progress)?, Kept::Load(load))
    };
    let memory = before.zip(server.memory());
    let report = Report { scenario, round, processes: processes.count(), server: &server, memory };
    if let Some(file) = &common.plot {
        let refused = |error| format!("cannot write {}: {error}", file.display());
        fs::write(file, plot::plot(&report.title(), &report.round.latency)).map_err(refused)?;
    }
    if common.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if let Kept::Load(mut load) = processes {
        load.crowd().close()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What keeps the connections open until the server's memory has been read.
enum Kept {
    Load(Box<dyn Load>),
    Processes(Processes),
}

impl Kept {
    fn count(&self) -> usize {
        match self {
            Self::Load(_) => 1,
            Self::Processes(processes) => processes.len(),
        }
    }
}

fn run_processes(
    scenario: &Scenario,
    targets: &[Target],
    server: &Server,
    per_process: usize,
) -> Result<(Round, Kept), String> {
    if !matches!(scenario, Scenario::Echo(_) | Scenario::Idle(_)) {
        return Err(format!(
            "this process may have {per_process} connections, and {} were asked for; \
             `ulimit -n` moves that limit",
            scenario.common().connections
        ));
    }
    let mut processes = Processes::open(scenario, scenario.common(), targets, per_process)?;
    server.settle()?;
    let before = server.usage()?;
    let mut round = processes.round()?;
    round.usage = server.usage()? - before;
    Ok((round, Kept::Processes(processes)))
}

fn open(
    scenario: &Scenario,
    targets: Vec<Target>,
    server: Server,
    progress: &mut Progress,
) -> Result<Box<dyn Load>, String> {
    Ok(match scenario {
        Scenario::Echo(options) => Box::new(Echo::open(options, targets, server, progress)?),
        Scenario::Idle(options) => Box::new(Idle::open(options, targets, server, progress)?),
        Scenario::Connect(options) => Box::new(Connect::new(options, targets, server)?),
        Scenario::Broadcast(options) => {
            Box::new(Broadcast::open(options, targets, server, progress)?)
        }
    })
}

impl Scenario {
    const fn common(&self) -> &Common {
        match self {
            Self::Echo(options) => &options.common,
            Self::Idle(options) => &options.common,
            Self::Connect(options) => &options.common,
            Self::Broadcast(options) => &options.common,
        }
    }
}

/// How many connections this process may have, after raising what can be raised.
fn connections_max(common: &Common) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it may not be raised, there are more processes.
    let _ = setrlimit(Resource::Nofile, limit);
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let allowed = limit.map_or(usize::MAX, |limit| limit.saturating_sub(DESCRIPTORS_OWN).max(1));
    allowed.min(common.per_process.map_or(usize::MAX, NonZeroUsize::get))
}

/// Keeps this process, and those that it starts, on one processor.
#[cfg(target_os = "linux")]
fn stay_on(cpu: usize) -> Result<(), String> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(format!("--cpu {cpu}: there is no such processor"));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| format!("--cpu {cpu}: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_cpu: usize) -> Result<(), String> {
    Err("--cpu is known on Linux only".to_owned())
}
