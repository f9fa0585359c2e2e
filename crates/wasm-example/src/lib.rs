//! A WebSocket client as a WebAssembly module, for a host that has bytes, a clock and random numbers
//! and wants events: a page that speaks through a channel of its own, or Node with a socket
//! (`client.mjs`). An instance of the module is one connection.
//!
//! The functions are plain exports, and memory is handed over by address: the host writes what has
//! come to [`exports::input`], and reads what is to be sent from [`exports::output`].

// Everywhere else there is no host to ask for the time, or a C library with names of its own, and
// the crate is empty.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

// In reading order; a module uses only modules declared below it.
pub mod exports;
mod instance;
mod client;
pub mod found;
mod host;
