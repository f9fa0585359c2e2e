use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{NEIGHBOURS, OURS, PEERS};

/// Where and when something was measured, and of what.
#[derive(Debug, Default)]
pub struct Setting {
    /// The processor and the operating system.
    pub machine: String,
    /// The compiler.
    pub rustc: String,
    /// The day, in UTC.
    pub date: String,
    /// The crates that take part, each with its version.
    pub versions: Vec<(String, String)>,
}

impl Setting {
    /// This machine and this compiler, the versions in the lock file of the workspace at `root`, and
    /// the day of `measured`.
    #[must_use]
    pub fn read(root: &Path, measured: SystemTime) -> Self {
        let names = [OURS].into_iter().chain(PEERS).chain(NEIGHBOURS).chain(["sha1", "base64"]);
        Self::read_with(root, measured, names)
    }

    /// The same with the versions of these crates.
    #[must_use]
    pub fn read_with<'n>(
        root: &Path,
        measured: SystemTime,
        names: impl Iterator<Item = &'n str>,
    ) -> Self {
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
        let version = |name: &str| Some((name.to_owned(), version(&lock, crate_of(name))?));
        Self {
            machine: machine(),
            rustc: rustc.unwrap_or_else(|_| "rustc unknown".to_owned()),
            date: date(measured),
            versions: names.filter_map(version).collect(),
        }
    }

    /// `name` with its version, if it has one.
    #[must_use]
    pub fn with_version(&self, name: &str) -> String {
        match self.versions.iter().find(|(other, _)| other == name) {
            Some((_, version)) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }

    /// All of it in a sentence.
    #[must_use]
    pub fn in_words(&self) -> String {
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}"));
        let versions = versions.collect::<Vec<_>>().join(", ");
        format!("Measured on {}: {}, {}.\n{versions}.", self.date, self.machine, self.rustc)
    }
}

/// The crate that a name in tables stands for.
fn crate_of(name: &str) -> &str {
    if name == OURS { "sockeye-protocol" } else { name }
}

/// The newest version of a crate in a lock file.
fn version(lock: &str, name: &str) -> Option<String> {
    let head = format!("name = \"{name}\"\nversion = \"");
    let versions = lock.split(&head).skip(1).filter_map(|rest| rest.split('"').next());
    let parts = |version: &str| {
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>()
    };
    versions.max_by_key(|version| parts(version)).map(str::to_owned)
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    // What follows the numbers is the machine's and not the kernel's.
    let kernel = kernel.trim().split(['-', '+']).next().unwrap_or_default().to_owned();
    format!("{model}, {cores} cores, {} {kernel}", std::env::consts::OS)
}

/// The day of `time` in UTC.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut days = seconds / 86_400;
    let mut year = 1970_u64;
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{date, version};

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn of_two_versions_in_a_lock_file_the_newer_is_meant() {
        let lock = "name = \"a\"\nversion = \"0.9.1\"\n\nname = \"a\"\nversion = \"0.10.0\"\n";
        assert_eq!(version(lock, "a").as_deref(), Some("0.10.0"));
        assert_eq!(version(lock, "b"), None);
    }
}
