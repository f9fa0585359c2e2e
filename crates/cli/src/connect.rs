//! `sockeye connect`: lines of the terminal go out as messages, messages come in as lines.
//!
//! Standard output holds the messages and nothing else; what happens to the connection is told on standard error.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sockeye::{
    BlockingReceiver, BlockingSender, Client, CloseCode, DeflateConfig, Error, Initiator, Message,
    Refusal,
};

use crate::arguments::Connect;
use crate::interrupt::on_interrupt;

/// Larger than any default: who connects by hand wants to see what comes.
const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// What is shown of a binary message, and of a refusal.
const SHOWN_BYTES_MAX: usize = 64;
const SHOWN_LINES_MAX: usize = 20;
const SHOWN_CHARS_MAX: usize = 256;
/// The status that a shell gives to a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// The status that a shell gives to a program whose output nobody reads any more.
const UNREAD: u8 = 141;

/// Talks until either side closes.
pub(crate) fn connect(options: &Connect) -> Result<ExitCode, String> {
    check_scheme(&options.url)?;
    let socket =
        client(options).connect_blocking().map_err(|error| refusal(&options.url, &error))?;
    let spoken = match socket.subprotocol() {
        Some(subprotocol) => format!(", subprotocol {subprotocol}"),
        None if options.subprotocols.is_empty() => String::new(),
        None => ", no subprotocol chosen".to_owned(),
    };
    tell(&format!("connected to {}{spoken}", options.url));
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
    match print_messages(receiver, &sender, options) {
        Ok(end) => Ok(verdict(&end, interrupted.load(Ordering::Relaxed))),
        // The reader had enough, as `head` has after its lines: that is no failure to speak of.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            let _ = sender.close(CloseCode::NORMAL, "");
            Ok(ExitCode::from(UNREAD))
        }
        Err(error) => Err(format!("cannot print: {error}")),
    }
}

/// Explains the URLs that look right and are not.
pub(crate) fn check_scheme(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!(
            "{url} is not a WebSocket URL: write it like ws://127.0.0.1:9001/echo"
        ));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => Ok(()),
        "wss" => Err(format!("cannot connect to {url}: TLS is not supported yet, only ws:// URLs")),
        "http" => Err(format!("{url} is not a WebSocket URL: write ws://{rest}")),
        "https" => Err(format!(
            "{url} is not a WebSocket URL, and its counterpart wss:// needs TLS, which is not supported yet"
        )),
        _ => Err(format!("{url} is not a WebSocket URL: it must begin with ws://")),
    }
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
    if options.deflate { client.deflate(DeflateConfig::default()) } else { client }
}

/// Sends each line of standard input, and lets the receiving side know when there are no more.
fn send_lines(sender: &BlockingSender, binary: bool) {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    for number in 1_u64.. {
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
        } else if let Ok(text) = str::from_utf8(&line) {
            sender.send_text(text)
        } else {
            // What the peer would get in its place is not what was typed.
            tell(&format!(
                "sockeye: line {number} is not sent: a text message must be UTF-8, and it is not; see --binary"
            ));
            continue;
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
    options: &Connect,
) -> io::Result<Error> {
    let mut stdout = io::stdout().lock();
    let mut input_ended = false;
    loop {
        // After the end of a script's input its answers are awaited, until none came for so long.
        let received =
            if input_ended { receiver.recv_timeout(options.wait) } else { receiver.recv() };
        match received {
            Ok(message) => print(&mut stdout, &message, options.binary)?,
            // Whoever types has seen the answers already.
            Err(Error::Cancelled) if !io::stdin().is_terminal() => input_ended = true,
            Err(Error::Cancelled | Error::Timeout) => {
                let _ = sender.close(CloseCode::NORMAL, "");
                input_ended = false;
            }
            Err(end) => return Ok(end),
        }
    }
}

fn print(stdout: &mut impl Write, message: &Message, binary: bool) -> io::Result<()> {
    match message {
        Message::Binary(bytes) if !binary => {
            write!(stdout, "({} byte{})", bytes.len(), if bytes.len() == 1 { "" } else { "s" })?;
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
    let Error::Closed { code, reason, by, clean, .. } = end else {
        tell(&format!("sockeye: {end}"));
        return ExitCode::FAILURE;
    };
    let who = if matches!(by, Initiator::Peer) { "the peer" } else { "this side" };
    let how = if *clean { "" } else { ", without the closing handshake" };
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", printable(reason)) };
    tell(&format!("closed by {who} with code {}{how}{reason}", code.as_u16()));
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
            let Refusal { status, reason, body, .. } = &**refusal;
            let mut text = format!("{url} refused the upgrade with status {status}");
            if !reason.is_empty() {
                text.push(' ');
                text.push_str(&glimpse(reason));
            }
            for line in String::from_utf8_lossy(body).lines().take(SHOWN_LINES_MAX) {
                text.push_str("\n  ");
                text.push_str(&glimpse(line));
            }
            let place = url.split_once("://").map_or(url, |(_, place)| place);
            if !place.trim_end_matches('/').contains(['/', '?']) {
                text.push_str("\n  the URL names no path; where a server has routes, it needs one, such as /echo");
            }
            text
        }
        Error::Timeout => format!("{url} did not answer in time"),
        error => format!("cannot connect to {url}: {error}"),
    }
}

/// Prints a line on standard error; where nobody reads that, there is nobody to tell about it either.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The beginning of a stranger's line, without what a terminal would obey.
fn glimpse(line: &str) -> String {
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", printable(&line[..end])),
        None => printable(line),
    }
}

/// A stranger's text without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}
