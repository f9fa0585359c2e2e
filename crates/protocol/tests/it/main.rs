//! Integration tests of the protocol crate: one binary, a module for each subject.
//!
//! A test that proves a row of the conformance matrix carries the row's id in its name or in its
//! table.
// Two examples have a module in common, and each is a module here.
#![allow(clippy::duplicate_mod)]

mod attacks;
mod conformance;
mod corners;
#[cfg(feature = "deflate")]
mod deflate;
mod drivers;
mod examples;
mod handshake;
mod holding;
mod keepalive;
mod layout;
mod lending;
mod limits;
mod matrix;
mod outbox;
mod pair;
mod properties;
mod security;
mod medium;
mod short;
mod support;
mod threats;
mod tungstenite;
mod words;
mod zero_copy;
