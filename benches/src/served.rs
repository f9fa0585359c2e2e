//! A `sockeye serve` of one's own on a port of the system's choice, for programs that measure it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with this value.
#[derive(Debug)]
pub struct Served {
    child: Child,
    address: SocketAddr,
}

impl Served {
    /// Starts the program at `sockeye` with so many reactor threads.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    ///
    /// # Panics
    ///
    /// If the standard library breaks its word about a pipe.
    pub fn start(sockeye: &Path, threads: usize) -> Result<Self, String> {
        let mut child = Command::new(sockeye)
            .args(["serve", "--listen", "127.0.0.1:0", "--threads", &threads.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", sockeye.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was piped");
        let _ = BufReader::new(stdout).read_line(&mut line);
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        if let Some(address) = address.and_then(|address| address.parse().ok()) {
            return Ok(Self { child, address });
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(format!("the server says {line:?}"))
    }

    /// The address of one of its routes.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// One of its figures, from `/metrics`.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<u64> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let name = format!("sockeye_{name} ");
        answer.lines().find_map(|line| line.strip_prefix(&name))?.parse().ok()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
