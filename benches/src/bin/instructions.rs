//! Counts the instructions of the most important operations under callgrind, and compares them
//! with what they were when the table in `benches/instructions.tsv` was saved.
//!
//! Unlike time this does not depend on what else the machine does.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use sockeye_benches::operations::{OPERATIONS, Operation};

/// Counts the instructions of the most important operations (needs valgrind).
#[derive(Debug, Parser)]
struct Arguments {
    /// Save the figures, for later runs to compare themselves with.
    #[arg(long)]
    save: bool,
    /// Only operations whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Run one operation this often, without counting: what the program does with itself.
    #[arg(long, hide = true, num_args = 2)]
    run: Option<Vec<String>>,
}

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");
/// How often an operation is run at first, and how much oftener then: the difference counts.
const TIMES: usize = 640;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some([name, times]) = arguments.run.as_deref() {
        let operation = OPERATIONS.iter().find(|operation| operation.name == name);
        let (Some(operation), Ok(times)) = (operation, times.parse()) else {
            return ExitCode::FAILURE;
        };
        (operation.run)(times);
        return ExitCode::SUCCESS;
    }
    match count_all(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn count_all(arguments: &Arguments) -> Result<(), String> {
    let saved = std::fs::read_to_string(TABLE).unwrap_or_default();
    let mut table = String::new();
    println!("{:34}{:>14}{:>14}{:>10}", "instructions of", "now", "saved", "change");
    for operation in OPERATIONS {
        if arguments.only.as_ref().is_some_and(|only| !operation.name.contains(only.as_str())) {
            continue;
        }
        let count = count(operation)?;
        let before = saved
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(name, _)| *name == operation.name)
            .and_then(|(_, count)| count.parse::<f64>().ok());
        let (before, change) = match before {
            Some(before) => {
                (format!("{before:.1}"), format!("{:+.1} %", (count / before - 1.0) * 100.0))
            }
            None => ("-".to_owned(), "-".to_owned()),
        };
        println!("{:34}{count:>14.1}{before:>14}{change:>10}", operation.name);
        writeln!(table, "{}\t{count:.1}", operation.name).map_err(|error| error.to_string())?;
    }
    if arguments.save && arguments.only.is_none() {
        std::fs::write(Path::new(TABLE), table).map_err(|error| format!("{TABLE}: {error}"))?;
    }
    Ok(())
}

/// The instructions of one run of `operation`.
fn count(operation: &Operation) -> Result<f64, String> {
    let few = instructions(operation, TIMES)?;
    let many = instructions(operation, 3 * TIMES)?;
    let difference = many.checked_sub(few).ok_or("more runs took fewer instructions")?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(difference as f64 / (2 * TIMES) as f64)
}

/// What callgrind counts when `operation` is run `times` times, start of the program included.
fn instructions(operation: &Operation, times: usize) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        // `rep movsb` would be counted once for each byte that it copies.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", operation.name, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run ({error}); install it"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    let counted = report.lines().find_map(|line| line.split_once("Collected : "));
    match counted.map(|(_, count)| count.trim().parse()) {
        Some(Ok(count)) if output.status.success() => Ok(count),
        _ => Err(format!("{}: {report}", operation.name)),
    }
}
