//! WebSocket (RFC 6455) as state machines: bytes in, events out, bytes to send in an [`Outbox`].
//!
//! Nothing in this crate opens a socket, reads a clock, draws a random number or starts a thread.
//! The bytes, the time and the random numbers are arguments, so the same code runs under an event
//! loop, an async runtime, blocking threads, io_uring, WebAssembly, a simulation or a fuzzer.
//!
//! # The loop that every driver writes
//!
//! ```
//! use std::sync::Arc;
//! use sockeye_protocol::{
//!     Buffers, Config, Connection, Event, Instant, Outbox, Output, Role, Unmasked,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::ZERO;
//! let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
//! let mut outbox = Outbox::new();
//! let mut buffers = Buffers::default();
//!
//! // What a `recv` brought: the masked text message "Hello" (RFC 6455, section 5.7).
//! let mut buffer = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let mut input = &mut buffer[..];
//! let mut output =
//!     Output { outbox: &mut outbox, mask_keys: &mut Unmasked, buffers: &mut buffers, now };
//! while let Some(event) = connection.receive(&mut input, &mut output)? {
//!     if let Event::Text(text) = event {
//!         connection.send_text(&text, &mut output)?;
//!     }
//! }
//! assert_eq!(outbox.chunks().collect::<Vec<_>>().concat(), b"\x81\x05Hello");
//! # Ok(())
//! # }
//! ```
//!
//! The rest of the contract is on [`Connection`]: when to write, when to call
//! [`handle_timeout`](Connection::handle_timeout), what to do with the transport at the end.
//!
//! # In scope
//!
//! The opening handshake of both roles ([`handshake`]), frames ([`FrameReader`], [`FrameHeader`]),
//! messages, masking, UTF-8, limits, the closing handshake, keepalive deadlines.
//!
//! # Out of scope
//!
//! Sockets, TLS, name resolution, proxies, threads, routing, and HTTP beyond the upgrade.
//!
//! # Features
//!
//! - `std` (default): `Outbox::io_slices`, `Outbox::write_to` and run-time detection of vector
//!   instructions. Without it the crate needs `core` and `alloc` only, on a target with
//!   compare-and-swap on words, such as `thumbv7em`, `riscv32imac` or `wasm32`, but not `thumbv6m`.
//! - `deflate`: permessage-deflate (RFC 7692), where it is asked for; implies `std`.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// No input may cause a panic, so what could panic is not written, or says why it cannot.
#![cfg_attr(
    not(test),
    deny(
        clippy::cast_possible_truncation,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

extern crate alloc;

// In reading order; a module uses only modules declared below it (tests/it/layout.rs).
pub mod handshake;
mod connection;
mod closing;
mod keepalive;
mod control_rate;
mod message;
pub mod frame;
mod utf8;
mod outbox;
mod event;
mod error;
mod close;
mod config;
#[cfg(feature = "deflate")]
mod deflate;
mod role;
mod time;
mod copying;

pub use close::{CloseCode, CloseReason, Closed, Initiator};
pub use config::Config;
pub use connection::{Connection, Output, Transport};
#[cfg(feature = "deflate")]
pub use deflate::{Deflate, DeflateConfig, WindowBits};
pub use error::{ProtocolError, SendError, TimedOut, Violation};
pub use event::{Event, Payload, Text};
pub use frame::{Chunk, FrameHeader, FrameReader, MaskKeys, Opcode, Unmasked};
pub use message::{Buffers, Frames, Prepared};
pub use outbox::{Outbox, Segment};
pub use role::Role;
pub use time::{Instant, Timer};

/// The code in the guide to drivers is tested with this crate's documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/driving.md")]
mod driving {}
