//! What the load costs the server, from what the kernel counts of its processes.

use std::fs;
use std::ops::{AddAssign, Sub};
use std::thread;
use std::time::Duration;

/// How often a process is looked at that is to come to rest, and how many looks in a row must find it so: on a busy machine
/// it may only have waited for its turn.
const SAMPLE: Duration = Duration::from_millis(4);
const QUIET_SAMPLES: usize = 4;
const SAMPLES_MAX: usize = 100;

/// Processes of the server on this machine; none, if nobody said which they are.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pids: Vec<u32>,
}

/// What processes have used since they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Time on a processor, user and kernel, of all threads.
    pub(crate) cpu_nanos: u64,
    /// How often a thread has gone to sleep of itself.
    pub(crate) sleeps: u64,
    /// Calls of read(2) and its like; the kernel does not count recv(2).
    pub(crate) reads: u64,
    /// Calls of write(2) and its like; the kernel does not count send(2).
    pub(crate) writes: u64,
}

/// What processes hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident_bytes: u64,
    /// Resident, where what several processes share is divided among them.
    pub(crate) proportional_bytes: u64,
}

impl Server {
    /// The processes `pids`, all of which must be readable.
    pub(crate) fn new(pids: &[u32]) -> Result<Self, String> {
        let server = Self { pids: pids.to_vec() };
        server.usage()?;
        Ok(server)
    }

    pub(crate) fn is_known(&self) -> bool {
        !self.pids.is_empty()
    }

    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let mut sum = Usage::default();
        for pid in &self.pids {
            let refused = |error| format!("--server-pid {pid}: cannot read what it uses: {error}");
            sum += usage(*pid).map_err(refused)?;
        }
        Ok(sum)
    }

    /// `None` where the kernel does not tell, as of another user's process.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let mut sum = Memory::default();
        for pid in &self.pids {
            let one = memory(*pid)?;
            sum.resident_bytes += one.resident_bytes;
            sum.proportional_bytes += one.proportional_bytes;
        }
        self.is_known().then_some(sum)
    }

    /// Waits until the processes have nothing left to do, but not for long.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let mut last = self.usage()?;
        let mut quiet = 0;
        for _ in 0..if self.is_known() { SAMPLES_MAX } else { 0 } {
            thread::sleep(SAMPLE);
            let now = self.usage()?;
            quiet = if now == last { quiet + 1 } else { 0 };
            if quiet == QUIET_SAMPLES {
                break;
            }
            last = now;
        }
        Ok(())
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_nanos: self.cpu_nanos.saturating_sub(earlier.cpu_nanos),
            sleeps: self.sleeps.saturating_sub(earlier.sleeps),
            reads: self.reads.saturating_sub(earlier.reads),
            writes: self.writes.saturating_sub(earlier.writes),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu_nanos += other.cpu_nanos;
        self.sleeps += other.sleeps;
        self.reads += other.reads;
        self.writes += other.writes;
    }
}

fn usage(pid: u32) -> std::io::Result<Usage> {
    let mut usage = Usage::default();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path();
        // A thread may end between being listed and being read.
        let Ok(schedstat) = fs::read_to_string(path.join("schedstat")) else { continue };
        let nanos = schedstat.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        usage.cpu_nanos += nanos.unwrap_or(0);
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        usage.sleeps += field(&status, "voluntary_ctxt_switches:").unwrap_or(0);
    }
    // Not everybody may read this of others; then it stays at zero, and is not shown.
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    usage.reads = field(&io, "syscr:").unwrap_or(0);
    usage.writes = field(&io, "syscw:").unwrap_or(0);
    Ok(usage)
}

fn memory(pid: u32) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let bytes = |name| field(&rollup, name).map(|kib| kib * 1024);
    Some(Memory { resident_bytes: bytes("Rss:")?, proportional_bytes: bytes("Pss:")? })
}

/// The number behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_holds_memory() {
        let server = Server::new(&[std::process::id()]).expect("it is this one");
        let before = server.usage().expect("it runs");
        let mut sum = 0_u64;
        while (server.usage().expect("it runs") - before).cpu_nanos < 5_000_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let memory = server.memory().expect("Linux tells");
        assert!(memory.proportional_bytes > 0);
        assert!(memory.proportional_bytes <= memory.resident_bytes);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        // Beyond what the kernel gives out.
        let error = Server::new(&[u32::MAX >> 1]).expect_err("nobody");
        assert!(error.contains("--server-pid 2147483647"), "{error}");
    }

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let status = "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t41\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(41));
        assert_eq!(field(status, "missing:"), None);
    }
}
