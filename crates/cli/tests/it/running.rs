//! The real binary, started on a port that the system chose.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Every wait in these tests ends after this.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// A `sockeye serve` that ends with the test.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts it with two loops, and with `options` besides.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--threads", "2"]);
        command.args(options);
        Self::run(command)
    }

    /// Starts it with so many descriptors and no more, which a shell arranges.
    pub(crate) fn start_with_descriptors(descriptors: usize) -> Self {
        let mut command = Command::new("sh");
        let script = format!(
            "ulimit -n {descriptors} && exec \"$0\" serve --listen 127.0.0.1:0 --threads 2"
        );
        command.args(["-c", &script, env!("CARGO_BIN_EXE_sockeye")]);
        Self::run(command)
    }

    /// Starts it with two loops, and with a file for what it has to say of its errors.
    pub(crate) fn start_with_log(log: fs::File) -> Self {
        let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--threads", "2"]);
        command.stderr(log);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it says where it listens");
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let address = address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { child, stdout, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// Processor time that the process has taken, all its threads together.
    pub(crate) fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let nanos = tasks.filter_map(|task| {
            let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Resident memory of the process, in KiB.
    pub(crate) fn resident_kib(&self) -> usize {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux reports it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end and returns how it ended and what it had said since it listened.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = ended(&mut self.child);
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).expect("text");
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with `arguments`.
pub(crate) fn sockeye(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments);
    command
}

/// Waits until `child` has ended; after a while it is killed and the test fails.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    let in_time = eventually(|| {
        status = child.try_wait().expect("it is ours");
        status.is_some()
    });
    if !in_time {
        let _ = child.kill();
    }
    status.unwrap_or_else(|| panic!("it did not end within {SOON:?}"))
}

/// Whether `condition` holds before the wait ends. Another process tells nobody when its state changes, so it is asked.
pub(crate) fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + SOON;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
