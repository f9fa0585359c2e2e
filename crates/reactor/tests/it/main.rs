//! The real loop: mostly on the memory engine with its virtual clock, and a little on real sockets;
//! and the engines themselves.

mod broadcast;
mod engine;
mod frames;
mod layout;
mod opening;
mod panics;
mod reading;
mod senders;
mod sockets;
mod stalls;
mod support;
mod world;
