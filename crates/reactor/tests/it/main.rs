//! The real loop: mostly on the memory engine with its virtual clock, and a little on real sockets;
//! and the engines themselves.

mod accepting;
mod attacks;
mod batches;
mod broadcast;
mod cluster;
#[cfg(feature = "deflate")]
mod deflate;
mod dialing;
mod draining;
mod ends;
mod engine;
mod faults;
mod frames;
mod given;
mod handover;
mod heap;
mod keys;
mod medium;
mod mutual;
mod opening;
mod outward;
mod panics;
mod publishing;
mod reading;
mod saying;
mod senders;
mod sizes;
mod soak;
mod sockets;
mod stalls;
mod support;
mod threats;
mod world;
