//! A WebSocket server and client (RFC 6455) without an async runtime: straight-line conversations, in-order queues,
//! receives with a timeout that loses nothing, ping policies, broadcast, and a drain that ends on time.
//!
//! ```
//! use std::time::Duration;
//! use sockeye::{CloseCode, Error, Server, Socket, connect_blocking};
//!
//! // Straight-line conversation: polled by the loop that accepted it, no thread, no runtime.
//! async fn greet(mut socket: Socket) -> Result<(), Error> {
//!     while let Ok(message) = socket.recv_timeout(Duration::from_secs(30)).await {
//!         socket.send(message.reply("Hello!")).await?;
//!     }
//!     socket.close(CloseCode::NORMAL, "").await
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let server = Server::builder().route("/connect", greet).bind("127.0.0.1:0")?;
//! # let address = server.local_addr().expect("it listens over TCP");
//!
//! let mut socket = connect_blocking(&format!("ws://{address}/connect"))?;
//! socket.send_text("hi")?;
//! assert_eq!(socket.recv()?.as_text(), Some("Hello!"));
//! socket.close(CloseCode::NORMAL, "bye")?;
//!
//! server.shutdown(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # Three ways to write a route
//!
//! - [`route`](ServerBuilder::route): an async function with a [`Socket`], polled on the loop's own thread;
//! - [`route_blocking`](ServerBuilder::route_blocking): a function with a [`BlockingSocket`], on a thread of its own;
//! - [`route_events`](ServerBuilder::route_events): a [`Handler`] that is called on the loop's thread, with messages
//!   that lie where they were received. The fastest.
//!
//! Beside them, [`get`](ServerBuilder::get) answers a plain GET with a small body, at the same path if you like.
//!
//! # What holds everywhere
//!
//! - A timeout, a cancelled wait or a dropped future loses no message and costs no connection.
//! - Messages that arrived whole are received before the reason for which the connection ended.
//! - Every queue has a limit and every wait an end; see [`ServerBuilder`] for each.
//! - A panic in your code ends the connection that it was about, with 1011, and nothing else.
//!
//! # Out of scope
//!
//! HTTP beyond the upgrade and small bodies, TLS. A real HTTP server can hand its upgraded connections to
//! `sockeye-protocol`.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it.
pub mod testing;
mod server;
mod client;
mod service;
mod socket;
mod request;
mod router;
mod attachments;
mod origin;
mod group;
mod executor;
mod message;
mod error;
#[cfg(test)]
mod tests;

// The layers below, for what is named more rarely.
pub use sockeye_protocol as protocol;
pub use sockeye_reactor as reactor;

pub use bytes::Bytes;
pub use client::{Client, connect, connect_blocking};
pub use error::{Error, Refusal};
pub use executor::{Interval, JoinHandle, Sleep, interval, sleep, spawn, spawn_blocking};
pub use group::Group;
pub use message::{Kind, Message, MessageReader, Piece};
pub use request::{Header, Request, Response, html, plain};
pub use router::InvalidPattern;
pub use server::{Server, ServerBuilder};
pub use service::Stats;
pub use socket::{
    BlockingReceiver, BlockingSender, BlockingSocket, Canceller, Closed, PingPolicy, Receiver,
    Sender, Sending, Socket, SocketHandle, SocketId, State,
};
pub use sockeye_protocol::{
    CloseCode, CloseReason, Config as ConnectionConfig, Event, Initiator, Instant, Payload,
    Prepared, ProtocolError, Role, SendError, Text,
};
#[cfg(feature = "deflate")]
pub use sockeye_protocol::{Deflate, DeflateConfig, WindowBits};
pub use sockeye_reactor::engine::{Address, GivenListener, InvalidListener, Remote};
pub use sockeye_reactor::{
    Cause, Config as LoopConfig, ConnectError, DrainPlan, DrainReport, Handle, Handler, Key,
    Outcome, Peer, Policy, Sender as PeerSender, Spreading,
};

/// The README's code is tested with this crate's documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
