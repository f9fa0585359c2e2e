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
        folder: &Path,
        peer: Peer,
        experiment: &Experiment,
        pin: bool,
    ) -> Result<Self, String> {
        let window_bytes = experiment.window * experiment.frame_bytes();
        let mut options = vec![format!("--window-bytes={window_bytes}")];
        if experiment.kind == Kind::Broadcast {
            let message_bytes = format!("--message-bytes={}", experiment.frame_bytes());
            options.extend(["--broadcast".to_owned(), message_bytes]);
        }
        Self::start_with(folder, peer, &options, pin)
    }

    /// Starts `peer` with `options`.
    pub(super) fn start_with(
        folder: &Path,
        peer: Peer,
        options: &[String],
        pin: bool,
    ) -> Result<Self, String> {
        let mut command = Command::new(folder.join("sockeye-peers"));
        command.arg(peer.name).args(options);
        if pin {
            command.arg(SERVER_CPU);
        }
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
        folder: &Path,
        server: &Server,
        experiment: &Experiment,
        pin: bool,
    ) -> Result<Self, String> {
        let mut command = bench(folder, server, experiment, pin);
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
    folder: &Path,
    server: &Server,
    experiment: &Experiment,
    pin: bool,
) -> Result<f64, String> {
    let result = result_of(bench(folder, server, experiment, pin).arg("--json"))?;
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
    folder: &Path,
    servers: &[Server],
    connections: usize,
    seconds: u64,
    pin: bool,
) -> Result<Value, String> {
    let mut command = Command::new(folder.join("sockeye"));
    command.args(["bench", "idle"]).args(servers.iter().map(|server| &server.url));
    command.args([format!("--connections={connections}"), format!("--duration={seconds}")]);
    command
        .args(servers.iter().map(|server| format!("--server-pid={}", server.process.child.id())));
    if pin {
        command.arg(LOAD_CPU);
    }
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

fn bench(folder: &Path, server: &Server, experiment: &Experiment, pin: bool) -> Command {
    let mut command = Command::new(folder.join("sockeye"));
    command.args(["bench", experiment.kind.command(), &server.url]).args(experiment.options());
    command.arg(format!("--server-pid={}", server.process.child.id()));
    if pin {
        command.arg(LOAD_CPU);
    }
    command
}
