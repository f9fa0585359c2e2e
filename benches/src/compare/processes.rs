//! The servers and the loads, each a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::experiments::{Experiment, Kind};
use super::peers::{Peer, RAW, RAW_SINGLY};

/// Where each side stays: the server on one processor, the load on the other.
const SERVER_CPU: &str = "--cpu=0";
const LOAD_CPU: &str = "--cpu=1";

/// Where the programs are, and how they are started.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'p> {
    /// The folder with `sockeye` and `sockeye-peers`.
    pub folder: &'p Path,
    /// Whether the servers stay on one processor and the loads on another.
    pub pin: bool,
    /// The congestion control of every socket of both; `None`: the system's own.
    pub congestion: Option<&'p str>,
}

impl Programs<'_> {
    /// The options that both sides have, of which one stays on `cpu`.
    fn options(&self, cpu: &str) -> impl Iterator<Item = String> {
        let cpu = self.pin.then(|| cpu.to_owned());
        cpu.into_iter().chain(self.congestion.map(|name| format!("--congestion={name}")))
    }
}

/// A process that ends with this value.
#[derive(Debug)]
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, String> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child =
            child.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let stdout = child.stdout.take().expect("it was piped");
        Ok(Self { child, stdout: BufReader::new(stdout) })
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(len) if len > 0 => Ok(line),
            _ => Err("a server or a load ended without a word on its standard output".to_owned()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    url: String,
}

impl Server {
    /// Starts `peer` for `experiment`.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub(super) fn start(
        programs: &Programs<'_>,
        peer: Peer,
        experiment: &Experiment,
    ) -> Result<Self, String> {
        let window_bytes = experiment.window * experiment.frame_bytes();
        let mut options = vec![format!("--window-bytes={window_bytes}")];
        if experiment.kind == Kind::Broadcast {
            let message_bytes = format!("--message-bytes={}", experiment.frame_bytes());
            options.extend(["--broadcast".to_owned(), message_bytes]);
        }
        Self::start_with(programs, peer, &options)
    }

    /// Starts `peer` with `options`.
    pub(super) fn start_with(
        programs: &Programs<'_>,
        peer: Peer,
        options: &[String],
    ) -> Result<Self, String> {
        let mut command = Command::new(programs.folder.join("sockeye-peers"));
        command.arg(peer.name).args(options).args(programs.options(SERVER_CPU));
        let mut process = Process::start(&mut command)?;
        let line = process.line().map_err(|error| format!("{}: {error}", peer.name))?;
        let address: SocketAddr =
            line.trim().parse().map_err(|_| format!("{} listens at {line}", peer.name))?;
        let scheme = if peer == RAW || peer == RAW_SINGLY { "tcp" } else { "ws" };
        Ok(Self { process, url: format!("{scheme}://{address}/") })
    }
}

/// A load on a server, with its connections open where it keeps them.
#[derive(Debug)]
pub(super) struct Load {
    process: Process,
}

impl Load {
    /// Starts the load of `experiment`; it does nothing until it is told to.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub(super) fn start(
        programs: &Programs<'_>,
        server: &Server,
        experiment: &Experiment,
    ) -> Result<Self, String> {
        let mut command = bench(programs, server, experiment);
        let mut process = Process::start(command.arg("--steps"))?;
        process.line()?;
        Ok(Self { process })
    }

    /// One round, and what each of what it counts cost the server, in nanoseconds.
    ///
    /// # Errors
    ///
    /// When the load has ended, which has told why on standard error.
    #[expect(clippy::cast_precision_loss, reason = "a round has far fewer than 2^52 nanoseconds")]
    pub(super) fn round(&mut self) -> Result<f64, String> {
        let stdin = self.process.child.stdin.as_mut().expect("it was piped");
        stdin.write_all(b"\n").map_err(|error| format!("the load has ended: {error}"))?;
        let line = self.process.line()?;
        let round: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        match (round["server_cpu_nanos"].as_u64(), round["done"].as_u64()) {
            (Some(nanos), Some(done @ 1..)) => Ok(nanos as f64 / done as f64),
            _ => Err(format!("no round: {line}")),
        }
    }
}

/// By how many bytes the server's resident memory grows for each connection of an idle load.
///
/// # Errors
///
/// When the load fails, which has told why on standard error.
#[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
pub(super) fn idle_bytes(
    programs: &Programs<'_>,
    server: &Server,
    experiment: &Experiment,
) -> Result<f64, String> {
    let result = result_of(bench(programs, server, experiment).arg("--json"))?;
    let line = &result;
    let memory = &result["server"]["memory"];
    match (memory["resident_before"].as_i64(), memory["resident"].as_i64()) {
        (Some(before), Some(after)) => Ok((after - before) as f64 / experiment.connections as f64),
        _ => Err(format!("no memory: {line}")),
    }
}

/// Keeps `connections` idle on all of `servers` together for so many seconds, and returns what `sockeye bench` tells.
///
/// # Errors
///
/// When the load fails, which has told why on standard error.
pub(super) fn keep_idle(
    programs: &Programs<'_>,
    servers: &[Server],
    connections: usize,
    seconds: u64,
) -> Result<Value, String> {
    let mut command = Command::new(programs.folder.join("sockeye"));
    command.args(["bench", "idle"]).args(servers.iter().map(|server| &server.url));
    command.args([format!("--connections={connections}"), format!("--duration={seconds}")]);
    command
        .args(servers.iter().map(|server| format!("--server-pid={}", server.process.child.id())));
    command.args(programs.options(LOAD_CPU));
    result_of(command.args(["--json", "--patience=60"]))
}

/// What a load prints that runs once.
fn result_of(command: &mut Command) -> Result<Value, String> {
    let mut process = Process::start(command)?;
    let line = process.line()?;
    // It closes its connections before it ends, and the server must not have gone before.
    let _ = process.child.wait();
    serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))
}

fn bench(programs: &Programs<'_>, server: &Server, experiment: &Experiment) -> Command {
    let mut command = Command::new(programs.folder.join("sockeye"));
    command.args(["bench", experiment.kind.command(), &server.url]).args(experiment.options());
    command.arg(format!("--server-pid={}", server.process.child.id()));
    command.args(programs.options(LOAD_CPU));
    command
}
