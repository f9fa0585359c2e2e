//! The ceiling: TCP on mio, without a look at what is in it.

use std::io::{self, Read, Write};
use std::net::TcpListener as StdListener;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 128 * 1024;

struct Connection {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    /// The beginning of a message whose rest has not come; a broadcast passes on whole ones.
    begun: Vec<u8>,
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
    serve(listener, |connections, index, buffer| {
        let Some(connection) = &mut connections[index] else { return Ok(()) };
        while connection.send_unsent()? {
            let Some(read) = connection.read(buffer)? else { break };
            connection.send(&buffer[..read])?;
            if read < buffer.len() && connection.unsent.is_empty() {
                break;
            }
        }
        Ok(())
    })
}

/// Sends every message, which has `frame_bytes`, to every connection: a loop of sends for each.
pub(crate) fn broadcast(listener: StdListener, frame_bytes: usize) -> io::Result<()> {
    serve(listener, |connections, index, buffer| {
        loop {
            let Some(connection) = &mut connections[index] else { return Ok(()) };
            connection.send_unsent()?;
            let Some(read) = connection.read(buffer)? else { return Ok(()) };
            let mut bytes = std::mem::take(&mut connection.begun);
            bytes.extend_from_slice(&buffer[..read]);
            let whole = bytes.len() - bytes.len() % frame_bytes.max(1);
            for message in bytes[..whole].chunks(frame_bytes.max(1)) {
                for slot in connections.iter_mut() {
                    let failed = slot.as_mut().is_some_and(|one| one.send(message).is_err());
                    if failed {
                        *slot = None;
                    }
                }
            }
            if let Some(connection) = &mut connections[index] {
                bytes.drain(..whole);
                connection.begun = bytes;
            }
            if read < buffer.len() {
                return Ok(());
            }
        }
    })
}

/// Accepts, and calls `ready` with each connection for which the poll has something.
fn serve(
    listener: StdListener,
    mut ready: impl FnMut(&mut Connections, usize, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Connections::new();
    let mut free = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let index = event.token().0;
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections, &mut free)?;
            } else if connections[index].is_some()
                && ready(&mut connections, index, &mut buffer).is_err()
            {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Connections,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let index = free.pop().unwrap_or(connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(index), interest)?;
        let connection = Connection { stream, unsent: Vec::new(), begun: Vec::new() };
        if index == connections.len() {
            connections.push(Some(connection));
        } else {
            connections[index] = Some(connection);
        }
    }
}
