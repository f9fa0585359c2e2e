//! The installed suite: in a Python environment of its own, or in a container.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, to_string_pretty};
use sockeye_interop::{Fault, Program};

/// The last release; its reports are what the expectations were written for.
const VERSION: &str = "25.10.1";
/// The last release of virtualenv that makes environments for Python 2.7.
const VIRTUALENV: &str = "virtualenv==20.21.1";
const IMAGE: &str = "crossbario/autobahn-testsuite";
/// Keeps the suite to the loopback interface.
const LOOPBACK: &str = include_str!("loopback.py");

/// Long enough for a slow mirror and a slow compiler.
const INSTALL_WITHIN: Duration = Duration::from_secs(900);
/// For a program that only says what it is.
const ASK_WITHIN: Duration = Duration::from_secs(60);

/// Something that runs `wstest`.
#[derive(Debug)]
pub(crate) struct Suite {
    folder: PathBuf,
    runner: Runner,
}

#[derive(Debug)]
enum Runner {
    /// The interpreter of an environment that has the suite.
    Environment(PathBuf),
    /// Docker, with the suite's own image.
    Image,
}

impl Suite {
    /// Finds the suite in `folder`, or installs it there, or fetches its image.
    ///
    /// # Errors
    /// When there is no way to have it here; the message says what is missing.
    pub(crate) fn install(folder: &Path) -> Result<Self, Fault> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        fs::write(folder.join("loopback.py"), LOOPBACK)?;
        let environment = match environment(&folder) {
            Ok(python) => return Ok(Self { folder, runner: Runner::Environment(python) }),
            Err(fault) => fault,
        };
        match image() {
            Ok(()) => Ok(Self { folder, runner: Runner::Image }),
            Err(image) => Err(format!(
                "the Autobahn TestSuite cannot be had here\n\
                 in an environment of its own: {environment}\n\
                 in a container: {image}"
            )
            .into()),
        }
    }

    /// An empty folder for the reports of one role.
    pub(crate) fn reports(&self, name: &str) -> Result<PathBuf, Fault> {
        let folder = self.folder.join("reports").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts `wstest` in one of its modes with a specification, which is kept beside the reports.
    pub(crate) fn start(&self, mode: &str, spec: &Value, reports: &Path) -> Result<Program, Fault> {
        let file = reports.join("spec.json");
        fs::write(&file, to_string_pretty(spec)?)?;
        let mut command = match &self.runner {
            Runner::Environment(python) => Command::new(python),
            Runner::Image => self.container()?,
        };
        // Unbuffered, so that its progress can be followed; port 0 is for no web server of its own.
        command.arg("-u").arg(self.folder.join("loopback.py"));
        command.args(["-m", mode, "-u", "0", "-s"]).arg(file);
        Program::start(command)
    }

    /// The image's Python, which is the one that its `wstest` names in the first line, with our
    /// folder at the same path and the host's loopback interface.
    fn container(&self) -> Result<Command, Fault> {
        let folder = self.folder.to_str().ok_or("the path of the target folder is not UTF-8")?;
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--interactive", "--init", "--network", "host"]);
        // The reports belong to whoever owns the folder, not to the container's root.
        let owner = fs::metadata(&self.folder)?;
        command.args(["--user", &format!("{}:{}", owner.uid(), owner.gid())]);
        command.args(["--volume", &format!("{folder}:{folder}"), "--workdir", folder]);
        command.args(["--entrypoint", "sh", &tagged()]);
        command.args([
            "-c",
            "exec $(sed -n '1s/^#!//p' \"$(command -v wstest)\") \"$@\"",
            "wstest",
        ]);
        Ok(command)
    }
}

/// The interpreter of the environment in `folder`, which is made if it does not have the suite yet.
fn environment(folder: &Path) -> Result<PathBuf, Fault> {
    let python = folder.join("python2/bin/python");
    if has_suite(&python) {
        return Ok(python);
    }
    let python2 = interpreters("python2.7", 2)
        .next()
        .ok_or("there is no Python 2.7 in PATH or under pyenv (`pyenv install 2.7.18`)")?;
    let tool = virtualenv(folder)?;
    let made = folder.join("python2");
    let arguments = ["--clear".as_ref(), "-p".as_ref(), python2.as_os_str(), made.as_os_str()];
    succeed(&tool.join("bin/virtualenv"), &arguments)
        .map_err(|error| format!("no environment for Python 2.7: {error}"))?;
    pip(&made, &format!("autobahntestsuite=={VERSION}"))
        .map_err(|error| format!("{error}\n(a C compiler is needed, and the package registry)"))?;
    if has_suite(&python) { Ok(python) } else { Err("the installed suite does not start".into()) }
}

fn has_suite(python: &Path) -> bool {
    let ask = format!("import autobahntestsuite as suite; assert suite.version == '{VERSION}'");
    python.is_file() && answers(python, &["-c", &ask])
}

/// An environment with virtualenv, made by the first Python 3 that can: Debian ships it without
/// what that needs.
fn virtualenv(folder: &Path) -> Result<PathBuf, Fault> {
    let tool = folder.join("virtualenv");
    let mut fault = Fault::from("there is no Python 3 in PATH or under pyenv");
    for python3 in interpreters("python3", 3) {
        let arguments = ["-m".as_ref(), "venv".as_ref(), "--clear".as_ref(), tool.as_os_str()];
        match succeed(&python3, &arguments).and_then(|()| pip(&tool, VIRTUALENV)) {
            Ok(()) => return Ok(tool),
            Err(error) => fault = error,
        }
    }
    Err(fault)
}

/// Each Python of this major version that starts: one in front of `PATH` may be a shim without a
/// version behind it.
fn interpreters(name: &str, major: u32) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(pyenv().into_iter().map(|version| version.join("bin")));
    let ask = format!("import sys; assert sys.version_info[0] == {major}");
    let files: Vec<_> = folders.into_iter().map(|folder| folder.join(name)).collect();
    files.into_iter().filter(move |file| file.is_file() && answers(file, &["-c", &ask]))
}

/// The folders of the versions that pyenv has.
fn pyenv() -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv"));
    let Some(root) = root.or(home) else { return Vec::new() };
    let entries = fs::read_dir(root.join("versions")).into_iter().flatten();
    let mut versions: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    versions
}

fn pip(environment: &Path, package: &str) -> Result<(), Fault> {
    let python = environment.join("bin/python");
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package];
    succeed(&python, &arguments.map(OsStr::new))
        .map_err(|error| format!("pip cannot install {package}: {error}").into())
}

/// Docker's engine, and the suite's image in it.
fn image() -> Result<(), Fault> {
    let ask = ["version", "--format", "{{.Server.Version}}"].map(OsStr::new);
    succeed(Path::new("docker"), &ask)
        .map_err(|error| format!("docker's engine does not answer: {error}"))?;
    succeed(Path::new("docker"), &["pull", "--quiet", &tagged()].map(OsStr::new))
        .map_err(|error| format!("docker cannot fetch {}: {error}", tagged()).into())
}

fn tagged() -> String {
    format!("{IMAGE}:{VERSION}")
}

fn succeed(program: &Path, arguments: &[&OsStr]) -> Result<(), Fault> {
    let mut command = Command::new(program);
    command.args(arguments);
    Program::start(command)?.succeed(INSTALL_WITHIN)?;
    Ok(())
}

fn answers(program: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments);
    Program::start(command).and_then(|mut program| program.succeed(ASK_WITHIN)).is_ok()
}
