//! The event loop that drives `sockeye-protocol`.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it (tests/it/layout.rs).
mod cluster;
mod reactor;
mod session;
mod handler;
mod decision;
mod peer;
mod shared;
mod link;
mod groups;
mod sender;
mod handle;
mod mailbox;
mod drain;
mod listener;
mod stats;
mod entropy;
mod guard;
mod outcome;
mod error;
mod config;
pub mod engine;
mod timers;
mod slab;
mod buffers;

pub use buffers::{Buffers, ReceiveBuffer};
pub use cluster::Cluster;
pub use config::Config;
pub use decision::{Accept, Decision, Deferred, Ticket, deferred};
pub use drain::{DrainPlan, DrainReport, Draining};
pub use error::{ConnectError, REFUSED_BODY_BYTES_MAX, Refused};
pub use groups::{Group, Policy};
pub use handle::Handle;
pub use handler::{Handler, Notice, Outward, Service};
pub use outcome::{Cause, Outcome};
pub use peer::{Peer, Peers};
pub use reactor::{Reactor, Turn};
pub use sender::Sender;
pub use slab::{Key, Slab};
pub use stats::Stats;
pub use timers::{Precision, Timers};
