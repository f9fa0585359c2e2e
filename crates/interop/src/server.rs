//! The `sockeye` command, built and started as its user would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::{Fault, Program};

/// Long enough for the first build of every dependency on a small machine.
const BUILD_WITHIN: Duration = Duration::from_secs(900);
const START_WITHIN: Duration = Duration::from_secs(20);

/// A running `sockeye serve` on a port that the system chose.
#[derive(Debug)]
pub struct Server {
    program: Program,
    address: String,
}

impl Server {
    /// Builds the command if needed and starts it.
    ///
    /// # Errors
    /// When it does not build, or does not say where it listens.
    pub fn start() -> Result<Self, Fault> {
        let mut command = Command::new(Self::executable()?);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        Self::listening(command)
    }

    /// Builds the product application and starts it, with its products in `file`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_products(file: &Path) -> Result<Self, Fault> {
        let mut command = Command::new(build("sockeye-products", "sockeye-products")?);
        command.arg(file).arg("127.0.0.1:0");
        Self::listening(command)
    }

    /// Starts a program that says where it listens.
    fn listening(command: Command) -> Result<Self, Fault> {
        let mut program = Program::start(command)?;
        let line = program.line_with("http://", START_WITHIN)?;
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default();
        Ok(Self { address: address.trim().to_owned(), program })
    }

    /// The path of the `sockeye` binary, built on the first call.
    ///
    /// # Errors
    /// When it does not build.
    pub fn executable() -> Result<PathBuf, Fault> {
        static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        Ok(BUILT
            .get_or_init(|| build("sockeye-cli", "sockeye").map_err(|error| error.to_string()))
            .clone()?)
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The WebSocket URL of a route.
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Stops the server as Ctrl-C does and waits until it has ended.
    ///
    /// # Errors
    /// When it does not end by itself within `within`, or ends with a fault.
    pub fn interrupt(&mut self, within: Duration) -> Result<(), Fault> {
        self.program.interrupt()?;
        self.program.succeed(within)?;
        Ok(())
    }
}

/// Cargo cannot hand a binary of one package to the tests of another, so it is asked to build it here.
fn build(package: &str, executable: &str) -> Result<PathBuf, Fault> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "-q", "-p", package, "--bin", executable, "--message-format=json"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let lines = Program::start(command)?.succeed(BUILD_WITHIN)?;
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == executable)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .ok_or_else(|| format!("cargo built no executable called {executable}").into())
}
