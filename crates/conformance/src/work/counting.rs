//! Valgrind, told to count the instructions of one function's calls, each on its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sockeye_interop::Fault;

use crate::arguments::Work;

/// The name of the function below; valgrind can dump behind a whole name only.
const COUNTED: &str = concat!(module_path!(), "::counted");

/// The only function whose instructions, and those of what it calls, are counted.
#[inline(never)]
pub(super) fn counted(work: &mut dyn FnMut()) {
    work();
    // Something must follow the call, or it becomes a jump and this function leaves no trace.
    std::hint::black_box(());
}

/// The version of the valgrind in `PATH`, if there is one.
pub(super) fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs this program again with the same options under valgrind, and returns the instructions of
/// each call of [`counted`], in order; there must be so many.
pub(super) fn count(options: &Work, calls: usize) -> Result<Vec<u64>, Fault> {
    let folder = folder()?;
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", folder.join("counted").display()))
        .arg(std::env::current_exe()?)
        .args(["work", "--counted"])
        .args(options.quick.then_some("--quick"))
        .args(&options.cases);
    let output = command.output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the work was not done to its end: {told}").into());
    }
    let mut counts = Vec::new();
    for call in 1..=calls {
        counts.push(total(&folder.join(format!("counted.{call}")))?);
    }
    fs::remove_dir_all(folder)?;
    Ok(counts)
}

/// An empty folder for what valgrind writes.
fn folder() -> Result<PathBuf, Fault> {
    let name = format!("sockeye-work-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// The total that a file of callgrind's ends with.
fn total(file: &Path) -> Result<u64, Fault> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("valgrind left no {}: {error}", file.display()))?;
    let total = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    Ok(total.ok_or("valgrind's file has no total")?.trim().parse()?)
}
