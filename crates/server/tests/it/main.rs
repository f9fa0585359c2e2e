//! Integration tests of the server: on the memory engine where time matters, over real sockets for the rest.

mod examples;
mod readme;
mod tcp;
