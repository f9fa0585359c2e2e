//! Node with the npm package `ws`, below `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::{Fault, Program, Python, scratch};

const WS: &str = "8.23.0";
const INSTALL_WITHIN: Duration = Duration::from_secs(300);

/// A Node, and the folder with its packages.
#[derive(Debug, Clone)]
pub struct Node {
    executable: PathBuf,
    folder: PathBuf,
}

impl Node {
    /// Installs what is missing on the first call: Node itself comes with the Python environment, so that its version is
    /// known; `SOCKEYE_NODE=/usr/bin/node` takes another one instead.
    ///
    /// # Errors
    /// When one of them cannot be installed.
    pub fn with_ws() -> Result<Self, Fault> {
        static MADE: OnceLock<Result<Node, String>> = OnceLock::new();
        Ok(MADE.get_or_init(|| make().map_err(|error| error.to_string())).clone()?)
    }

    /// A command that runs the first Node there is: `SOCKEYE_NODE`, one in `PATH`, or the one that is installed for
    /// the packages.
    ///
    /// # Errors
    /// When there is none, and none can be installed.
    pub fn command() -> Result<Command, Fault> {
        let named = std::env::var_os("SOCKEYE_NODE").unwrap_or_else(|| "node".into());
        let mut version = Command::new(&named);
        version.arg("--version");
        let is_there =
            Program::start(version).and_then(|mut program| program.succeed(INSTALL_WITHIN)).is_ok();
        Ok(if is_there { Command::new(named) } else { Command::new(Self::with_ws()?.executable) })
    }

    /// Starts `script` with the folder of the packages as its argument.
    ///
    /// # Errors
    /// When Node does not start.
    pub fn start(&self, script: &Path) -> Result<Program, Fault> {
        let mut command = Command::new(&self.executable);
        if self.takes("--experimental-websocket") {
            command.args(["--no-warnings", "--experimental-websocket"]);
        }
        command.arg(script).arg(&self.folder);
        Program::start(command)
    }

    /// A Node that has its WebSocket by default still takes the option that earlier ones need.
    fn takes(&self, option: &str) -> bool {
        let mut command = Command::new(&self.executable);
        command.args([option, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]);
        Program::start(command).and_then(|mut program| program.succeed(INSTALL_WITHIN)).is_ok()
    }
}

fn make() -> Result<Node, Fault> {
    let bundled = Python::with_peers()?.program("node");
    let executable =
        std::env::var_os("SOCKEYE_NODE").map_or_else(|| bundled.clone(), PathBuf::from);
    let folder = scratch().join("node");
    let node = Node { executable, folder };
    if has_ws(&node.folder) {
        return Ok(node);
    }
    fs::create_dir_all(&node.folder)?;
    let mut command = Command::new(bundled.with_file_name("npm"));
    command.args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"]);
    command.arg("--prefix").arg(&node.folder).arg(format!("ws@{WS}"));
    // npm is a script of the Node beside it.
    let mut path = bundled.parent().map_or_else(Vec::new, |folder| vec![folder.to_owned()]);
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.env("PATH", std::env::join_paths(path)?);
    Program::start(command)?
        .succeed(INSTALL_WITHIN)
        .map_err(|error| format!("npm cannot install ws {WS}: {error}"))?;
    if has_ws(&node.folder) { Ok(node) } else { Err(format!("npm installed no ws {WS}").into()) }
}

fn has_ws(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("node_modules/ws/package.json"));
    manifest
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|manifest| manifest["version"] == WS)
}
