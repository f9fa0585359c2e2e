//! The event loop that drives `sockeye-protocol`.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it (tests/it/layout.rs).
pub mod engine;
mod timers;
mod slab;
mod buffers;

pub use buffers::{Buffers, ReceiveBuffer};
pub use slab::{Key, Slab};
pub use timers::{Precision, Timers};
