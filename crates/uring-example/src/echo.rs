//! The loop: what is done goes to the peers' sessions, and what they want is asked for.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use sockeye_protocol::{Config, Instant, Outbox, Segment, Transport};

use crate::ring::{Done, Ring};
use crate::session::{Session, Shared};
use crate::timers::Timers;

/// When to accept again, where something was missing for it, such as a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The listener's name among the timers.
const LISTENER: usize = usize::MAX;

struct Peer {
    stream: TcpStream,
    session: Session,
    receiving: Receiving,
    /// The turn in which a send began that is not done, and how much of its segment has gone.
    sending: Option<(u64, usize)>,
    /// The earliest timer that is set for it.
    timer: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Receiving {
    Not,
    On,
    Stopping,
}

struct Server {
    listener: TcpListener,
    ring: Ring,
    shared: Shared,
    /// INVARIANT: a peer stays while the kernel has something to do for it.
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    timers: Timers<usize>,
    /// Whom something happened to in this turn.
    touched: Vec<usize>,
    turn: u64,
}

/// Whether the system has an io_uring for this, and permits it.
///
/// # Errors
///
/// When it does not.
pub fn check() -> io::Result<()> {
    Ring::new().map(drop)
}

/// Serves every peer on this thread; each has `open_within` for its request.
///
/// # Errors
///
/// When the system has no io_uring for this, or it fails.
pub fn serve(listener: TcpListener, config: Config, open_within: Duration) -> io::Result<()> {
    // The kernel waits itself; of what must not block it would only say that it would.
    listener.set_nonblocking(false)?;
    let (ring, shared) = (Ring::new()?, Shared::new(config, open_within));
    let (peers, free, touched, timers) = (Vec::new(), Vec::new(), Vec::new(), Timers::new());
    let mut server = Server { listener, ring, shared, peers, free, timers, touched, turn: 0 };
    server.ring.accept(&server.listener)?;
    loop {
        server.turn()?;
    }
}

impl Server {
    fn turn(&mut self) -> io::Result<()> {
        let due = self.timers.next();
        self.ring.wait(due.map(|due| due.saturating_duration_since(self.shared.now)))?;
        self.shared.begin_turn();
        self.turn += 1;
        while let Some(done) = self.ring.next() {
            self.take(done)?;
        }
        // Behind what has come, so that a message beats its deadline.
        while let Some((token, due)) = self.timers.fired(self.shared.now) {
            if token == LISTENER {
                self.ring.accept(&self.listener)?;
            } else if let Some(peer) = &mut self.peers[token]
                && peer.timer == Some(due)
            {
                peer.timer = None;
                peer.session.handle_timeout(&mut self.shared);
                self.touched.push(token);
            }
        }
        while let Some(token) = self.touched.pop() {
            self.settle(token)?;
        }
        Ok(())
    }

    fn take(&mut self, done: Done) -> io::Result<()> {
        let token = match done {
            Done::Accepted { result, goes_on } => {
                if !goes_on {
                    let again = Some(self.shared.now + ACCEPT_AGAIN);
                    self.timers.set(LISTENER, &mut None, again);
                }
                let Ok(stream) = result else { return Ok(()) };
                // Who has gone already is no reason to end; that shows when it is read from.
                let _ = stream.set_nodelay(true);
                let session = Session::new(&self.shared);
                let (receiving, sending, timer) = (Receiving::Not, None, None);
                let token = self.free.pop().unwrap_or(self.peers.len());
                self.peers.resize_with(self.peers.len().max(token + 1), || None);
                self.peers[token] = Some(Peer { stream, session, receiving, sending, timer });
                token
            }
            Done::Received { token, result, goes_on } => {
                let peer = self.peers[token].as_mut().expect("it stays while it receives");
                match result {
                    Ok(Some(lent)) => {
                        peer.session.receive(lent.bytes, &mut self.shared);
                        self.ring.give_back(lent);
                    }
                    // It was stopped by us, or no buffer was free: it is asked for again.
                    Err(error) if matches!(error.raw_os_error(), Some(CANCELED | NO_BUFFERS)) => {}
                    Ok(None) | Err(_) => peer.session.receive_eof(),
                }
                if !goes_on {
                    peer.receiving = Receiving::Not;
                }
                token
            }
            Done::Sent { token, result, segment } => {
                let peer = self.peers[token].as_mut().expect("it stays while it sends");
                let (begun, gone) = peer.sending.take().expect("it sends");
                match result.map(|len| gone + len) {
                    // Nobody takes it any more, but what came before is still there to be read.
                    Err(_) => {
                        peer.session.outbox = Outbox::new();
                        peer.session.written(false, &mut self.shared);
                    }
                    Ok(gone) if gone < segment.as_slice().len() => {
                        self.ring.send(token, &peer.stream, segment, gone)?;
                        peer.sending = Some((begun, gone));
                    }
                    Ok(_) => {
                        if let Segment::Owned(bytes) = segment {
                            peer.session.outbox.lend(bytes);
                        }
                        peer.session.written(begun + 1 < self.turn, &mut self.shared);
                    }
                }
                token
            }
        };
        self.touched.push(token);
        Ok(())
    }

    /// Asks the kernel for what a peer wants now.
    fn settle(&mut self, token: usize) -> io::Result<()> {
        let Some(peer) = &mut self.peers[token] else { return Ok(()) };
        if peer.sending.is_none()
            && let Some(segment) = peer.session.outbox.pop()
        {
            self.ring.send(token, &peer.stream, segment, 0)?;
            peer.sending = Some((self.turn, 0));
        }
        let waits = peer.sending.is_some_and(|(begun, _)| begun < self.turn);
        let mut ends = false;
        match peer.session.transport() {
            // What is under way completes at once then.
            Transport::Close if peer.sending.is_none() || waits => {
                ends = true;
                let _ = peer.stream.shutdown(Shutdown::Both);
            }
            Transport::Linger if peer.sending.is_none() => {
                let _ = peer.stream.shutdown(Shutdown::Write);
            }
            _ => {}
        }
        match (peer.receiving, peer.session.takes_input()) {
            (Receiving::Not, true) if !ends => {
                self.ring.receive(token, &peer.stream)?;
                peer.receiving = Receiving::On;
            }
            (Receiving::On, false) => {
                self.ring.stop_receiving(token)?;
                peer.receiving = Receiving::Stopping;
            }
            _ => {}
        }
        if ends && peer.receiving == Receiving::Not && peer.sending.is_none() {
            self.peers[token] = None;
            self.free.push(token);
        } else {
            self.timers.set(token, &mut peer.timer, peer.session.due());
        }
        Ok(())
    }
}

/// The kernel's words for what was stopped by us, and for a lack of buffers.
const CANCELED: i32 = 125;
const NO_BUFFERS: i32 = 105;
