//! An echo server on a mio loop of one's own.
//!
//! Run with `cargo run -p sockeye-protocol --example mio_echo -- 127.0.0.1:9002`.

#[path = "echo/peer.rs"]
mod peer;
#[path = "echo/session.rs"]
mod session;
#[path = "echo/shared.rs"]
mod shared;
#[path = "echo/timers.rs"]
mod timers;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use sockeye_protocol::Config;

use peer::{Next, Peer};
use shared::Shared;
use timers::Timers;

const LISTENER: Token = Token(usize::MAX);
/// When to try again to accept, where something was missing for it, such as a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

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
            peers.insert(Token(token), Peer::new(stream, &shared));
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
