//! `sockeye-conformance`: Sockeye against test suites that others wrote.
//!
//! `cargo run --release -p sockeye-conformance -- autobahn` runs all of the Autobahn TestSuite
//! against the server and against the client; `docs/conformance.md` tells the rest.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it.
mod autobahn;
mod arguments;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let Command::Autobahn(options) = Arguments::parse().command;
    match autobahn::autobahn(&options) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("sockeye-conformance: {fault}");
            ExitCode::from(2)
        }
    }
}
