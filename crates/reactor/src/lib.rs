//! The event loop that drives [`sockeye_protocol`]: it accepts and connects, carries bytes between
//! transports and connections, and calls handlers.
//!
//! A [`Reactor`] is one thread's loop. It owns an [engine](engine::Engine), which is the operating
//! system as the loop sees it, and a [`Service`], which decides about requests and makes a
//! [`Handler`] for each session. A handler talks to the other side through a [`Peer`], other
//! threads through a [`Sender`], a [`Group`] or a [`Handle`]. A [`Cluster`] is one loop on each of
//! several threads.
//!
//! ```text
//!   poll ─► clock ─► dispatch ─► commands ─► timers ─► tasks ─► flush ─► reap ─┐
//!    ▲               accept      from other            Service   one write      │
//!    │               read        threads               ::tasks   a session      │
//!    └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everything that a turn says to one peer leaves in one write, nothing waits without a limit, and
//! an idle session holds no buffer. User code runs behind a guard: a panic ends its own session with
//! 1011 and nothing else, as long as panics unwind.
//!
//! Not here: routes, queues of messages, async functions (the `sockeye` crate), TLS, HTTP beyond the
//! answer to one request.
//!
//! # Example
//!
//! An echo server:
//!
//! ```no_run
//! use sockeye_protocol::{Event, handshake::Head};
//! use sockeye_reactor::engine::{Address, Mio, Remote};
//! use sockeye_reactor::{Accept, Config, Decision, Handler, Peer, Reactor, Service};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
//!         // A peer that does not read fills its outbox; then its messages are left unanswered.
//!         let _ = match event {
//!             Event::Text(text) => peer.send_text(&text),
//!             Event::Binary(payload) => peer.send_binary(&payload),
//!             _ => Ok(()),
//!         };
//!     }
//! }
//!
//! struct Echoes;
//!
//! impl Service for Echoes {
//!     type Handler = Echo;
//!
//!     fn request(&mut self, _head: &Head<'_>, _remote: &Remote) -> Decision<Echo> {
//!         Decision::Accept(Accept::new(Echo))
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     let mut reactor = Reactor::new(Mio::new()?, Echoes, Config::default());
//!     reactor.listen(&Address::Tcp(([127, 0, 0, 1], 9001).into()))?;
//!     reactor.run()
//! }
//! ```
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it (tests/it/layout.rs).
mod cluster;
mod reactor;
mod session;
mod handler;
mod decision;
mod peers;
mod peer;
mod handover;
mod shared;
mod link;
mod outboxes;
mod groups;
mod sender;
mod outgoing;
mod handle;
mod mailbox;
mod drain;
mod listener;
mod crowd;
mod stats;
mod entropy;
mod guard;
mod outcome;
mod error;
mod config;
pub mod engine;
#[doc(hidden)]
pub mod mutex;
mod timers;
mod table;
mod slab;
mod buffers;

pub use buffers::ReceiveBuffer;
pub use cluster::{Cluster, Spreading};
pub use config::Config;
pub use decision::{Accept, Decision, Deferred, Ticket, deferred};
pub use drain::{DrainPlan, DrainReport, Draining};
pub use error::{ConnectError, REFUSED_BODY_BYTES_MAX, Refused};
pub use groups::{Group, Policy};
pub use handle::Handle;
pub use handler::{Handler, Notice, Outward, Service};
pub use outcome::{Cause, Outcome};
pub use outgoing::Batch;
pub use peer::Peer;
pub use peers::Peers;
pub use reactor::{Reactor, Turn};
pub use sender::Sender;
pub use slab::{Key, Slab};
pub use stats::Stats;
pub use timers::{Precision, Timers};
