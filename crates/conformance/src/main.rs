//! `sockeye-conformance`: Sockeye against test suites that others wrote, and against its own promise
//! that no input costs more than its length.
//!
//! `cargo run --release -p sockeye-conformance -- autobahn` runs all of the Autobahn TestSuite
//! against the server and against the client; `docs/conformance.md` tells the rest.
//!
//! `cargo run --release -p sockeye-conformance -- work` counts instructions; `docs/security.md` tells
//! what for.
#![forbid(unsafe_code)]
// Two of the examples that are tested have a module in common, and each is a module here.
#![allow(clippy::duplicate_mod)]

// In reading order; a module uses only modules declared below it.
mod autobahn;
#[cfg(feature = "deflate")]
mod work;
mod arguments;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Autobahn(options) => autobahn::autobahn(&options),
        #[cfg(feature = "deflate")]
        Command::Work(options) => work::work(&options),
    };
    match done {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("sockeye-conformance: {fault}");
            ExitCode::from(2)
        }
    }
}
