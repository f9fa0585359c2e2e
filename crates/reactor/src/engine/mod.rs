//! The seam between the loop and the operating system.
//!
//! An [`Engine`] owns the sockets, the sleeping, the clock and the wake-ups of one thread.
//! The loop above it knows carriers and what may be done with them, and no descriptor, token or
//! system call. So the same loop runs on epoll or kqueue ([`Mio`]), on a simulated network with a
//! virtual clock ([`Memory`]), and on whatever implements the trait elsewhere.

mod counting;
mod memory;
mod mio;
mod given;

pub use counting::{Counters, Counting};
pub use given::{GivenListener, InvalidListener};
pub use memory::{Answer, Conditions, Memory, Network, Wire};
pub use mio::Mio;

use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::{Instant, Outbox};

/// What one thread's loop needs from the operating system.
///
/// # Readiness comes as edges
///
/// [`Completion::Readable`], [`Completion::Writable`] and [`Completion::Acceptable`] report a
/// *change*, once. Whoever stops before the engine says that nothing is left remembers it and goes
/// on by itself, because the edge does not come again:
///
/// - reading is finished when [`receive`](Self::receive) says `drained`, [`Input::Nothing`],
///   [`Input::End`] or an error;
/// - writing is finished when [`send`](Self::send) has taken the whole outbox, or says `blocked`;
/// - accepting is finished when [`accept`](Self::accept) returns `None`. After an error the backlog
///   is still there, so it must be asked again later, by a timer.
///
/// # Stale carriers
///
/// A completion may name a carrier that was closed after the engine had reported it. Every method
/// that takes such a carrier returns [`io::ErrorKind::NotConnected`] or does nothing.
pub trait Engine {
    /// The engine's monotonic clock.
    fn now(&self) -> Instant;

    /// Sleeps until something happens, at most for `timeout` (`None`: without a limit), and appends
    /// what happened to `completions`.
    ///
    /// It may return early without a completion. It never ends before `timeout` by rounding. It may leave some for the
    /// next call if it brings [`COMPLETIONS_AT_ONCE`].
    ///
    /// # Errors
    ///
    /// Only what makes the whole engine unusable. Interruption by a signal is handled inside, and
    /// what concerns one carrier comes from that carrier's next call.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> io::Result<()>;

    /// A handle with which any thread ends a [`poll`](Self::poll), the present or the next one.
    fn waker(&self) -> Arc<dyn Wake>;

    /// Listens at `address`. Returns the listener with the address that it got, which differs where
    /// `address` left the choice to the system (port 0).
    ///
    /// # Errors
    ///
    /// The address is in use, not ours, or of a kind that this engine does not know
    /// ([`io::ErrorKind::Unsupported`]).
    fn listen(&mut self, address: &Address) -> io::Result<(ListenerId, Address)>;

