//! nginx as a reverse proxy on the loopback interface, with a folder of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::packages::{find, unpack};
use crate::{Fault, Program, scratch};

const START_WITHIN: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 5;

/// A running proxy; it ends when this is dropped, and its folder goes with it.
#[derive(Debug)]
pub struct Nginx {
    program: Program,
    address: SocketAddr,
    folder: PathBuf,
}

impl Nginx {
    /// Starts a proxy in front of `target`. Where there is no nginx, Debian's package is unpacked below `target/`: it is
    /// not installed, since it would start a service.
    ///
    /// # Errors
    /// When it cannot be had, or does not start.
    pub fn start(target: SocketAddr) -> Result<Self, Fault> {
        let mut fault = Fault::from("nginx was not tried");
        // The port is free when it is chosen and may be taken when nginx binds it.
        for _ in 0..ATTEMPTS {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
            match launch(target, address) {
                Ok(nginx) => return Ok(nginx),
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The version that it tells.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn version() -> Result<String, Fault> {
        version(&executable()?)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked first, so that it removes what it made; the program's own drop kills it if it stays.
        if self.program.interrupt().is_ok() {
            let _ = self.program.wait(START_WITHIN);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn launch(target: SocketAddr, address: SocketAddr) -> Result<Nginx, Fault> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let folder = scratch().join(format!("nginx-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(target, address, &folder))?;
    let mut command = Command::new(executable()?);
    command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let mut program = Program::start(command)?;
    // It says so before it takes the first connection, and the socket listens already.
    program.line_with("start worker process", START_WITHIN)?;
    Ok(Nginx { program, address, folder })
}

/// What a proxy for WebSockets needs is the four lines from `proxy_pass` on (see `docs/conformance.md`).
fn configuration(target: SocketAddr, address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
{temporary}    server {{
        listen {address};
        location / {{
            proxy_pass http://{target};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"
    )
}

fn executable() -> Result<PathBuf, Fault> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    Ok(FOUND.get_or_init(|| look().map_err(|error| error.to_string())).clone()?)
}

/// Debian keeps it where only root's `PATH` leads.
fn look() -> Result<PathBuf, Fault> {
    let unpacked = scratch().join("nginx/usr/sbin/nginx");
    for candidate in [find(&["nginx"]), Some("/usr/sbin/nginx".into()), Some(unpacked.clone())] {
        if let Some(candidate) = candidate.filter(|file| file.is_file()) {
            return Ok(candidate);
        }
    }
    unpack("nginx", &scratch().join("nginx"))?;
    version(&unpacked).map_err(|error| format!("{error}; install Debian's package nginx"))?;
    Ok(unpacked)
}

fn version(executable: &Path) -> Result<String, Fault> {
    let mut command = Command::new(executable);
    command.arg("-v");
    let said = Program::start(command)?.succeed(START_WITHIN)?;
    let version = said.iter().find_map(|line| line.split_once("nginx/"));
    Ok(version.ok_or("nginx tells no version")?.1.to_owned())
}
