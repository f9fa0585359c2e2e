//! The ceiling: a TCP echo on mio, one recv and one send for each wake-up.

use std::io::{self, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 128 * 1024;

struct Connection {
    stream: TcpStream,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
}

/// Echoes bytes on `listener` for ever.
///
/// # Errors
///
/// When polling or accepting fails.
pub fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
                continue;
            }
            let Some(slot) = connections.get_mut(event.token().0) else { continue };
            let Some(connection) = slot else { continue };
            if echo(connection, &mut buffer).is_err() {
                *slot = None;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        let token = Token(connections.len());
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        connections.push(Some(Connection { stream, unsent: Vec::new() }));
    }
}

/// Reads until a read comes back short, and writes what was read.
fn echo(connection: &mut Connection, buffer: &mut [u8]) -> io::Result<()> {
    let Connection { stream, unsent } = connection;
    loop {
        if !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(written) => drop(unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if !unsent.is_empty() {
                return Ok(());
            }
        }
        let read = match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let written = match stream.write(&buffer[..read]) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        unsent.extend_from_slice(&buffer[written..read]);
        if read < buffer.len() && unsent.is_empty() {
            return Ok(());
        }
    }
}
