//! A load over several processes, where one may not have as many descriptors as there are connections.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::arguments::{Common, Scenario};

use super::round::Round;
use super::target::Target;

/// Processes that each hold a share of the connections.
#[derive(Debug)]
pub(crate) struct Processes {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Processes {
    /// Starts so many processes that none has more than `per_process` connections, and waits until all are open.
    pub(crate) fn open(
        scenario: &Scenario,
        common: &Common,
        targets: &[Target],
        per_process: usize,
    ) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("cannot start: {error}"))?;
        let connections = common.connections.get();
        let count = connections.div_ceil(per_process);
        let mut processes = Self { members: Vec::with_capacity(count) };
        let mut first = common.first;
        for index in 0..count {
            let share = share_of(connections, count, index);
            let mut command = Command::new(&program);
            command.args(arguments(scenario, share, first, count, index));
            for target in targets {
                command.arg(format!("--address={}", target.address()));
            }
            first += share;
            let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
            let mut child =
                child.map_err(|error| format!("cannot start another process: {error}"))?;
            let Some(stdout) = child.stdout.take() else {
                return Err("another process has no output".to_owned());
            };
            let mut member = Member { child, stdout: BufReader::new(stdout) };
            // One after the other: together they could overrun the server's backlog.
            let ready = member.line();
            processes.members.push(member);
            ready?;
        }
        Ok(processes)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Lets all of them do a round at the same time.
    pub(crate) fn round(&mut self) -> Result<Round, String> {
        for member in &mut self.members {
            let stdin = member.child.stdin.as_mut();
            let told = stdin.map(|stdin| stdin.write_all(b"\n").and_then(|()| stdin.flush()));
            if !matches!(told, Some(Ok(()))) {
                return Err(ended());
            }
        }
        let mut sum = Round::new();
        for member in &mut self.members {
            let line = member.line()?;
            sum.add(&Round::from_json(&line).ok_or_else(ended)?);
        }
        Ok(sum)
    }
}

/// The other process has said why on standard error, which is also ours.
fn ended() -> String {
    "another process of the load has ended".to_owned()
}

impl Member {
    fn line(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(len) if len > 0 => serde_json::from_str(&line).map_err(|_| ended()),
            _ => Err(ended()),
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It ends with its input.
            drop(member.child.stdin.take());
        }
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// This process's own arguments, and behind them those that replace some.
fn arguments(
    scenario: &Scenario,
    share: usize,
    first: usize,
    processes: usize,
    index: usize,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments.extend(
        ["--steps", "--member", "--connections", &share.to_string(), "--first", &first.to_string()]
            .map(OsString::from),
    );
    if let Scenario::Echo(options) = scenario {
        if let Some(count) = options.length.count {
            let share = share_of(count.get(), processes, index).max(1);
            arguments.extend(["--count", &share.to_string()].map(OsString::from));
        }
        if let Some(rate) = options.rate {
            #[expect(clippy::cast_precision_loss)]
            let share = rate * share as f64 / options.common.connections.get() as f64;
            arguments.extend(["--rate", &share.to_string()].map(OsString::from));
        }
    }
    arguments
}

/// What member `index` of `count` gets of a whole.
const fn share_of(whole: usize, count: usize, index: usize) -> usize {
    whole / count + if index < whole % count { 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::share_of;

    #[test]
    fn shares_are_even_and_make_up_the_whole() {
        for (whole, count) in [(10, 3), (9, 3), (1, 1), (20_001, 2)] {
            let shares: Vec<_> = (0..count).map(|index| share_of(whole, count, index)).collect();
            assert_eq!(shares.iter().sum::<usize>(), whole);
            assert!(shares[0] - shares[count - 1] <= 1);
        }
    }
}
