//! An echo server on a mio loop of one's own.
//!
//! Run with `cargo run -p sockeye-protocol --example mio_echo -- 127.0.0.1:9002`.

#[path = "echo/session.rs"]
mod session;
#[path = "echo/timers.rs"]
mod timers;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sockeye_protocol::{Config, Instant, Outbox, Transport};

use session::{Session, Shared};
use timers::Timers;

const LISTENER: Token = Token(usize::MAX);
/// After so many reads it is the others' turn.
const READS_MAX: usize = 4;
/// When to try again to accept, where something was missing for it, such as a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

struct Peer {
    stream: TcpStream,
    session: Session,
    /// Whether a read may bring something. Readiness is told once, when it begins, so what was not
    /// read to its end must be remembered.
    is_readable: bool,
    /// Whether the last write would have blocked.
    waits: bool,
    /// The earliest timer that is set for it.
    timer: Option<Instant>,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = std::net::TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    serve(listener, Config::default(), Duration::from_secs(5))
}

/// Serves every peer on this thread; each has `open_within` for its request.
pub(crate) fn serve(
    listener: std::net::TcpListener,
    config: Config,
    open_within: Duration,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut shared = Shared::new(config, open_within);
    let mut buffer = vec![0; 64 * 1024];
    let mut peers: HashMap<Token, Peer> = HashMap::new();
    let mut timers = Timers::new();
    // Whose turn it is, beside those of whom the poll tells.
    let mut ready: Vec<Token> = Vec::new();
    let (mut token, mut accepts) = (0, false);
    loop {
        let timer = timers.next().map(|due| due.saturating_duration_since(shared.now));
        let timeout = match (ready.is_empty(), accepts) {
            (false, _) => Some(Duration::ZERO),
            (true, true) => Some(timer.map_or(ACCEPT_AGAIN, |timer| timer.min(ACCEPT_AGAIN))),
            (true, false) => timer,
        };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => shared.begin_turn(),
        }
        for event in &events {
            accepts |= event.token() == LISTENER;
            if let Some(peer) = peers.get_mut(&event.token()) {
                peer.is_readable |= event.is_readable() || event.is_read_closed();
                ready.push(event.token());
            }
        }
        while accepts {
            let Ok((mut stream, _)) = listener.accept().inspect_err(|error| {
                accepts = error.kind() != ErrorKind::WouldBlock;
            }) else {
                break;
            };
            token += 1;
            // Who has gone already is no reason to end.
            let interest = Interest::READABLE | Interest::WRITABLE;
            let _ = stream.set_nodelay(true);
            if poll.registry().register(&mut stream, Token(token), interest).is_err() {
                continue;
            }
            let session = Session::new(&shared);
            let peer = Peer { stream, session, is_readable: false, waits: false, timer: None };
            peers.insert(Token(token), peer);
            ready.push(Token(token));
        }
        while let Some((token, due)) = timers.fired(shared.now) {
            if let Some(peer) = peers.get_mut(&token).filter(|peer| peer.timer == Some(due)) {
                peer.timer = None;
                ready.push(token);
            }
        }
        for token in std::mem::take(&mut ready) {
            let Some(peer) = peers.get_mut(&token) else { continue };
            match peer.turn(&mut buffer, &mut shared) {
                Next::End => drop(peers.remove(&token)),
                next => {
                    timers.set(token, &mut peer.timer, peer.session.due());
                    ready.extend((next == Next::Again).then_some(token));
                }
            }
        }
    }
}

/// What is to be done about a peer.
#[derive(PartialEq)]
enum Next {
    Wait,
    Again,
    End,
}

impl Peer {
    fn turn(&mut self, buffer: &mut [u8], shared: &mut Shared) -> Next {
        for _ in 0..READS_MAX {
            self.write(shared);
            if !self.is_readable || !self.session.takes_input() {
                break;
            }
            match self.stream.read(buffer) {
                Ok(len @ 1..) => self.session.receive(&mut buffer[..len], shared),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
                Ok(0) | Err(_) => {
                    self.is_readable = false;
                    self.session.receive_eof();
                }
            }
        }
        // Behind what has come, so that a message beats its deadline.
        if self.session.due().is_some_and(|due| due <= shared.now) {
            self.session.handle_timeout(shared);
        }
        self.write(shared);
        let is_written = self.session.outbox.is_empty();
        match self.session.transport() {
            Transport::Close if is_written || self.waits => return Next::End,
            Transport::Linger if is_written => drop(self.stream.shutdown(Shutdown::Write)),
            _ => {}
        }
        let may_read = self.is_readable && self.session.takes_input();
        let may_write = !is_written && !self.waits;
        if may_read || may_write { Next::Again } else { Next::Wait }
    }

    /// Writes what the socket takes.
    fn write(&mut self, shared: &mut Shared) {
        let outbox = &mut self.session.outbox;
        let before = outbox.len();
        let had_waited = std::mem::take(&mut self.waits);
        match outbox.write_to(&mut self.stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.waits = true,
            // Nobody takes it any more, but what came before is still there to be read.
            Err(_) => *outbox = Outbox::new(),
            Ok(()) => {}
        }
        if outbox.len() < before {
            self.session.written(had_waited, shared);
        }
    }
}
