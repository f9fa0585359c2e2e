//! Processes beside the test's own: for figures without other tests in them, for more descriptors than one process may
//! have, and to be killed.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};

const TOLD: &str = "SOCKEYE_TEST_TOLD";
/// Descriptors that a process needs beside its connections.
const SPARE: usize = 200;

/// What this process was told by the one that started it; `None`: it is no part of a test's.
pub(crate) fn told() -> Option<String> {
    std::env::var(TOLD).ok()
}

/// Raises the soft limit of descriptors to the hard one, and says how many connections that allows.
pub(crate) fn connections_possible(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be raised to the hard one");
    let descriptors =
        limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    descriptors.saturating_sub(SPARE).min(wanted)
}

/// Another process of this test binary, which plays one part. It is told what, answers in lines, and waits for words.
pub(crate) struct Part {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
}

impl Part {
    pub(crate) fn start(test: &str, told: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a path"))
            .args(["--exact", "--nocapture", test])
            .env(TOLD, told)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let to = process.stdin.take().expect("piped");
        let from = BufReader::new(process.stdout.take().expect("piped")).lines();
        Self { process, to, from }
    }

    /// The next line that is meant for us; the harness writes lines of its own.
    pub(crate) fn line(&mut self) -> String {
        let ours =
            |line: std::io::Result<String>| line.ok()?.strip_prefix("> ").map(ToOwned::to_owned);
        self.from.find_map(ours).expect("the process answers")
    }

    pub(crate) fn say(&mut self, word: &str) {
        writeln!(self.to, "{word}").expect("the process listens");
    }
}

impl Part {
    /// As `kill -9` does.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until the test says something.
pub(crate) fn await_word() {
    std::io::stdin().read_line(&mut String::new()).expect("a word");
}

/// Of data: code comes to memory as it is run, 64 KiB at a time, whatever the connections need.
pub(crate) fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    kibibytes.expect("a line").parse::<usize>().expect("a number") * 1024
}

/// How many descriptors the process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}
