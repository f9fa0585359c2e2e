//! An echo server that drives `sockeye-protocol` with io_uring: [`serve`].
//!
//! What completes instead of becoming ready suits the contract of
//! [`Connection`](sockeye_protocol::Connection). The kernel chooses a buffer from a ring of them when
//! bytes come, the connection takes all of it, and the buffer goes back at once, so no connection
//! holds one. What is to be written is taken out of the outbox whole
//! ([`Outbox::pop`](sockeye_protocol::Outbox::pop)) and belongs to the kernel until it was sent.
#![cfg(target_os = "linux")]

// In reading order; a module uses only modules declared below it.
mod echo;
mod peer;
mod ring;
mod buffers;
// What a peer's bytes come to, for any loop.
#[path = "../../protocol/examples/echo/session.rs"]
mod session;
#[path = "../../protocol/examples/echo/shared.rs"]
mod shared;
#[path = "../../protocol/examples/echo/timers.rs"]
mod timers;

pub use echo::{check, serve};
