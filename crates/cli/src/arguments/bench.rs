use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{count, header, length, rate, seconds};

/// What there is to know about `sockeye bench`, below its commands.
const MEASURING: &str = "\
URLs:
  ws://HOST:PORT/PATH   a WebSocket server, of whatever make
  tcp://HOST:PORT       a server that sends back the bytes that come, which is the least that any
                        echo costs; it gets the same frames, and its replies are checked as well

What is measured:
  Latency goes from when a message was handed to its connection to when its whole reply was read;
  with --rate, from when the message was due, so that waiting for a slow server is part of it.
  With --server-pid of a server on this machine, also what it costs that process: time on a
  processor (all threads, user and kernel, from the scheduler's own count), memory, system calls
  as far as the kernel counts them. The server's time is exact even where the machine is shared,
  which messages per second are not.

Examples:
  sockeye serve &
  sockeye bench echo ws://127.0.0.1:9001/echo --connections 100 --window 32 --server-pid $!
  sockeye bench echo ws://127.0.0.1:9001/echo --rate 10000 --duration 30 --plot latency.svg
  sockeye bench idle ws://127.0.0.1:9001/echo --connections 10000 --server-pid $!
  sockeye bench connect ws://127.0.0.1:9001/echo --connections 1000 --server-pid $!
  sockeye bench broadcast ws://127.0.0.1:9001/broadcast --connections 1000 --window 16
  sockeye bench broadcast ws://127.0.0.1:9001/broadcast --connections 1000 --stalled 1

Exit status:
  0    it ran, and every reply was what it must be
  1    the server could not be reached, gave a wrong reply, none, or closed
  2    the command line is wrong";

/// The options of `sockeye bench`.
#[derive(Debug, Clone, Args)]
#[command(after_help = MEASURING)]
pub(crate) struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

/// What `sockeye bench` can measure.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Scenario {
    /// Send messages, and wait for each to come back
    #[command(args_override_self = true)]
    Echo(EchoLoad),
    /// Open connections and keep them open, with nothing to say
    #[command(args_override_self = true)]
    Idle(IdleLoad),
    /// Open connections, as many at a time as the window allows, and close them again
    Connect(ConnectLoad),
    /// Send messages that the server passes on to everyone, and wait until everyone has each
    Broadcast(BroadcastLoad),
}

/// What all of them have.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Where to connect; several take the connections in turn
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// How many connections there are
    #[arg(long, short, value_name = "N", default_value = "100", value_parser = count::<NonZeroUsize>)]
    pub(crate) connections: NonZeroUsize,
    /// A process of the server, to measure what it costs; may be given several times
    #[arg(long = "server-pid", value_name = "PID")]
    pub(crate) server_pids: Vec<u32>,
    /// Another header for the handshakes; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// How long the server may take for an upgrade or a reply before it counts as dead
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) patience: Duration,
    /// Stay on this processor, counted from 0, and leave the others to the server
    #[arg(long, value_name = "N")]
    pub(crate) cpu: Option<usize>,
    /// The congestion control of the connections, such as reno, instead of the system's own
    #[arg(long, value_name = "NAME")]
    pub(crate) congestion: Option<String>,
    /// Print the result as JSON: times in nanoseconds, sizes in bytes
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the percentiles of the latency into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Run once for each line of the standard input, over the same connections, and print each
    /// result as a line of JSON; what other programs drive a load with
    #[arg(long, hide = true)]
    pub(crate) steps: bool,
    /// Be one process of a load over several: the one that starts them looks at the server
    #[arg(long, hide = true)]
    pub(crate) member: bool,
    /// How many connections other processes have opened, which says what address these come from
    #[arg(long, value_name = "N", default_value = "0", hide = true)]
    pub(crate) first: usize,
    /// How many connections a process may have; what the system allows, if that is less
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) per_process: Option<NonZeroUsize>,
    /// Addresses that the names in the URLs have, so that they are looked up only once
    #[arg(long = "address", value_name = "ADDRESS", hide = true)]
    pub(crate) addresses: Vec<SocketAddr>,
}

/// What kind of messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Text of ASCII
    Text,
    /// Text of which most characters take two to four bytes
    MultiByte,
    /// Binary, of random bytes
    Binary,
}

/// Messages.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shape {
    /// Payload of a message, in bytes, or with a suffix: 64K, 1MiB
    #[arg(long, short, value_name = "BYTES", default_value = "20", value_parser = length)]
    pub(crate) size: usize,
    /// What the payload is
    #[arg(long, short, value_enum, default_value = "text")]
    pub(crate) kind: Kind,
    /// Compare every byte of every reply; without it, only its opcode and its length
    #[arg(long)]
    pub(crate) check: bool,
}

/// How long it goes on.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("length").args(["count", "duration"]))]
pub(crate) struct Length {
    /// Stop after so many messages (of `connect`: connections)
    #[arg(long, short = 'n', value_name = "N", value_parser = count::<NonZeroUsize>)]
    pub(crate) count: Option<NonZeroUsize>,
    /// Stop after so long, and wait for the replies that are missing then
    #[arg(long, short, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) duration: Duration,
}

/// The options of `sockeye bench echo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EchoLoad {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) length: Length,
    /// How many messages each connection has under way at a time
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = count::<NonZeroUsize>)]
    pub(crate) window: NonZeroUsize,
    /// Messages a second, over all connections, each due at its own time, whatever the server does;
    /// without it, as fast as it goes
    #[arg(long, short, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,
}

/// The options of `sockeye bench idle`.
#[derive(Debug, Clone, Args)]
pub(crate) struct IdleLoad {
    #[command(flatten)]
    pub(crate) common: Common,
    /// How long to keep the connections when all are open; pings are answered all the time
    #[arg(long, short, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) duration: Duration,
    /// Let each connection send a message of so many bytes and wait for its echo before it falls
    /// silent, as those that were in use have done
    #[arg(long, short, value_name = "BYTES", value_parser = length)]
    pub(crate) size: Option<usize>,
}

/// The options of `sockeye bench connect`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectLoad {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) length: Length,
    /// How many connections are being opened at a time; when all --connections are open they are
    /// closed, and the next are opened
    #[arg(long, short, value_name = "N", default_value = "32", value_parser = count::<NonZeroUsize>)]
    pub(crate) window: NonZeroUsize,
}

/// The options of `sockeye bench broadcast`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BroadcastLoad {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) length: Length,
    /// How many messages are under way at a time: sent by the one connection more that sends, and
    /// not yet with all --connections that receive
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = count::<NonZeroUsize>)]
    pub(crate) window: NonZeroUsize,
    /// Open so many connections more that get the same and never read, to see what that costs the
    /// others
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) stalled: usize,
}
