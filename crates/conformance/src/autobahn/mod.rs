//! The Autobahn TestSuite: installed, run in both roles, and its reports judged.

mod server;
mod client;
mod sockeye_server;
mod drivers;
mod blocking;
mod tokio_driver;
mod visit;
mod run;
mod suite;
mod judgement;
mod expectation;
mod report;
mod case;
mod role;
mod echo;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use sockeye_interop::Fault;

use crate::arguments::Autobahn;

use expectation::Tested;
use judgement::Judgement;
use role::Role;
use run::Selection;
use suite::Suite;

/// The exit status where the suite cannot be had, so that a script can tell this from a fault.
const NOT_TO_BE_HAD: u8 = 3;

/// Runs what the command line asks for and prints the results.
pub(crate) fn autobahn(options: &Autobahn) -> Result<ExitCode, Fault> {
    let suite = match Suite::install(&folder()) {
        Ok(suite) => suite,
        Err(fault) => {
            eprintln!("sockeye-conformance: {fault}");
            return Ok(ExitCode::from(NOT_TO_BE_HAD));
        }
    };
    let mut as_expected = true;
    for &subject in &options.subject {
        as_expected &= test(&suite, options, &Selection::new(options, subject))?;
    }
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tests one subject in each role that is wanted. Returns whether everything went as expected.
fn test(suite: &Suite, options: &Autobahn, selection: &Selection) -> Result<bool, Fault> {
    let both = options.server == options.client;
    let client = options.client || (both && selection.subject.has_client());
    let mut as_expected = true;
    for (role, wanted) in [(Role::Server, options.server || both), (Role::Client, client)] {
        if !wanted {
            continue;
        }
        let run = match role {
            Role::Server => server::test(suite, selection)?,
            Role::Client => client::test(suite, selection)?,
        };
        let tested = Tested::of_this_build(selection.subject, role);
        let judgement = Judgement::new(&run.planned, &run.report, tested);
        as_expected &= judgement.is_as_expected();
        let title = format!(
            "Sockeye's {} ({}) against the Autobahn TestSuite",
            role.name(),
            selection.subject.name()
        );
        say(&format!("\n{title}, {:.0} s\n{judgement}", run.took.as_secs_f64()));
        say(&format!("The suite's own pages: {}", run.folder.join("index.html").display()));
    }
    Ok(as_expected)
}

/// The directory below `target/` that keeps the suite and its reports.
fn folder() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    target.join("autobahn")
}

/// Prints a line at once. Whoever does not read it loses nothing else by it.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}
