//! The real loop: mostly on the memory engine with its virtual clock, and a little on real sockets.

mod frames;
mod sockets;
mod support;
