//! Debian packages that are installed when they are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::{Fault, Program};

/// Long enough for a slow mirror, short enough for a build to notice.
const INSTALL_WITHIN: Duration = Duration::from_secs(600);

/// Only one apt-get runs at a time: the second would fail on the lock of the first.
static APT: Mutex<()> = Mutex::new(());

/// The first of `names` that is an executable file in `PATH`.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    names.iter().find_map(|name| find_all(name).into_iter().next())
}

/// Every file called `name` in `PATH`, in the order of its folders.
pub(crate) fn find_all(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .filter(|file| file.is_file())
        .collect()
}

/// Installs `packages` with apt-get, which must be permitted: as root, or through a sudo that asks nothing.
pub(crate) fn install(packages: &[&str]) -> Result<(), Fault> {
    let _turn = APT.lock().map_err(|_| "an earlier installation panicked")?;
    let list = packages.join(" ");
    let refused = |why: &str| -> Fault {
        format!("cannot install {list}: {why}; install it by hand and run this again").into()
    };
    let apt = find(&["apt-get"]).ok_or_else(|| refused("this machine has no apt-get"))?;
    apt_get(&apt, &["update", "-q"]).map_err(|error| refused(&error.to_string()))?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&apt, &arguments).map_err(|error| refused(&error.to_string()))
}

/// Downloads a Debian package and unpacks it into `folder`, without installing it; that needs no permission.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<(), Fault> {
    let _turn = APT.lock().map_err(|_| "an earlier installation panicked")?;
    let refused = |why: &str| -> Fault {
        format!("cannot get {package}: {why}; install it by hand and run this again").into()
    };
    let apt = find(&["apt-get"]).ok_or_else(|| refused("this machine has no apt-get"))?;
    fs::create_dir_all(folder)?;
    let download = || {
        let mut command = Command::new(&apt);
        command.args(["download", "-q", package]).current_dir(folder);
        Program::start(command)?.succeed(INSTALL_WITHIN)
    };
    // Without lists of packages, or with old ones, they are renewed first.
    if download().is_err() {
        apt_get(&apt, &["update", "-q"]).map_err(|error| refused(&error.to_string()))?;
        download().map_err(|error| refused(&error.to_string()))?;
    }
    let archive = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| refused("apt-get left no archive"))?;
    let mut command = Command::new("dpkg-deb");
    command.arg("-x").arg(&archive).arg(folder);
    Program::start(command)?.succeed(INSTALL_WITHIN)?;
    Ok(())
}

fn apt_get(apt: &Path, arguments: &[&str]) -> Result<(), Fault> {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new(apt)
    } else {
        let mut sudo =
            Command::new(find(&["sudo"]).ok_or("apt-get needs root, and there is no sudo")?);
        sudo.arg("-n").arg(apt);
        sudo
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    Program::start(command)?.succeed(INSTALL_WITHIN)?;
    Ok(())
}
