//! The ceiling: TCP on mio, without a look at what is in it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpListener as StdListener;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 128 * 1024;

struct Connection {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

impl Connection {
    /// Sends `bytes` behind what waits, and keeps what the socket does not take.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        if self.unsent.is_empty() {
            written = match self.stream.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            };
        }
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Sends what waits; whether all of it has gone.
    fn send_unsent(&mut self) -> io::Result<bool> {
        if !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.unsent.is_empty())
    }

    /// Reads into `buffer`; `None` when nothing is there.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => Ok(Some(read)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Connections in the places that their tokens name.
type Connections = Vec<Option<Connection>>;

/// Sends back what comes: one recv and one send for each wake-up, until a read comes back short.
pub(crate) fn echo(listener: StdListener) -> io::Result<()> {
    let mut server = Server::new(listener)?;
    loop {
        server.turn(None, |connections, index, buffer| {
            let Some(connection) = &mut connections[index] else { return Ok(()) };
            while connection.send_unsent()? {
                let Some(read) = connection.read(buffer)? else { break };
                connection.send(&buffer[..read])?;
                if read < buffer.len() && connection.unsent.is_empty() {
                    break;
                }
            }
            Ok(())
        })?;
    }
}

/// Sends what comes to every connection: one recv for each wake-up, and for each connection one send of every
/// `piece_bytes` of it. Messages stay whole as long as one connection alone sends them.
pub(crate) fn broadcast(listener: StdListener, piece_bytes: usize) -> io::Result<()> {
    let mut server = Server::new(listener)?;
    loop {
        server.turn(None, |connections, index, buffer| {
            loop {
                let Some(connection) = &mut connections[index] else { return Ok(()) };
                connection.send_unsent()?;
                let Some(read) = connection.read(buffer)? else { return Ok(()) };
                for piece in buffer[..read].chunks(piece_bytes) {
                    // Who cannot be sent to is found out when it is read from.
                    let everyone = connections.iter_mut().flatten();
                    everyone.for_each(|one| drop(one.send(piece)));
                }
                if read < buffer.len() {
                    return Ok(());
                }
            }
        })?;
    }
}

/// What a keepalive sends: an unmasked ping with eight bytes.
const PING: [u8; 10] = *b"\x89\x08raw ping";
/// Pings are due in batches, as those of a wheel of timers are.
const TICK: Duration = Duration::from_millis(250);

/// Sends 10 bytes to each connection at every `interval`, and reads the 14 that come back.
pub(crate) fn heartbeat(listener: StdListener, interval: Duration) -> io::Result<()> {
    let mut server = Server::new(listener)?;
    let mut due: VecDeque<(Instant, usize)> = VecDeque::new();
    let mut tick = Instant::now();
    loop {
        let now = Instant::now();
        due.extend(server.accepted.drain(..).map(|index| (now + interval, index)));
        if now >= tick {
            tick = now + TICK;
            while let Some((_, index)) = due.pop_front_if(|(at, _)| *at <= now) {
                if let Some(connection) = &mut server.connections[index] {
                    connection.send(&PING)?;
                    due.push_back((now + interval, index));
                }
            }
        }
        server.turn(Some(tick.saturating_duration_since(now)), |connections, index, buffer| {
            let Some(connection) = &mut connections[index] else { return Ok(()) };
            while connection.read(buffer)?.is_some_and(|read| read == buffer.len()) {}
            Ok(())
        })?;
    }
}

/// A listener, and whoever came through it.
struct Server {
    listener: TcpListener,
    poll: Poll,
    events: Events,
    connections: Connections,
    /// Places of connections that have gone.
    free: Vec<usize>,
    /// Places of those that came; who has no use for them leaves them.
    accepted: Vec<usize>,
    buffer: Vec<u8>,
}

impl Server {
    fn new(listener: StdListener) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            listener,
            poll,
            events: Events::with_capacity(1024),
            connections: Vec::new(),
            free: Vec::new(),
            accepted: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Accepts, and calls `ready` with each connection for which the poll has something.
    fn turn(
        &mut self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut Connections, usize, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let mut accepts = false;
        for event in &self.events {
            let index = event.token().0;
            if event.token() == LISTENER {
                accepts = true;
            } else if self.connections[index].is_some()
                && ready(&mut self.connections, index, &mut self.buffer).is_err()
            {
                self.connections[index] = None;
                self.free.push(index);
            }
        }
        if accepts { self.accept() } else { Ok(()) }
    }

    fn accept(&mut self) -> io::Result<()> {
        self.accepted.clear();
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.connections.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(index), interest)?;
            let connection = Connection { stream, unsent: Vec::new() };
            if index == self.connections.len() {
                self.connections.push(Some(connection));
            } else {
                self.connections[index] = Some(connection);
            }
            self.accepted.push(index);
        }
    }
}
