//! Clients in a process of their own, so that they can be killed, and so that each side has descriptors enough.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::wire::{BINARY, FIN, Wire, header};

const PLAN: &str = "SOCKEYE_CROWD";
const READY: &str = "the crowd is there";

/// What the clients of a crowd do before they wait to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Sends the first lines of a request.
    HalfHandshake,
    /// Opens /echo and sends the first part of a message.
    HalfMessage,
    /// Connects and says nothing.
    Silence,
}

/// The child process; dropping it kills it with SIGKILL.
pub(crate) struct Crowd {
    child: Child,
    _stdout: BufReader<ChildStdout>,
}

impl Crowd {
    /// Starts `count` clients and waits until all of them have done their part.
    pub(crate) fn gather(plan: Plan, count: usize, address: SocketAddr) -> Self {
        let mut command = Command::new(env::current_exe().expect("this test has a path"));
        command.args(["--exact", "crowd::child", "--nocapture", "--test-threads", "1"]);
        command.env(PLAN, format!("{plan:?} {count} {address}"));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut said = String::new();
        while !said.ends_with(&format!("{READY}\n")) {
            let bytes = stdout.read_line(&mut said).expect("text");
            assert!(bytes > 0, "the crowd failed: {said}");
        }
        Self { child, _stdout: stdout }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As many clients as `wanted`, or as the hard limit leaves room for.
pub(crate) fn permitted(wanted: usize) -> usize {
    let hard = getrlimit(Resource::Nofile)
        .maximum
        .map_or(wanted, |maximum| usize::try_from(maximum).unwrap_or(usize::MAX));
    wanted.min(hard.saturating_sub(500))
}

/// Not a test by itself: the body of the child process, which does nothing when nobody asked for a crowd.
#[test]
fn child() {
    let Ok(plan) = env::var(PLAN) else { return };
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may rise to the hard one");
    let parts: Vec<_> = plan.split(' ').collect();
    let [plan, count, address] = parts[..] else { panic!("a plan, a count and an address") };
    let address = address.parse().expect("an address");
    let count = count.parse().expect("a count");
    let act: fn(SocketAddr) -> TcpStream = match plan {
        "HalfMessage" => mid_message,
        "Silence" => silent,
        _ => half_open,
    };
    let clients: Vec<_> = (0..count).map(|_| act(address)).collect();
    println!("\n{READY}");
    // Until the parent kills this process, or goes away itself and closes the pipe.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(clients);
}

fn silent(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).expect("the backlog has room")
}

fn half_open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    write!(stream, "GET /echo HTTP/1.1\r\nHost: {address}\r\nUpgrade: web")
        .expect("the server listens");
    stream
}

fn mid_message(address: SocketAddr) -> TcpStream {
    let mut wire = Wire::open(address, "/echo");
    wire.send(&header(FIN | BINARY, 100_000));
    wire.send(&[7; 50_000]);
    wire.stream
}
