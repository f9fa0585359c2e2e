//! Integration tests of the tokio driver.

mod cancelling;
mod ending;
#[cfg(feature = "axum")]
mod extracting;
mod examples;
mod flooding;
mod halves;
mod heap;
mod opening;
mod reuniting;
#[cfg(feature = "tls")]
mod securing;
mod talking;
mod timing;
#[cfg(feature = "hyper")]
mod upgrading;
mod wire;
mod writing;
