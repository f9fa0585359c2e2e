//! `sockeye connect`: lines of the terminal go out as messages, messages come in as lines.
//!
//! Standard output holds the messages and nothing else; what happens to the connection is told on standard error.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{
    BlockingReceiver, BlockingSender, Client, CloseCode, Error, Initiator, Message, Refusal,
};

use crate::arguments::Connect;
use crate::interrupt::on_interrupt;

/// Larger than any default: who connects by hand wants to see what comes.
const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// After the end of a script's input its answers are awaited until none came for so long,
const QUIET: Duration = Duration::from_millis(500);
/// and at most so long, since some servers never fall silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What is shown of a binary message, and of a refusal.
const SHOWN_BYTES_MAX: usize = 64;
const SHOWN_LINES_MAX: usize = 20;
/// The status that a shell gives to a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Talks until either side closes.
pub(crate) fn connect(options: &Connect) -> Result<ExitCode, String> {
    let socket =
        client(options).connect_blocking().map_err(|error| refusal(&options.url, &error))?;
    match socket.subprotocol() {
        Some(subprotocol) => eprintln!("connected to {}, speaking {subprotocol}", options.url),
        None => eprintln!("connected to {}", options.url),
    }
    let (sender, receiver) = socket.split();
    let interrupted = Arc::new(AtomicBool::new(false));
    let (noted, leaving) = (Arc::clone(&interrupted), sender.clone());
    on_interrupt(move || {
        noted.store(true, Ordering::Relaxed);
        // It waits for the peer's answer, and a second signal must be heard meanwhile. The receiver hears of the end,
        // whatever came of this.
        thread::spawn(move || leaving.close(CloseCode::GOING_AWAY, ""));
    })
    .map_err(|error| format!("cannot wait for signals: {error}"))?;

    let binary = options.binary;
    let typing = sender.clone();
    thread::spawn(move || send_lines(&typing, binary));
    let end = print_messages(receiver, &sender, binary)?;
    Ok(verdict(&end, interrupted.load(Ordering::Relaxed)))
}

fn client(options: &Connect) -> Client {
    let mut client = Client::new(&options.url)
        .connection(|connection| connection.message_bytes_max = MESSAGE_BYTES_MAX);
    for (name, value) in &options.headers {
        // A browser would not let its page choose this one, so the client has it apart from the others.
        let is_origin = name.eq_ignore_ascii_case("origin");
        client = if is_origin { client.origin(value) } else { client.header(name, value) };
    }
    for name in &options.subprotocols {
        client = client.subprotocol(name);
    }
    client
}

/// Sends each line of standard input, and lets the receiving side know when there are no more.
fn send_lines(sender: &BlockingSender, binary: bool) {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        // An input that fails is one that has ended.
        if stdin.read_until(b'\n', &mut line).unwrap_or_default() == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let sent = if binary {
            sender.send_binary(line.clone())
        } else {
            sender.send_text(&String::from_utf8_lossy(&line))
        };
        if sent.is_err() {
            return;
        }
    }
    sender.canceller().cancel();
}

/// Prints messages until the connection ends, and returns how it did.
fn print_messages(
    mut receiver: BlockingReceiver,
    sender: &BlockingSender,
    binary: bool,
) -> Result<Error, String> {
    let mut stdout = io::stdout().lock();
    let mut input_ended: Option<Instant> = None;
    loop {
        let received = match input_ended {
            None => receiver.recv(),
            Some(at) => {
                receiver.recv_timeout(QUIET.min(ANSWERS_WITHIN.saturating_sub(at.elapsed())))
            }
        };
        match received {
            Ok(message) => print(&mut stdout, &message, binary)
                .map_err(|error| format!("cannot print: {error}"))?,
            // Whoever types has seen the answers already.
            Err(Error::Cancelled) if !io::stdin().is_terminal() => {
                input_ended = Some(Instant::now())
            }
            Err(Error::Cancelled | Error::Timeout) => {
                let _ = sender.close(CloseCode::NORMAL, "");
                input_ended = None;
            }
            Err(end) => return Ok(end),
        }
    }
}

fn print(stdout: &mut impl Write, message: &Message, binary: bool) -> io::Result<()> {
    match message {
        Message::Binary(bytes) if !binary => {
            write!(stdout, "({} bytes)", bytes.len())?;
            for byte in bytes.iter().take(SHOWN_BYTES_MAX) {
                write!(stdout, " {byte:02x}")?;
            }
            writeln!(stdout, "{}", if bytes.len() > SHOWN_BYTES_MAX { " …" } else { "" })?;
        }
        // A script gets what was sent; a terminal gets nothing that it would obey.
        Message::Text(text) if io::stdout().is_terminal() => {
            for line in text.split('\n') {
                writeln!(stdout, "{}", printable(line))?;
            }
        }
        message => {
            stdout.write_all(message.as_bytes())?;
            stdout.write_all(b"\n")?;
        }
    }
    stdout.flush()
}

/// Tells how the connection ended, and turns it into an exit status: zero for a normal closure that both sides agreed on.
fn verdict(end: &Error, interrupted: bool) -> ExitCode {
    let Error::Closed { code, reason, by, clean } = end else {
        eprintln!("sockeye: {end}");
        return ExitCode::FAILURE;
    };
    let who = if matches!(by, Initiator::Peer) { "the peer" } else { "this side" };
    let how = if *clean { "" } else { ", without the closing handshake" };
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", printable(reason)) };
    eprintln!("closed by {who} with code {}{how}{reason}", code.as_u16());
    if interrupted {
        ExitCode::from(INTERRUPTED)
    } else if *clean && [CloseCode::NORMAL, CloseCode::NO_STATUS].contains(code) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Why there is no connection, with what the server said about it.
fn refusal(url: &str, error: &Error) -> String {
    match error {
        Error::Refused(refusal) => {
            let Refusal { status, body, .. } = &**refusal;
            let mut text = format!("{url} refused the upgrade with status {status}");
            for line in String::from_utf8_lossy(body).lines().take(SHOWN_LINES_MAX) {
                text.push_str("\n  ");
                text.push_str(&printable(line));
            }
            text
        }
        Error::Timeout => format!("{url} did not answer in time"),
        error => format!("cannot connect to {url}: {error}"),
    }
}

/// A stranger's text without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}
