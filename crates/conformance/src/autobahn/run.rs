//! What both runs have in common: which cases, the suite's output, and the result.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sockeye_interop::{Fault, Program};

use super::case::Case;
use super::report::Report;
use super::role::Role;
use crate::arguments::{Autobahn, Subject};

/// Our name in the reports.
pub(crate) const AGENT: &str = "sockeye";
/// The suite imports much before it says anything.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(60);
/// The suite gives its longest cases 480 seconds.
pub(crate) const CASE_WITHIN: Duration = Duration::from_secs(600);
/// Writing the reports of all cases, and ending.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(120);
/// All cases take some twenty minutes of processor time, nearly all of it the suite's.
const RUN_WITHIN: Duration = Duration::from_secs(2 * 3600);

/// The cases of `--quick`: some hundred, mostly of a few milliseconds.
const QUICK: &[&str] = &[
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.*", "9.2.*", "10.*", "12.1.1", "13.1.1",
];

/// Which cases are run, as the suite's patterns, and who answers.
#[derive(Debug)]
pub(crate) struct Selection {
    cases: Vec<String>,
    exclude: Vec<String>,
    pub(crate) subject: Subject,
}

impl Selection {
    pub(crate) fn new(options: &Autobahn, subject: Subject) -> Self {
        let quick = || QUICK.iter().map(|&pattern| pattern.to_owned()).collect();
        let cases = if options.quick { quick() } else { options.cases.clone() };
        Self { cases, exclude: options.exclude.clone(), subject }
    }

    /// The name of the folder for the reports of one role.
    pub(crate) fn folder(&self, role: Role) -> String {
        format!("{}/{}", self.subject.name(), role.name())
    }

    /// The suite's specification of these cases, without what only one of its modes has.
    pub(crate) fn spec(&self, reports: &Path) -> Value {
        json!({
            "outdir": reports.to_string_lossy(),
            "cases": self.cases,
            "exclude-cases": self.exclude,
            "exclude-agent-cases": {},
        })
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) planned: Vec<Case>,
    pub(crate) report: Report,
    pub(crate) folder: PathBuf,
    pub(crate) took: Duration,
}

/// The suite's list of the cases that it is going to run.
pub(crate) fn planned(program: &mut Program) -> Result<Vec<Case>, Fault> {
    let line = program.line_with("Cases = ", START_WITHIN)?;
    let cases = parse_list(&line)?;
    if cases.is_empty() {
        return Err("the suite has no such cases".into());
    }
    Ok(cases)
}

/// `Cases = ['1.1.1', '1.1.2']`
fn parse_list(line: &str) -> Result<Vec<Case>, Fault> {
    let quoted = line.split('\'').skip(1).step_by(2);
    Ok(quoted.map(str::parse).collect::<Result<_, _>>()?)
}

/// `Running test case ID 1.1.1 for agent ..`
pub(crate) fn begun(line: &str) -> Option<Case> {
    let rest = line.strip_prefix("Running test case ID ")?;
    rest.split(' ').next()?.parse().ok()
}

/// Shows where the run is, and ends it when it takes too long.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    category: Option<u32>,
}

impl Progress {
    /// Begins with the role, on a line of its own.
    pub(crate) fn new(role: Role, cases: &[Case]) -> Self {
        print(&format!("{}: {} cases, category", role.name(), cases.len()));
        Self { start: Instant::now(), category: None }
    }

    /// Told of each case as it begins.
    pub(crate) fn at(&mut self, case: &Case) -> Result<(), Fault> {
        if self.start.elapsed() > RUN_WITHIN {
            return Err(format!("not done within {RUN_WITHIN:?}, at case {case}").into());
        }
        if self.category.replace(case.category()) != Some(case.category()) {
            print(&format!(" {}", case.category()));
        }
        Ok(())
    }

    /// Ends the line.
    pub(crate) fn done(self) -> Duration {
        print("\n");
        self.start.elapsed()
    }
}

/// Whoever does not read it loses nothing else by it.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}");
    let _ = stdout.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_s_lines_are_understood() {
        let cases = parse_list("Cases = ['1.1.1', '10.1.1']").expect("a list");
        assert_eq!(cases.iter().map(Case::to_string).collect::<Vec<_>>(), ["1.1.1", "10.1.1"]);
        assert!(parse_list("Cases = []").expect("a list").is_empty());
        let line = "Running test case ID 6.4.1 for agent sockeye from peer tcp4:127.0.0.1:1";
        assert_eq!(begun(line).map(|case| case.to_string()).as_deref(), Some("6.4.1"));
        assert!(begun("Ok, will run 517 test cases").is_none());
    }
}
