//! One connected, or connecting, socket with what its edges have told.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use ::mio::event::{Event, Source};
use ::mio::net::{TcpStream, UnixStream};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use sockeye_protocol::Outbox;

use super::super::{Address, Carrier, Completion, Received, Sent};

/// A socket and its readiness.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    phase: Phase,
    /// The peer's end, an error or urgent data was announced, so that a short read does not mean
    /// that everything was read. Cleared when a read finds nothing.
    more_than_bytes: bool,
    /// The last write was short, so that an edge will follow. Every event says "writable" while the
    /// socket is, so without this each message received would count as one.
    blocked: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
enum Phase {
    Connecting,
    Failed(io::Error),
    Open,
}

impl Stream {
    pub(super) const fn accepted_tcp(stream: TcpStream) -> Self {
        Self::new(Socket::Tcp(stream), Phase::Open)
    }

    pub(super) const fn accepted_unix(stream: UnixStream) -> Self {
        Self::new(Socket::Unix(stream), Phase::Open)
    }

    const fn new(socket: Socket, phase: Phase) -> Self {
        Self { socket, phase, more_than_bytes: false, blocked: false }
    }

    /// Begins to connect.
    pub(super) fn connect(address: &Address, user_timeout: Option<Duration>) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                set_user_timeout(&stream, user_timeout)?;
                Socket::Tcp(stream)
            }
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
            Address::Memory(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self::new(socket, Phase::Connecting))
    }

    pub(super) fn connect_result(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Open => Ok(()),
            Phase::Failed(error) => Err(error),
            Phase::Connecting => {
                self.phase = Phase::Connecting;
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
    }

    /// What the selector watches.
    pub(super) const fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            Socket::Tcp(stream) => stream,
            Socket::Unix(stream) => stream,
        }
    }

    /// Remembers what an event says, and reports what of it concerns the loop.
    pub(super) fn note(
        &mut self,
        event: &Event,
        carrier: Carrier,
        completions: &mut Vec<Completion>,
    ) {
        if matches!(self.phase, Phase::Connecting) {
            self.phase = self.connected();
            if matches!(self.phase, Phase::Connecting) {
                return;
            }
            completions.push(Completion::Connected(carrier));
        }
        if event.is_read_closed() || event.is_error() || event.is_priority() {
            self.more_than_bytes = true;
        }
        if event.is_readable() || self.more_than_bytes {
            completions.push(Completion::Readable(carrier));
        }
        if self.blocked && (event.is_writable() || event.is_write_closed() || event.is_error()) {
            self.blocked = false;
            completions.push(Completion::Writable(carrier));
        }
    }

    /// Whether a connection has been made: without an error it has a peer.
    fn connected(&self) -> Phase {
        let (error, peer) = match &self.socket {
            Socket::Tcp(stream) => (stream.take_error(), stream.peer_addr().map(drop)),
            Socket::Unix(stream) => (stream.take_error(), stream.peer_addr().map(drop)),
        };
        match (error, peer) {
            (Ok(Some(error)) | Err(error), _) => Phase::Failed(error),
            (Ok(None), Ok(())) => Phase::Open,
            (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Phase::Connecting
            }
            (Ok(None), Err(error)) => Phase::Failed(error),
        }
    }

    /// One read into `buffer`, which has room for a byte at least.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let room = buffer.len();
        let read = retry_interrupted(|| match &mut self.socket {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        });
        self.received(read, room)
    }

    /// One read into the spare capacity of `target`.
    pub(super) fn receive_into(&mut self, target: &mut Vec<u8>) -> io::Result<Received> {
        let room = target.capacity() - target.len();
        if room == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = RecvFlags::empty();
        let read = retry_interrupted(|| {
            let (count, _) = match &self.socket {
                Socket::Tcp(stream) => recv(stream, spare_capacity(target), flags)?,
                Socket::Unix(stream) => recv(stream, spare_capacity(target), flags)?,
            };
            Ok(count)
        });
        self.received(read, room)
    }

    fn received(&mut self, read: io::Result<usize>, room: usize) -> io::Result<Received> {
        match read {
            Ok(0) => Ok(Received::End),
            Ok(count) => {
                Ok(Received::Bytes { count, drained: count < room && !self.more_than_bytes })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.more_than_bytes = false;
                Ok(Received::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    /// One write of what waits, as far as one call takes it.
    pub(super) fn send(&mut self, outbox: &mut Outbox) -> io::Result<Sent> {
        let (offered, written) = self.offer(outbox);
        let written = match written {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        assert!(written <= offered, "a write takes no more than it was offered");
        outbox.advance(written);
        self.blocked = written < offered;
        Ok(Sent { bytes: written, blocked: self.blocked })
    }

    /// Returns how many bytes the system was offered, and how many it took.
    fn offer(&mut self, outbox: &Outbox) -> (usize, io::Result<usize>) {
        let mut chunks = outbox.chunks();
        let Some(first) = chunks.next() else { return (0, Ok(0)) };
        if chunks.next().is_none() {
            return (first.len(), self.write(first));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = outbox.io_slices(&mut slices);
        let slices = &slices[..filled];
        (slices.iter().map(|slice| slice.len()).sum(), self.write_vectored(slices))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry_interrupted(|| match &mut self.socket {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry_interrupted(|| match &mut self.socket {
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Unix(stream) => stream.write_vectored(slices),
        })
    }

    pub(super) fn shutdown_write(&self) {
        // It fails if the connection is broken, which the next read tells as well.
        let _ = match &self.socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }
}

/// Slices of one vectored write: enough for a turn's messages, few enough for the stack.
const SLICES_MAX: usize = 64;

/// A signal that came during a call means nothing to that call.
fn retry_interrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Bounds how long sent bytes may stay without acknowledgement, where the system can.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn set_user_timeout(
    socket: &impl std::os::fd::AsFd,
    timeout: Option<Duration>,
) -> io::Result<()> {
    match timeout {
        Some(_) => socket2::SockRef::from(socket).set_tcp_user_timeout(timeout),
        None => Ok(()),
    }
}

/// Bounds how long sent bytes may stay without acknowledgement, where the system can.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn set_user_timeout(
    _socket: &impl std::os::fd::AsFd,
    _timeout: Option<Duration>,
) -> io::Result<()> {
    Ok(())
}
