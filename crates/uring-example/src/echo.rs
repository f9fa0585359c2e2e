//! The loop: what is done goes to the peers' sessions, and what they want is asked for.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use sockeye_protocol::Config;

use crate::peer::Peer;
use crate::ring::{Done, Ring};
use crate::shared::Shared;
use crate::timers::Timers;

/// When to accept again, where something was missing for it, such as a descriptor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The listener's name among the timers.
const LISTENER: usize = usize::MAX;

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
                peer.handle_timeout(&mut self.shared);
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
                let token = self.free.pop().unwrap_or(self.peers.len());
                self.peers.resize_with(self.peers.len().max(token + 1), || None);
                self.peers[token] = Some(Peer::new(token, stream, &self.shared));
                token
            }
            Done::Received { token, result, goes_on } => {
                let peer = self.peers[token].as_mut().expect("it stays while it receives");
                peer.received(result, goes_on, &mut self.ring, &mut self.shared);
                token
            }
            Done::Sent { token, result, segment } => {
                let peer = self.peers[token].as_mut().expect("it stays while it sends");
                peer.sent(result, segment, self.turn, &mut self.ring, &mut self.shared)?;
                token
            }
        };
        self.touched.push(token);
        Ok(())
    }

    /// Lets a peer ask for what it wants now.
    fn settle(&mut self, token: usize) -> io::Result<()> {
        let Some(peer) = &mut self.peers[token] else { return Ok(()) };
        if peer.settle(self.turn, &mut self.ring)? {
            self.peers[token] = None;
            self.free.push(token);
        } else {
            let due = peer.due();
            self.timers.set(token, &mut peer.timer, due);
        }
        Ok(())
    }
}
