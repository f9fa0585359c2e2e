//! Integration tests of the tokio driver.

mod cancelling;
mod ending;
mod heap;
mod opening;
mod talking;
mod wire;
mod writing;
