//! One connected, or connecting, socket with what its edges have told.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ::mio::event::{Event, Source};
use ::mio::net::{TcpStream, UnixStream};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use sockeye_protocol::Outbox;

use super::super::{Address, Carrier, Completion, Received, Remote, Sent};

/// A socket and its readiness, side by side in both variants, so that the kind of the socket takes
/// no more room than a byte: there is one for each connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(Readiness, TcpStream),
    Unix(Readiness, UnixStream),
}

/// What a stream's edges have told.
#[derive(Debug)]
pub(super) struct Readiness {
    phase: Phase,
    /// The peer's end, an error or urgent data was announced, so that a short read does not mean
    /// that everything was read. Cleared when a read finds nothing.
    more_than_bytes: bool,
    /// The last write was short, so that an edge will follow. Every event says "writable" while the
    /// socket is, so without this each message received would count as one.
    blocked: bool,
}

impl Readiness {
    const fn new(phase: Phase) -> Self {
        Self { phase, more_than_bytes: false, blocked: false }
    }
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Connecting,
    Failed(io::ErrorKind),
    Open,
}

/// One call of a socket's, whatever kind it is of.
macro_rules! with_socket {
    ($stream:expr, $socket:ident => $call:expr) => {
        match $stream {
            Stream::Tcp(_, $socket) => $call,
            Stream::Unix(_, $socket) => $call,
        }
    };
}

impl Stream {
    pub(super) const fn accepted_tcp(stream: TcpStream) -> Self {
        Self::Tcp(Readiness::new(Phase::Open), stream)
    }

    pub(super) const fn accepted_unix(stream: UnixStream) -> Self {
        Self::Unix(Readiness::new(Phase::Open), stream)
    }

