//! One server of those that Sockeye is measured beside, or Sockeye's own, by its name.
//!
//! Each is the fastest honest form of its library: what a user who read its documentation for speed would write, with
//! all its checks. All are one thread, set TCP_NODELAY, take messages of up to 64 MiB, check that text is UTF-8, and
//! send the replies to everything that one read brought with one flush, where the library lets them.

// In reading order; a module uses only modules declared below it.
mod conversation;
mod events;
mod on_tokio;
#[cfg(target_os = "linux")]
mod uring;
mod fastwebsockets;
mod sockudo_ws;
mod tokio_tungstenite;
mod tokio_websockets;
mod batches;
mod hub;
mod runtime;
mod raw;

use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// The longest message that a server takes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Connections that wait to be accepted; the kernel takes the least of this and of its own limit.
const BACKLOG: i32 = 4096;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What listens, and how.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// A TCP echo on mio: one recv and one send for each wake-up; the ceiling
    Raw,
    /// As raw, but a broadcast is sent message by message
    RawSingly,
    /// Sockeye, with events on the loop
    Events,
    /// Sockeye, with an async function for each connection
    Async,
    /// Sockeye on tokio
    Tokio,
    /// The protocol on io_uring, with an echo only
    #[cfg(target_os = "linux")]
    Uring,
    Fastwebsockets,
    SockudoWs,
    TokioTungstenite,
    TokioWebsockets,
}

/// Be one of the servers, on a port that the system chooses and that is printed.
#[derive(Debug, Parser)]
struct Arguments {
    name: Name,
    /// Send every message to everyone instead of back
    #[arg(long)]
    broadcast: bool,
    /// What a client has under way at most, in bytes: those that allocate their read buffer once take it from this
    #[arg(long, default_value_t = 4096)]
    window_bytes: usize,
    /// What a message has on the wire: known to who sends messages one by one without a look at what is in them
    #[arg(long, default_value_t = 1)]
    message_bytes: usize,
    /// Ping connections that are silent every so many seconds: known to the raw server and to Sockeye's
    #[arg(long)]
    heartbeat: Option<u64>,
    /// The congestion control of the connections, instead of the system's own
    #[arg(long)]
    congestion: Option<String>,
    /// Stay on this processor
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    if let Some(cpu) = arguments.cpu {
        let mut set = rustix::thread::CpuSet::new();
        set.set(cpu);
        rustix::thread::sched_setaffinity(None, &set)?;
    }
    raise_descriptor_limit();
    let listener = listen(arguments.congestion.as_deref())?;
    let broadcast = arguments.broadcast;
    let heartbeat = arguments.heartbeat.map(Duration::from_secs);
    match arguments.name {
        Name::Raw if heartbeat.is_some() => {
            raw::heartbeat(told(listener)?, heartbeat.unwrap_or_default())?;
        }
        Name::Raw if broadcast => raw::broadcast(told(listener)?, usize::MAX)?,
        Name::RawSingly if broadcast => {
            raw::broadcast(told(listener)?, arguments.message_bytes.max(1))?;
        }
        Name::Raw | Name::RawSingly => raw::echo(told(listener)?)?,
        Name::Events => events::serve(listener, broadcast, heartbeat)?,
        #[cfg(target_os = "linux")]
        Name::Uring if broadcast => return Err("it has no broadcast".into()),
        #[cfg(target_os = "linux")]
        Name::Uring => uring::serve(told(listener)?)?,
        Name::Async => conversation::serve(listener, broadcast, heartbeat)?,
        Name::Tokio => on_tokio::serve(told(listener)?, broadcast)?,
        Name::Fastwebsockets => fastwebsockets::serve(told(listener)?, broadcast)?,
        Name::SockudoWs => sockudo_ws::serve(told(listener)?, broadcast)?,
        Name::TokioTungstenite => {
            tokio_tungstenite::serve(told(listener)?, broadcast, arguments.window_bytes)?;
        }
        Name::TokioWebsockets => tokio_websockets::serve(told(listener)?, broadcast)?,
    }
    Ok(())
}

/// A listener on a port that the system chooses. What it accepts has its congestion control.
fn listen(congestion: Option<&str>) -> Result<TcpListener, Fault> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    if let Some(name) = congestion {
        set_congestion(&socket, name).map_err(|error| format!("--congestion {name}: {error}"))?;
    }
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from(socket))
}

#[cfg(target_os = "linux")]
fn set_congestion(socket: &socket2::Socket, name: &str) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_congestion(socket, name)?)
}

#[cfg(not(target_os = "linux"))]
fn set_congestion(_socket: &socket2::Socket, _name: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The listener, when its address has been told. What comes before it is served waits.
fn told(listener: TcpListener) -> io::Result<TcpListener> {
    say(&listener.local_addr()?)?;
    Ok(listener)
}

fn say(address: &std::net::SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpStream;

    use rustix::net::sockopt::tcp_congestion;

    use super::listen;

    #[test]
    fn what_is_accepted_has_the_congestion_control_of_its_listener() {
        let listener = listen(Some("reno")).expect("everybody may have it");
        let _client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (accepted, _) = listener.accept().expect("it has come");
        assert_eq!(tcp_congestion(&accepted).expect("a name"), "reno");
        let error = listen(Some("nobody")).expect_err("there is none").to_string();
        assert!(error.starts_with("--congestion nobody: "), "{error}");
    }
}
