//! Integration tests of the server: on the memory engine where time matters, over real sockets for the rest.

mod attaching;
mod attacks;
mod backpressure;
mod client;
mod closing;
#[cfg(feature = "deflate")]
mod deflating;
mod draining;
mod examples;
mod executing;
mod given;
mod grouping;
mod hand;
mod heap;
mod hostile;
mod last_words;
mod mutual;
mod naming;
mod order;
mod parked;
mod pinging;
mod process;
mod readme;
mod receiving;
mod routing;
mod several;
mod support;
mod tcp;
mod threads;
