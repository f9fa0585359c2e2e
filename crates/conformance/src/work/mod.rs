//! Work counted, not timed: no input may cost more than its length.
//!
//! Each case is done for n, 2n and 4n units under valgrind's callgrind, which counts the
//! instructions. Twice the input may cost twice the work; four times as much would be quadratic.

mod counting;
mod handshake;
mod frames;
mod compression;
mod case;

use std::io::{self, Write as _};
use std::process::ExitCode;

use sockeye_interop::Fault;

use crate::arguments::Work;

use case::Case;

/// The exit status where work cannot be counted, so that a script can tell this from a fault.
const NOT_TO_BE_HAD: u8 = 3;

/// What one doubling of the input may cost at most.
const RATIO_MAX: f64 = 2.2;

/// How many units more than the least a thorough run does.
const THOROUGH: usize = 8;

/// Counts the work of what the command line asks for, and prints it.
pub(crate) fn work(options: &Work) -> Result<ExitCode, Fault> {
    let cases = selected(&options.cases)?;
    let scale = if options.quick { 1 } else { THOROUGH };
    if options.counted {
        do_all(&cases, scale);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(version) = counting::version() else {
        eprintln!("sockeye-conformance: valgrind is missing, which counts instructions");
        return Ok(ExitCode::from(NOT_TO_BE_HAD));
    };
    let counts = counting::count(options, cases.len() * DOUBLINGS.len())?;
    println!("Instructions, counted by {version}; a ratio may be {RATIO_MAX} at most.\n");
    println!("| case | n | unit | instructions for each | 2n / n | 4n / 2n |");
    println!("| --- | ---: | --- | ---: | ---: | ---: |");
    let mut is_linear = true;
    for (case, counts) in cases.iter().zip(counts.chunks(DOUBLINGS.len())) {
        is_linear &= report(case, case.units * scale, counts)?;
    }
    io::stdout().flush()?;
    Ok(if is_linear { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The sizes of each case, in its own n.
const DOUBLINGS: [usize; 3] = [1, 2, 4];

/// What valgrind runs: every case in every size. Only what [`counting::counted`] calls is counted.
fn do_all(cases: &[&Case], scale: usize) {
    for case in cases {
        for doubled in DOUBLINGS {
            let mut work = (case.prepare)(case.units * scale * doubled);
            counting::counted(&mut *work);
        }
    }
}

/// Prints a row; false if the work grows faster than the input.
fn report(case: &Case, units: usize, counts: &[u64]) -> Result<bool, Fault> {
    let [once, twice, four_times] = counts else { return Err("counts are missing".into()) };
    let ratio = |more: u64, less: u64| more as f64 / less.max(1) as f64;
    let (first, second) = (ratio(*twice, *once), ratio(*four_times, *twice));
    let each = ratio(*four_times, (4 * units) as u64);
    let is_linear = first < RATIO_MAX && second < RATIO_MAX;
    let remark = if is_linear { "" } else { " **not linear**" };
    println!(
        "| {} | {units} | {} | {each:.1} | {first:.2} | {second:.2}{remark} |",
        case.name, case.unit
    );
    Ok(is_linear)
}

fn selected(names: &[String]) -> Result<Vec<&'static Case>, Fault> {
    let all = || frames::CASES.iter().chain(handshake::CASES).chain(compression::CASES);
    if let Some(stranger) = names.iter().find(|name| all().all(|case| case.name != **name)) {
        let known: Vec<&str> = all().map(|case| case.name).collect();
        return Err(format!("no case {stranger:?}; there are: {}", known.join(", ")).into());
    }
    let is_wanted = |case: &&Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(all().filter(is_wanted).collect())
}
