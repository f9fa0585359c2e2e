//! WebSocket (RFC 6455) on tokio: servers and clients over any `AsyncRead + AsyncWrite`.
//!
//! All of the protocol is in `sockeye-protocol`, which does no I/O; this crate moves its bytes, keeps
//! its deadlines, and gives it the shape that programs on tokio expect.
//!
//! # A server and a client
//!
//! ```
//! use sockeye_tokio::{Error, Message};
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let server = tokio::spawn(async move {
//!     let (stream, _) = listener.accept().await?;
//!     let mut socket = sockeye_tokio::accept(stream).await?;
//!     while let Some(message) = socket.recv().await {
//!         let message = message?;
//!         if message.is_text() || message.is_binary() {
//!             // What one read has brought is answered with one write, when `recv` waits.
//!             socket.feed(message).await?;
//!         }
//!     }
//!     Ok::<(), Error>(())
//! });
//!
//! let mut socket = sockeye_tokio::connect(&format!("ws://{address}/")).await?;
//! socket.send("Hello".into()).await?;
//! assert_eq!(socket.recv().await.transpose()?, Some(Message::text("Hello")));
//! socket.close(None).await?;
//! server.await.expect("no panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go on
//!
//! - [`WebSocket`]: receiving, sending, when what is said leaves, what dropping a future means, and
//!   how it ends.
//! - [`accept()`], [`accept_with`] and [`Acceptor`]: a server's opening handshake.
//! - [`connect()`] and [`Client`]: a client's, over TCP, TLS, a Unix socket, or any stream.
//!
//! # Features
//!
//! - `deflate`: permessage-deflate (RFC 7692), where `Config::deflate` asks for it.
//! - `hyper`: upgrades of requests that hyper 1 serves: the module `hyper`.
//! - `axum`: an extractor for axum 0.8: the module `axum`.
//! - `tls`: `wss` URLs by rustls with ring, trusting what the platform trusts.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// In reading order; a module uses only modules declared below it.
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "hyper")]
pub mod hyper;
mod accept;
mod client;
mod websocket;
mod split;
mod stream;
mod opening;
mod receiving;
mod agreed;
mod outgoing;
mod port;
mod writing;
mod unread;
mod clock;
mod memory;
mod message;
mod error;

pub use accept::{Acceptor, Requested, accept, accept_with};
pub use bytes::Bytes;
pub use client::{Client, connect};
pub use error::{Error, Refused};
pub use message::{CloseFrame, Message, Utf8Bytes};
pub use outgoing::Outgoing;
pub use sockeye_protocol::{
    CloseCode, Closed, Config, Event, Initiator, Prepared, ProtocolError, Role, SendError,
    TimedOut, Violation, handshake,
};
#[cfg(feature = "deflate")]
pub use sockeye_protocol::{Deflate, DeflateConfig};
pub use split::{Receiver, ReuniteError, Sender};
pub use stream::ClientStream;
pub use websocket::WebSocket;

/// The code of the document for those who come from elsewhere is tested with this crate's, which can
/// depend on all that it needs.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../docs/migrating.md")]
struct Migrating;
