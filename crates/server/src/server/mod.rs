//! The server: loops on threads, found again from any of them.

mod builder;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::CloseCode;
use sockeye_reactor::engine::Address;
use sockeye_reactor::{DrainPlan, DrainReport};

use crate::executor::is_loop_thread;
use crate::group::Group;
use crate::service::{App, Loops, Stats};
use crate::socket::{SocketHandle, SocketId};

pub use self::builder::ServerBuilder;

/// A WebSocket server that runs on threads of its own. Clones are the same server; when the last is dropped, it stops at
/// once and cuts its connections: [`shutdown`](Self::shutdown) ends it politely.
///
/// ```no_run
/// use sockeye::{Server, Socket};
///
/// fn main() -> Result<(), sockeye::Error> {
///     let server = Server::builder()
///         .route("/echo", async |mut socket: Socket| {
///             loop {
///                 let message = socket.recv().await?;
///                 socket.send(message).await?;
///             }
///         })
///         .bind("127.0.0.1:9001")?;
///     server.wait();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Server {
    running: Arc<Running>,
}

struct Running {
    app: Arc<App>,
    loops: Loops,
}

impl Server {
    /// A server without routes, with the default limits.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Where the server listens, if it does over TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.addresses().find_map(|address| match address {
            Address::Tcp(address) => Some(*address),
            _ => None,
        })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.running.loops.addresses().iter()
    }

    /// The group of this name. It is one group, however many loops and threads there are.
    pub fn group(&self, name: &str) -> Group {
        self.running.app.groups.named(name)
    }

    /// The groups that are in use.
    pub fn groups(&self) -> Vec<Group> {
        self.running.app.groups.all()
    }

    /// The socket with this identifier, if it is open. Event routes have no sockets: they are found by their
    /// [`Peer::sender`](crate::Peer::sender).
    pub fn socket(&self, id: SocketId) -> Option<SocketHandle> {
        self.running.app.registry.find(id).map(SocketHandle::new)
    }

    /// The open socket that was given this name: see [`Sender::set_name`](crate::Sender::set_name).
    pub fn socket_named(&self, name: &str) -> Option<SocketHandle> {
        self.running.app.registry.find_named(name).map(SocketHandle::new)
    }

    /// All open sockets.
    pub fn sockets(&self) -> Vec<SocketHandle> {
        self.running.app.registry.all().into_iter().map(SocketHandle::new).collect()
    }

    /// The figures of the server, as of each loop's latest turn.
    pub fn stats(&self) -> Stats {
        self.running.loops.stats()
    }

    /// Ends the server: no new upgrades, what waits is sent, every connection is closed with 1001, and the routes run on
    /// until they have returned, so that they can clean up behind a connection that has ended. Blocks until it is done.
    ///
    /// After `within` it is over, whoever is left. Connections that are still open are cut ([`DrainReport::cut`]).
    /// Routes that have not returned ([`DrainReport::unfinished`]) are dropped at the await where they are, if they are
    /// async; the thread of a blocking route runs on, and nobody waits for it any more. Tasks of
    /// [`spawn`](crate::spawn) are not waited for, nor are functions of [`spawn_blocking`](crate::spawn_blocking),
    /// unless a route awaits them.
    ///
    /// It takes as long as the slowest route, so a route that ignores the end of its connection makes it last for
    /// `within`.
    pub fn shutdown(&self, within: Duration) -> DrainReport {
        self.drain(DrainPlan::within(within))
    }

    /// As [`shutdown`](Self::shutdown), with another code and reason, or spread over a time so that the clients do not
    /// come back all at once.
    ///
    /// A second call waits for the end of the first, and has nothing to report.
    ///
    /// # Panics
    /// On a loop's own thread, which would wait for itself: [`spawn_blocking`](crate::spawn_blocking) it from a route.
    pub fn drain(&self, plan: DrainPlan) -> DrainReport {
        assert!(!is_loop_thread(), "a server is not shut down from a loop's own thread");
        let Some(cluster) = self.running.loops.take() else {
            self.wait();
            return DrainReport::default();
        };
        cluster.drain(&plan)
    }

    /// Closes every socket of the async and blocking routes, and goes on serving.
    ///
    /// Event routes have no sockets, so their connections stay open: a handler that is to be closed from elsewhere
    /// gives its [`Peer::sender`](crate::Peer::sender) to whoever does, who calls
    /// [`PeerSender::close`](crate::PeerSender::close). [`shutdown`](Self::shutdown) closes connections of every kind.
    ///
    /// # Errors
    /// [`Error::NotSendable`](crate::Error::NotSendable) for a code or reason that a Close frame cannot carry.
    pub fn close_all(&self, code: CloseCode, reason: &str) -> Result<(), crate::Error> {
        self.sockets().iter().try_for_each(|socket| socket.close(code, reason))
    }

    /// Blocks until the server has ended, as by another thread's [`shutdown`](Self::shutdown): then the async routes are
    /// over, and so are the blocking ones, but for those that the deadline of the shutdown has left behind.
    pub fn wait(&self) {
        self.running.loops.wait();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("loops", &self.running.loops).finish_non_exhaustive()
    }
}
