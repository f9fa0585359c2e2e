//! The `sockeye` command.
#![forbid(unsafe_code)]

mod bench;
mod serve;
mod connect;
mod interrupt;
mod arguments;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, Serve};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        None => serve::serve(&Serve::default()),
        Some(Command::Serve(options)) => serve::serve(&options),
        Some(Command::Connect(options)) => connect::connect(&options),
        Some(Command::Bench(options)) => bench::bench(&options),
    };
    result.unwrap_or_else(|complaint| {
        eprintln!("sockeye: {complaint}");
        ExitCode::FAILURE
    })
}