    /// An accepted socket that another engine gave away.
    pub(super) fn adopted(descriptor: OwnedFd, remote: &Remote) -> io::Result<Self> {
        match remote {
            Remote::Tcp(_) => Ok(Self::accepted_tcp(TcpStream::from_std(descriptor.into()))),
            Remote::Unix => Ok(Self::accepted_unix(UnixStream::from_std(descriptor.into()))),
            Remote::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Gives a socket away that is not watched.
    pub(super) fn into_descriptor(self) -> OwnedFd {
        match self {
            Self::Tcp(_, stream) => stream.into(),
            Self::Unix(_, stream) => stream.into(),
        }
    }

    const fn readiness(&mut self) -> &mut Readiness {
        match self {
            Self::Tcp(readiness, _) | Self::Unix(readiness, _) => readiness,
        }
    }

    /// Begins to connect.
    pub(super) fn connect(address: &Address, user_timeout: Option<Duration>) -> io::Result<Self> {
        let readiness = Readiness::new(Phase::Connecting);
        Ok(match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                set_user_timeout(&stream, user_timeout)?;
                Self::Tcp(readiness, stream)
            }
            Address::Unix(path) => Self::Unix(readiness, UnixStream::connect(path)?),
            Address::Memory(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    pub(super) fn connect_result(&mut self) -> io::Result<()> {
        let phase = &mut self.readiness().phase;
        match *phase {
            Phase::Open => Ok(()),
            Phase::Failed(kind) => {
                *phase = Phase::Open;
                Err(kind.into())
            }
            Phase::Connecting => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// What the selector watches.
    pub(super) const fn source(&mut self) -> &mut dyn Source {
        with_socket!(self, socket => socket)
    }

    /// Remembers what an event says, and reports what of it concerns the loop.
    pub(super) fn note(
        &mut self,
        event: &Event,
        carrier: Carrier,
        completions: &mut Vec<Completion>,
    ) {
        if matches!(self.readiness().phase, Phase::Connecting) {
            let phase = self.connected();
            self.readiness().phase = phase;
            if matches!(phase, Phase::Connecting) {
                return;
            }
            completions.push(Completion::Connected(carrier));
        }
        let readiness = self.readiness();
        if event.is_read_closed() || event.is_error() || event.is_priority() {
            readiness.more_than_bytes = true;
        }
        // First, so that what the read makes the session say can be written behind it.
        if readiness.blocked && (event.is_writable() || event.is_write_closed() || event.is_error())
        {
            readiness.blocked = false;
            completions.push(Completion::Writable(carrier));
        }
        if event.is_readable() || readiness.more_than_bytes {
            completions.push(Completion::Readable(carrier));
        }
    }

    /// Whether a connection has been made: without an error it has a peer.
    fn connected(&self) -> Phase {
        let (error, peer) = with_socket!(self, socket => {
            (socket.take_error(), socket.peer_addr().map(drop))
        });
        match (error, peer) {
            (Ok(Some(error)) | Err(error), _) => Phase::Failed(error.kind()),
            (Ok(None), Ok(())) => Phase::Open,
            (Ok(None), Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Phase::Connecting
            }
            (Ok(None), Err(error)) => Phase::Failed(error.kind()),
        }
    }

    /// One read into `buffer`, which has room for a byte at least.
    #[inline]
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let room = buffer.len();
        // Not through the standard library, whose call may be cancelled and costs twice as much for it.
        let read = retry(|| recv(self.descriptor(), &mut *buffer, RecvFlags::empty()));
        self.received(read.map(|(count, _)| count), room)
    }

    /// One read into the spare capacity of `target`.
    pub(super) fn receive_into(&mut self, target: &mut Vec<u8>) -> io::Result<Received> {
        let room = target.capacity() - target.len();
        if room == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let read = retry(|| recv(self.descriptor(), spare_capacity(target), RecvFlags::empty()));
        self.received(read.map(|(count, _)| count), room)
    }

    #[inline]
    fn received(&mut self, read: rustix::io::Result<usize>, room: usize) -> io::Result<Received> {
        let more_than_bytes = &mut self.readiness().more_than_bytes;
        match read {
            Ok(0) => Ok(Received::End),
            Ok(count) => Ok(Received::Bytes { count, drained: count < room && !*more_than_bytes }),
            Err(Errno::AGAIN) => {
                *more_than_bytes = false;
                Ok(Received::Nothing)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One write of what waits, as far as one call takes it.
    #[inline]
    pub(super) fn send(&mut self, outbox: &mut Outbox) -> io::Result<Sent> {
        let (offered, written) = self.offer(outbox);
        let written = match written {
            Ok(written) => written,
            Err(Errno::AGAIN) => 0,
            Err(error) => return Err(error.into()),
        };
        assert!(written <= offered, "a write takes no more than it was offered");
        outbox.advance(written);
        let blocked = written < offered;
        self.readiness().blocked = blocked;
        Ok(Sent { bytes: written, blocked })
    }

    /// Returns how many bytes the system was offered, and how many it took.
    #[inline]
    fn offer(&mut self, outbox: &Outbox) -> (usize, rustix::io::Result<usize>) {
        let first = outbox.first_chunk();
        if first.len() == outbox.len() {
            return (first.len(), retry(|| send(self.descriptor(), first, SEND_FLAGS)));
        }
        self.offer_slices(outbox)
    }

    #[inline(never)]
    fn offer_slices(&mut self, outbox: &Outbox) -> (usize, rustix::io::Result<usize>) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = outbox.io_slices(&mut slices);
        let slices = &slices[..filled];
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let written = retry(|| {
            with_socket!(self, socket => socket.write_vectored(slices))
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        });
        (offered, written)
    }

    #[inline]
    fn descriptor(&self) -> BorrowedFd<'_> {
        with_socket!(self, socket => socket.as_fd())
    }

    pub(super) fn shutdown_write(&self) {
        // It fails if the connection is broken, which the next read tells as well.
        let _ = with_socket!(self, socket => socket.shutdown(Shutdown::Write));
    }
}

/// Slices of one vectored write: enough for a turn's messages, few enough for the stack.
const SLICES_MAX: usize = 64;

/// A broken connection is an error, and no signal.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// A broken connection is an error: programs in Rust ignore the signal.
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// A signal that came during a call means nothing to that call.
#[inline]
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Bounds how long sent bytes may stay without acknowledgement, where the system can.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn set_user_timeout(socket: &impl AsFd, timeout: Option<Duration>) -> io::Result<()> {
    // The system takes no more milliseconds than fit an int: 24 days.
    const TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);
    match timeout {
        Some(timeout) => {
            let timeout = timeout.min(TIMEOUT_MAX);
            socket2::SockRef::from(socket).set_tcp_user_timeout(Some(timeout))
        }
        None => Ok(()),
    }
}

/// Bounds how long sent bytes may stay without acknowledgement, where the system can.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn set_user_timeout(_socket: &impl AsFd, _timeout: Option<Duration>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slot has a generation beside it. With debug assertions mio's sockets know their selector.
    #[test]
    fn a_stream_is_little_more_than_its_descriptor() {
        let socket = size_of::<TcpStream>();
        println!("TcpStream: {socket} bytes, Stream: {} bytes", size_of::<Stream>());
        assert_eq!(size_of::<Stream>(), socket + align_of::<TcpStream>());
        assert_eq!(size_of::<Readiness>(), 3);
    }
}
