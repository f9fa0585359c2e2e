//! The command line.

mod bench;

use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

pub(crate) use bench::{
    Bench, BroadcastLoad, Common, ConnectLoad, EchoLoad, IdleLoad, Kind, Length, Scenario, Shape,
};

/// A WebSocket server and client; without a command, the server on 127.0.0.1:9001
#[derive(Debug, Parser)]
#[command(name = "sockeye", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// What to do; without it, serve on 127.0.0.1:9001.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the example routes, and a page at / that uses them
    Serve(Serve),
    /// Talk to a WebSocket server from the terminal: lines go out, messages come in
    Connect(Connect),
    /// Measure a WebSocket server, this one or another, under load
    Bench(Bench),
}

/// What `sockeye serve` has to offer, below its options.
const ROUTES: &str = "\
Routes:
  /                         the page
  /echo                     every message comes back; also /echo/async and /echo/blocking
  /broadcast                every message goes to everyone who is there
  /connect                  answers Hello! to every message, and closes after 30 s without one
  /dialogue                 asks for a name and an age
  /ticker                   the time, once a second
  /chat                     a room; /name NAME changes the name that others see
  /ws/{version}/productos   create NAME, update ID NAME, delete ID, list
  /slow                     an echo that takes one message a second
  /figures                  what the server counts, once a second
  /metrics, /healthz        plain GET, for Prometheus and for a load balancer

Stopping:
  Ctrl-C or SIGTERM closes every connection with code 1001 and ends with status 0 when all have
  answered, or after 10 s. Signals within a second of the first are the same request; one that
  comes later ends the server at once.";

/// The options of `sockeye serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = ROUTES)]
pub(crate) struct Serve {
    /// Where to listen: host and port, where port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    pub(crate) listen: String,
    /// Event loops, each on a thread of its own [default: one per core]
    #[arg(long, value_name = "N", value_parser = count::<NonZeroUsize>)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// The largest message that is taken, in bytes, or with a suffix: 64K, 16M, 1G
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = size)]
    pub(crate) max_message: NonZeroUsize,
    /// The most fragments that a message may come in [default: BYTES / 64, at least 1024]
    #[arg(long, value_name = "N", value_parser = count::<NonZeroU32>)]
    pub(crate) max_fragments: Option<NonZeroU32>,
    /// Compress messages for clients that offer permessage-deflate
    #[arg(long)]
    pub(crate) deflate: bool,
}

/// What there is to know about `sockeye connect`, below its options.
const CONVERSATION: &str = "\
Each line of the input is sent as one message, and each message that comes is printed as a line.
Ctrl-D ends the input and closes with code 1000. When the input is a file or a pipe, its end closes
only after --wait, so that answers still arrive; a server that never falls silent is left with Ctrl-C.
Ctrl-C closes with code 1001; again, after a second, it ends the program at once.

Exit status:
  0    the connection was closed cleanly, with code 1000 or without a code
  1    it was refused, failed, or closed in another way
  2    the command line is wrong
  130  after Ctrl-C or SIGTERM (143 if a second SIGTERM had to end it)
  141  nobody reads the output any more";

/// The options of `sockeye connect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = CONVERSATION)]
pub(crate) struct Connect {
    /// Where to connect, such as ws://127.0.0.1:9001/echo
    pub(crate) url: String,
    /// Send each line as a binary message, and write the bytes of binary messages as they are
    #[arg(long)]
    pub(crate) binary: bool,
    /// Another header for the handshake; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// A subprotocol to offer, the preferred one first; may be given several times
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub(crate) subprotocols: Vec<String>,
    /// After the end of a piped input, close when no message has come for so long
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) wait: Duration,
    /// Offer the server to compress messages
    #[arg(long)]
    pub(crate) deflate: bool,
}

/// Without arguments the command serves with these.
impl Default for Serve {
    fn default() -> Self {
        let bare = Arguments::parse_from(["sockeye", "serve"]);
        match bare.command {
            Some(Command::Serve(serve)) => serve,
            _ => unreachable!("`serve` parses as serve"),
        }
    }
}

fn count<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "expected a whole number, at least 1")
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or("expected a number of seconds, such as 5 or 0.5")
}

fn size(text: &str) -> Result<NonZeroUsize, &'static str> {
    let expected = "expected a number of bytes, at least 1, such as 65536, 64K, 1MiB or 1MB";
    bytes(text).and_then(NonZeroUsize::new).ok_or(expected)
}

/// The longest message that is worth sending; each process holds two of them.
const LENGTH_MAX: usize = 1 << 30;

fn length(text: &str) -> Result<usize, &'static str> {
    let expected = "expected a number of bytes, at most 1G, such as 20, 64K or 1MiB";
    bytes(text).filter(|len| *len <= LENGTH_MAX).ok_or(expected)
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let expected = "expected a number of messages a second, above 0 and at most 1000000000";
    text.parse().ok().filter(|rate| (1e-6..=1e9).contains(rate)).ok_or(expected)
}

/// Bytes, where K, M and G with or without iB count in powers of 1,024, and with B in powers of 1,000.
fn bytes(text: &str) -> Option<usize> {
    let digits_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, suffix) = text.split_at(digits_len);
    let unit: usize = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<usize>().ok().and_then(|count| count.checked_mul(unit))
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected a name, a colon and a value")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_that_programs_outside_rely_on() {
        let serve = Serve::default();
        assert_eq!(serve.listen, "127.0.0.1:9001");
        assert_eq!(serve.max_message.get(), 1 << 20);
        assert_eq!(serve.max_fragments, None);
    }

    #[test]
    fn sizes_have_suffixes() {
        for (text, bytes) in [
            ("65536", 65536),
            ("1b", 1),
            ("64K", 64 << 10),
            ("1MiB", 1 << 20),
            ("64m", 64 << 20),
            ("2G", 2 << 30),
            ("1MB", 1_000_000),
        ] {
            assert_eq!(size(text).map(NonZeroUsize::get), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "K",
            "0",
            "0M",
            "1.5M",
            "-1",
            "1 M",
            "1T",
            "many",
            "99999999999999999999",
            "99999999999G",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for text in ["", "-1", "NaN", "inf", "1e300", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_is_cut_at_its_first_colon() {
        assert_eq!(header("X-Time: 12:30"), Ok(("X-Time".to_owned(), "12:30".to_owned())));
        assert!(header("nothing").is_err());
    }
}
