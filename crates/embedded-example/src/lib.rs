//! WebSocket on a microcontroller, in two sizes.
//!
//! - [`FrameEcho`] passes frames through one small buffer: it never allocates, and a message may be
//!   longer than all of the memory.
//! - [`MessageEcho`] is a whole server for one peer, with opening handshake, messages, UTF-8,
//!   keepalive and closing, on a heap of some KiB.
//!
//! Both are driven with whatever carries bytes, such as a UART or a TCP stack: [`Wire`]. The clock
//! is any counter of nanoseconds, which is the loop's affair.
//!
//! `sockeye-protocol` without its feature `std` needs `core` and `alloc`, and compare-and-swap on
//! words: Cortex-M3 and larger (`thumbv7*`, `thumbv8m.main`), RISC-V with the extension A
//! (`riscv32imac`), but not Cortex-M0 (`thumbv6m`). Whoever uses frames only needs an allocator to
//! link as well, but it is never called.
#![no_std]

// In reading order; a module uses only modules declared below it.
mod messages;
mod frames;
mod wire;

pub use frames::FrameEcho;
pub use messages::MessageEcho;
pub use wire::{Lost, Wire};
