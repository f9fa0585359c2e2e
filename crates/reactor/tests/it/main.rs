//! The real loop: mostly on the memory engine with its virtual clock, and a little on real sockets;
//! and the engines themselves.

mod engine;
mod frames;
mod sockets;
mod support;
