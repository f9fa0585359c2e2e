//! A child process whose output is kept, whose waits are bounded, and that never outlives its owner.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Fault;

/// Characters of a line that a complaint shows.
const SHOWN_MAX: usize = 1000;

/// A running program: the leader of a process group of its own, which is killed by its id when this is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Program {
    /// Starts `command` with its standard input, output and error connected to this value.
    ///
    /// # Errors
    /// When the program cannot be started, most often because it is not installed.
    pub fn start(mut command: Command) -> Result<Self, Fault> {
        let name = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child =
            command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        let (sender, lines) = channel();
        if let Some(output) = child.stdout.take() {
            forward(output, sender.clone());
        }
        if let Some(output) = child.stderr.take() {
            forward(output, sender);
        }
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin, lines, heard: Vec::new() })
    }

    /// Writes one line to the program's standard input.
    ///
    /// # Errors
    /// When the program has closed it.
    pub fn write_line(&mut self, line: &str) -> Result<(), Fault> {
        let stdin = self.stdin.as_mut().ok_or("standard input was closed before")?;
        writeln!(stdin, "{line}")?;
        stdin.flush()?;
        Ok(())
    }

    /// Closes the program's standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Reads lines of output and error until one contains `mark`, and returns that line.
    ///
    /// # Errors
    /// When the output ends or `within` passes first; the message holds everything that was heard.
    pub fn line_with(&mut self, mark: &str, within: Duration) -> Result<String, Fault> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(mark) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.complaint(&format!("said no `{mark}` within {within:?}")));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.complaint(&format!("ended without saying `{mark}`")));
                }
            }
        }
    }

    /// Reads the next line of output and error, whatever it is; None once both have ended.
    ///
    /// # Errors
    /// When `within` passes first; the message holds everything that was heard.
    pub fn line(&mut self, within: Duration) -> Result<Option<String>, Fault> {
        match self.lines.recv_timeout(within) {
            Ok(line) => {
                self.heard.push(line.clone());
                Ok(Some(line))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(self.complaint(&format!("said nothing for {within:?}")))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Waits until the program has closed its output and ended.
    ///
    /// # Errors
    /// When `within` passes first; the program is then killed when this value is dropped.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus, Fault> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => return Ok(self.child.wait()?),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.complaint(&format!("did not end within {within:?}")));
                }
            }
        }
    }

    /// Waits like [`Program::wait`] and takes every exit status but zero for a fault.
    ///
    /// # Errors
    /// When the program fails or does not end in time; the message holds its output.
    pub fn succeed(&mut self, within: Duration) -> Result<Vec<String>, Fault> {
        let status = self.wait(within)?;
        if status.success() {
            Ok(self.heard.clone())
        } else {
            Err(self.complaint(&format!("ended with {status}")))
        }
    }

    /// Everything that the program has said so far, as far as it was read.
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Sends the signal of Ctrl-C to the program alone.
    ///
    /// # Errors
    /// When the program has already ended.
    pub fn interrupt(&self) -> Result<(), Fault> {
        Ok(kill_process(self.pid(), Signal::INT)?)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn complaint(&self, what: &str) -> Fault {
        let mut text = format!("{} {what}", self.name);
        for line in &self.heard {
            let shown: String = line.chars().take(SHOWN_MAX).collect();
            let _ = write!(text, "\n  | {shown}");
        }
        text.into()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The group's id is free for others only after its leader was waited for, so the kill cannot hit a stranger.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Sends each line of `output` on until it ends.
fn forward(output: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
}
