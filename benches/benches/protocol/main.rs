//! The protocol crate beside its peers, a module for each group, in one program and one run.
//!
//! Everything is in memory and on one thread. Every implementation gets its bytes by a copy, as
//! from a socket: ours into the buffer that it unmasks in place, the peers into the buffers that
//! they own. What is written is counted and dropped.
#![allow(missing_docs)]

mod deflate;
mod frame;
mod handshake;
mod mask;
mod message;
mod send;
mod utf8;

mod endpoints;
mod measure;

use criterion::{criterion_group, criterion_main};

criterion_group! {
    name = benches;
    config = measure::criterion();
    targets =
        mask::bench, utf8::bench, frame::bench, message::bench, send::bench, handshake::bench,
        deflate::bench
}
criterion_main!(benches);