    /// Takes over a listener that somebody else made, which is then like one of the engine's own, but
    /// for what it shares with others who hold the same socket. Returns it with its address.
    ///
    /// # Errors
    ///
    /// It does not listen, or is not of the kind that its type says ([`InvalidListener`], inside of
    /// [`io::ErrorKind::InvalidInput`]); [`io::ErrorKind::Unsupported`] if the engine knows no such
    /// listeners, which is what an engine says that does not implement it. It is closed.
    fn listen_on(&mut self, listener: GivenListener) -> io::Result<(ListenerId, Address)> {
        drop(listener);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Stops listening; connections that nobody accepted are refused. Does nothing if the listener
    /// is gone already.
    fn unlisten(&mut self, listener: ListenerId);

    /// Accepts one connection; `None`: none is waiting.
    ///
    /// # Errors
    ///
    /// What the system says, unchanged: among it the lack of descriptors, after which
    /// [`refuse`](Self::refuse) may help.
    fn accept(&mut self, listener: ListenerId) -> io::Result<Option<(Carrier, Remote)>>;

    /// Accepts one connection for another engine of the same kind: it is not watched here, and has no
    /// carrier before somebody [adopts](Self::adopt) it. `None`: none is waiting.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); [`io::ErrorKind::Unsupported`] if connections of this engine
    /// cannot change their thread, which is what an engine says that does not implement it.
    fn accept_for_another(&mut self, listener: ListenerId) -> io::Result<Option<Handed>> {
        let _ = listener;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes over a connection that another engine [accepted](Self::accept_for_another). What has
    /// arrived in between is reported like what arrives from now on.
    ///
    /// # Errors
    ///
    /// The system cannot watch it, or it is of a kind that this engine does not know: it is closed.
    fn adopt(&mut self, handed: Handed) -> io::Result<(Carrier, Remote)> {
        drop(handed);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Accepts one connection and closes it at once, with the descriptor that the engine keeps
    /// spare for this. To be called when [`accept`](Self::accept) failed for want of descriptors,
    /// so that peers hear of it instead of waiting in the backlog. Returns whether there was a
    /// connection to refuse.
    ///
    /// # Errors
    ///
    /// The spare descriptor is lost as well, or the accept failed: try again later.
    fn refuse(&mut self, listener: ListenerId) -> io::Result<bool>;

    /// Begins an outward connection. [`Completion::Connected`] follows, whether it succeeds or
    /// fails; nothing may be sent or received before it.
    ///
    /// # Errors
    ///
    /// What is known at once: no descriptor, an unreachable network, an unknown kind of address.
    fn connect(&mut self, address: &Address) -> io::Result<Carrier>;

    /// The result of an outward connection, to be asked once, after [`Completion::Connected`].
    /// After an error the carrier is still to be [closed](Self::close).
    ///
    /// # Errors
    ///
    /// Why the connection failed; [`io::ErrorKind::WouldBlock`] while it is still being made.
    fn connect_result(&mut self, carrier: Carrier) -> io::Result<()>;

    /// One read into the engine's receive buffer, which all carriers share.
    ///
    /// # Errors
    ///
    /// The transport broke: the carrier is good for nothing but [`close`](Self::close).
    fn receive(&mut self, carrier: Carrier) -> io::Result<Input<'_>>;

    /// One read that appends to `target`, at most what fits its spare capacity.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive); [`io::ErrorKind::InvalidInput`] if `target` has no spare
    /// capacity.
    fn receive_into(&mut self, carrier: Carrier, target: &mut Vec<u8>) -> io::Result<Received>;

    /// One vectored write of what waits in `outbox`, which is advanced by what was taken.
    ///
    /// # Errors
    ///
    /// The transport broke: the carrier is good for nothing but [`close`](Self::close), except that
    /// received bytes may still wait to be read.
    fn send(&mut self, carrier: Carrier, outbox: &mut Outbox) -> io::Result<Sent>;

    /// Ends the sending direction; receiving goes on. A transport that is broken already shows it
    /// at the next read.
    fn shutdown_write(&mut self, carrier: Carrier);

    /// Closes both directions at once and gives the descriptor back. Unread received bytes make
    /// most transports send a reset, which may destroy what was sent just before.
    fn close(&mut self, carrier: Carrier);
}

/// One byte stream of an [`Engine`], named by a slot and the slot's generation, so that the name of
/// a closed carrier never reaches its successor. A slot is taken until [`close`](Engine::close): the
/// session that a carrier bears lies in a slot of the same number, and has the same name as its
/// [`Key`](crate::Key).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Carrier {
    index: u32,
    generation: u32,
}

impl Carrier {
    /// The name of the carrier in slot `index`, for engines.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The slot. Slots are dense: a free one is taken before a new one is made.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which of the slot's successive carriers this is.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// The name of a listener within its engine; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u32);

impl ListenerId {
    /// The name of the engine's listener number `index`, for engines.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number that the engine chose.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// An [`Engine::poll`] that brings fewer completions than this has brought all that there are.
pub const COMPLETIONS_AT_ONCE: usize = 1024;

/// Something that happened while an engine [polled](Engine::poll).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Connections wait at this listener.
    Acceptable(ListenerId),
    /// An outward connection was made or failed: [`Engine::connect_result`] says which.
    Connected(Carrier),
    /// Bytes, the end, or an error wait to be received.
    Readable(Carrier),
    /// A carrier that was `blocked` takes bytes again.
    Writable(Carrier),
    /// Some thread used the [waker](Engine::waker).
    Woken,
}

/// What one [`Engine::receive`] brought.
#[derive(Debug)]
pub enum Input<'e> {
    /// Bytes, at least one. They may be changed in place, and the buffer is reused by the next
    /// receive on any carrier.
    Bytes {
        /// What arrived.
        bytes: &'e mut [u8],
        /// Nothing more will come without a new [`Completion::Readable`].
        drained: bool,
    },
    /// Nothing is there now; [`Completion::Readable`] will tell.
    Nothing,
    /// The peer ended its sending direction, and everything before it has been received.
    End,
}

/// What one [`Engine::receive_into`] brought; see [`Input`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, at least one, were appended.
    Bytes {
        /// How many.
        count: usize,
        /// Nothing more will come without a new [`Completion::Readable`].
        drained: bool,
    },
    /// Nothing is there now; [`Completion::Readable`] will tell.
    Nothing,
    /// The peer ended its sending direction, and everything before it has been received.
    End,
}

/// What one [`Engine::send`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes taken; the outbox was advanced by them.
    pub bytes: usize,
    /// The transport is full: [`Completion::Writable`] will tell when it takes more.
    pub blocked: bool,
}

/// Where to listen, or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port; for a listener port 0 leaves the choice to the system.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A place in a simulated [network](Network); for a listener 0 leaves the choice to it.
    Memory(u64),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            // An abstract name is written with this sign for the zero before it.
            Self::Unix(path) => {
                write!(f, "unix:{}", path.display().to_string().replace('\0', "@"))
            }
            Self::Memory(number) => write!(f, "memory:{number}"),
        }
    }
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remote {
    /// The peer's IP address and port.
    Tcp(SocketAddr),
    /// A process of this machine, over a Unix socket, which has no name.
    Unix,
    /// The number of a connection in a simulated [network](Network).
    Memory(u64),
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Memory(number) => write!(f, "memory:{number}"),
        }
    }
}

/// An accepted connection on its way from one engine to another. Dropping it closes it.
pub struct Handed {
    connection: Box<dyn Any + Send>,
    remote: Remote,
}

impl Handed {
    /// A connection from `remote`, for engines: what those of its kind know it by, such as a descriptor that does not
    /// block.
    #[must_use]
    pub fn new(connection: impl Any + Send, remote: Remote) -> Self {
        Self { connection: Box::new(connection), remote }
    }

    /// What [`new`](Self::new) was given. `None`, and the connection is closed, if that was something else.
    #[must_use]
    pub fn into_parts<C: Any>(self) -> Option<(C, Remote)> {
        let connection = self.connection.downcast().ok()?;
        Some((*connection, self.remote))
    }
}

impl fmt::Debug for Handed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handed").field("remote", &self.remote).finish_non_exhaustive()
    }
}

/// Ends an engine's sleep from any thread.
pub trait Wake: Send + Sync {
    /// Makes the engine's present or next [`poll`](Engine::poll) return with
    /// [`Completion::Woken`]. Several calls may count as one.
    fn wake(&self);
}
