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
    let broadcast = arguments.broadcast;
    let heartbeat = arguments.heartbeat.map(Duration::from_secs);
    match arguments.name {
        Name::Raw if heartbeat.is_some() => {
            raw::heartbeat(listen()?, heartbeat.unwrap_or_default())?;
        }
        Name::Raw if broadcast => raw::broadcast(listen()?, usize::MAX)?,
        Name::RawSingly if broadcast => {
            raw::broadcast(listen()?, arguments.message_bytes.max(1))?;
        }
        Name::Raw | Name::RawSingly => raw::echo(listen()?)?,
        Name::Events => events::serve(broadcast, heartbeat)?,
        #[cfg(target_os = "linux")]
        Name::Uring if broadcast => return Err("it has no broadcast".into()),
        #[cfg(target_os = "linux")]
        Name::Uring => uring::serve(listen()?)?,
        Name::Async => conversation::serve(broadcast, heartbeat)?,
        Name::Tokio => on_tokio::serve(listen()?, broadcast)?,
        Name::Fastwebsockets => fastwebsockets::serve(listen()?, broadcast)?,
        Name::SockudoWs => sockudo_ws::serve(listen()?, broadcast)?,
        Name::TokioTungstenite => {
            tokio_tungstenite::serve(listen()?, broadcast, arguments.window_bytes)?;
        }
        Name::TokioWebsockets => tokio_websockets::serve(listen()?, broadcast)?,
    }
    Ok(())
}

/// A listener on a port that the system chooses, which is told.
fn listen() -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
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
