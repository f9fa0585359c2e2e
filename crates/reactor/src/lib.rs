//! The event loop that drives `sockeye-protocol`.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it (tests/it/layout.rs).
pub mod engine;
mod slab;

pub use slab::{Key, Slab};
