//! The engine that ships: epoll or kqueue through mio, for TCP and Unix sockets.

mod listener;
mod stream;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::mio::{Events, Interest, Poll, Token, Waker};
use sockeye_protocol::{Instant, Outbox};

use super::{
    Address, COMPLETIONS_AT_ONCE, Carrier, Completion, Engine, GivenListener, Handed, Input,
    ListenerId, Received, Remote, Sent, Wake,
};
use crate::buffers::ReceiveBuffer;
use crate::slab::{Key, Slab};
use listener::Listener;
use stream::Stream;

/// Sockets of one thread, watched by epoll or kqueue.
///
/// TCP sockets send without delay (TCP_NODELAY). TCP listeners share their port (SO_REUSEPORT), so
/// each thread's engine has its own; those at a Unix socket's path share one backlog within the
/// process. [`ensure_unused`](Self::ensure_unused) tells beforehand whether somebody else has it. All engines of a process read the same clock.
#[derive(Debug)]
pub struct Mio {
    poll: Poll,
    events: Events,
    waker: Arc<MioWaker>,
    /// By [`ListenerId`], which is never reused.
    listeners: Vec<Option<Listener>>,
    streams: Slab<Stream>,
    receive_buffer: ReceiveBuffer,
    /// Held only to be given up in [`Engine::refuse`].
    spare: Option<socket2::Socket>,
    user_timeout: Option<Duration>,
}

impl Mio {
    /// An engine with a receive buffer of 264 KiB, into which four messages of 64 KiB fit with their
    /// headers.
    ///
    /// # Errors
    ///
    /// The system has no more descriptors, of which an engine takes a few.
    pub fn new() -> io::Result<Self> {
        Self::with_receive_buffer(264 * 1024)
    }

    /// An engine that receives up to `receive_buffer_bytes` at once.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// If `receive_buffer_bytes` is zero, since then every read would look like the peer's end.
    pub fn with_receive_buffer(receive_buffer_bytes: usize) -> io::Result<Self> {
        assert!(receive_buffer_bytes > 0, "a receive buffer has room for a byte");
        let poll = Poll::new()?;
        let waker = Arc::new(MioWaker(Waker::new(poll.registry(), WAKER)?));
        Ok(Self {
            poll,
            events: Events::with_capacity(COMPLETIONS_AT_ONCE),
            waker,
            listeners: Vec::new(),
            streams: Slab::new(),
            receive_buffer: ReceiveBuffer::new(receive_buffer_bytes),
            spare: Some(spare_descriptor()?),
            user_timeout: None,
        })
    }

    /// How long sent bytes may stay without acknowledgement before the system breaks a TCP
    /// connection (TCP_USER_TIMEOUT); `None` leaves it to the system. It holds for listeners opened
    /// and connections begun from now on, and has no effect where the system does not know it.
    pub const fn set_user_timeout(&mut self, timeout: Option<Duration>) {
        self.user_timeout = timeout;
    }

    /// Whether nobody listens at an address. Listeners share it with those of other threads, and a
    /// TCP port with those of another process of the same user as well: call this once before the
    /// first of them listens, or two servers divide the connections between them without a word.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`], or another reason why one cannot listen there.
    pub fn ensure_unused(address: &Address) -> io::Result<()> {
        listener::ensure_unused(address)
    }

    fn stream(&mut self, carrier: Carrier) -> io::Result<&mut Stream> {
        self.streams.get_mut(key(carrier)).ok_or_else(gone)
    }

    fn listener(&mut self, listener: ListenerId) -> io::Result<&mut Listener> {
        let listener = self.listeners.get_mut(listener.index() as usize).and_then(Option::as_mut);
        listener.ok_or_else(gone)
    }

    /// Gives a listener a number and begins to watch it.
    fn watch_listener(&mut self, mut listener: Listener) -> io::Result<(ListenerId, Address)> {
        let number = u32::try_from(self.listeners.len()).map_err(io::Error::other)?;
        let bound = listener.address()?;
        let id = ListenerId::new(number);
        self.poll.registry().register(listener.source(), listener_token(id), Interest::READABLE)?;
        self.listeners.push(Some(listener));
        Ok((id, bound))
    }

    /// Gives a stream a slot and begins to watch it.
    fn watch(&mut self, stream: Stream) -> io::Result<Carrier> {
        let key = self.streams.insert(stream);
        let registry = self.poll.registry();
        let stream = self.streams.get_mut(key).ok_or_else(gone)?;
        if let Err(error) = registry.register(stream.source(), stream_token(key), interests()) {
            self.streams.remove(key);
            return Err(error);
        }
        Ok(Carrier::new(key.index(), key.generation()))
    }

    /// Sleeps, and goes on sleeping after a signal.
    fn sleep(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let began = self.now();
        let mut remaining = timeout;
        loop {
            match self.poll.poll(&mut self.events, remaining) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    let slept = self.now().saturating_duration_since(began);
                    remaining = timeout.map(|timeout| timeout.saturating_sub(slept));
                }
                result => return result,
            }
        }
    }
}

impl Engine for Mio {
    fn now(&self) -> Instant {
        static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
        Instant::ZERO + ORIGIN.get_or_init(std::time::Instant::now).elapsed()
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()> {
        self.sleep(timeout)?;
        for event in &self.events {
            match subject(event.token()) {
                Subject::Waker => completions.push(Completion::Woken),
                Subject::Listener(listener) => completions.push(Completion::Acceptable(listener)),
                // Nothing was closed since the system reported, so the slot's present stream is
                // the one that is meant. Were it not: readiness is a hint, and a wrong one costs
                // no more than a read that finds nothing.
                Subject::Stream(index) => {
                    let Some((key, stream)) = self.streams.at_mut(index) else { continue };
                    stream.note(event, Carrier::new(index, key.generation()), completions);
                }
            }
        }
        Ok(())
    }

    fn waker(&self) -> Arc<dyn Wake> {
        self.waker.clone()
    }

    fn listen(&mut self, address: &Address) -> io::Result<(ListenerId, Address)> {
        let listener = Listener::bind(address, self.user_timeout)?;
        self.watch_listener(listener)
    }

    fn listen_on(&mut self, listener: GivenListener) -> io::Result<(ListenerId, Address)> {
        let listener = Listener::take_over(listener, self.user_timeout)?;
        self.watch_listener(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        let entry = self.listeners.get_mut(listener.index() as usize);
        if let Some(mut listener) = entry.and_then(Option::take) {
            // Closing a descriptor does not end the watching of a socket that others have as well.
            let _ = self.poll.registry().deregister(listener.source());
        }
    }

    fn accept(&mut self, listener: ListenerId) -> io::Result<Option<(Carrier, Remote)>> {
        let Some((stream, remote)) = self.listener(listener)?.accept()? else {
            return Ok(None);
        };
        Ok(Some((self.watch(stream)?, remote)))
    }

    fn accept_for_another(&mut self, listener: ListenerId) -> io::Result<Option<Handed>> {
        let accepted = self.listener(listener)?.accept()?;
        Ok(accepted.map(|(stream, remote)| Handed::new(stream.into_descriptor(), remote)))
    }

    fn adopt(&mut self, handed: Handed) -> io::Result<(Carrier, Remote)> {
        let Some((descriptor, remote)) = handed.into_parts() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let stream = Stream::adopted(descriptor, &remote)?;
        Ok((self.watch(stream)?, remote))
    }

    fn refuse(&mut self, listener: ListenerId) -> io::Result<bool> {
        // Lost last time, when another thread was quicker to take the free descriptor.
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => spare_descriptor()?,
        };
        drop(spare);
        let refused = self.listener(listener).and_then(Listener::accept);
        let refused = refused.map(|accepted| accepted.is_some());
        self.spare = spare_descriptor().ok();
        refused
    }

    fn connect(&mut self, address: &Address) -> io::Result<Carrier> {
        let stream = Stream::connect(address, self.user_timeout)?;
        self.watch(stream)
    }

    fn connect_result(&mut self, carrier: Carrier) -> io::Result<()> {
        self.stream(carrier)?.connect_result()
    }

    #[inline]
    fn receive(&mut self, carrier: Carrier) -> io::Result<Input<'_>> {
        let stream = self.streams.get_mut(key(carrier)).ok_or_else(gone)?;
        Ok(match stream.receive(&mut self.receive_buffer)? {
            Received::Bytes { count, drained } => {
                Input::Bytes { bytes: &mut self.receive_buffer[..count], drained }
            }
            Received::Nothing => Input::Nothing,
            Received::End => Input::End,
        })
    }

    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received> {
        self.stream(carrier)?.receive_into(target)
    }

    #[inline]
    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent> {
        self.stream(carrier)?.send(outbox)
    }

    fn shutdown_write(&mut self, carrier: Carrier) {
        if let Ok(stream) = self.stream(carrier) {
            stream.shutdown_write();
        }
    }

    fn close(&mut self, carrier: Carrier) {
        // Closing the descriptor also ends the watching.
        self.streams.remove(key(carrier));
    }
}

#[derive(Debug)]
struct MioWaker(Waker);

impl Wake for MioWaker {
    fn wake(&self) {
        // It fails only when the loop has been told already more often than it can count, or is
        // gone.
        let _ = self.0.wake();
    }
}

/// What a token stands for. Even ones are streams and odd ones listeners, by number.
enum Subject {
    Waker,
    Listener(ListenerId),
    Stream(u32),
}

const WAKER: Token = Token(usize::MAX);

fn subject(token: Token) -> Subject {
    let number = u32::try_from(token.0 >> 1).ok();
    match number {
        _ if token == WAKER => Subject::Waker,
        Some(number) if token.0 & 1 == 0 => Subject::Stream(number),
        Some(number) => Subject::Listener(ListenerId::new(number)),
        None => unreachable!("a token is the waker's, or holds a number of 32 bits"),
    }
}

const fn stream_token(key: Key) -> Token {
    Token((key.index() as usize) << 1)
}

const fn listener_token(listener: ListenerId) -> Token {
    Token((listener.index() as usize) << 1 | 1)
}

const fn key(carrier: Carrier) -> Key {
    Key::new(carrier.index(), carrier.generation())
}

/// Both directions for the whole life of a stream, so that watching costs one system call.
fn interests() -> Interest {
    let both = Interest::READABLE | Interest::WRITABLE;
    // Without it urgent data would cut a read short and nobody would be told that more follows.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both | Interest::PRIORITY;
    both
}

/// Any descriptor serves; a socket needs no path that might be missing.
fn spare_descriptor() -> io::Result<socket2::Socket> {
    socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::DGRAM, None)
}

/// The carrier or listener was closed.
fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}
