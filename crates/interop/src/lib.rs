//! Sockeye against programs that others wrote: browsers, Node, Python and Rust libraries, in both directions where both
//! apply, with and without compression, also through nginx; `docs/conformance.md` has the table. And the page of
//! `sockeye serve` in a headless Chromium that is driven over the DevTools protocol.
//!
//! This library starts those programs and ends them; the tests are in `tests/it`, and the scripts that foreign programs
//! run in `peers`. A foreign end, whatever it is written in, is a [`Line`] that takes calls, so each scenario is written
//! once for all of them.
//! What is missing is installed, and what cannot be had fails the tests with a sentence that says what to install:
//! a check that skips itself is a check that nobody runs.
//!
//! `SOCKEYE_SCREENSHOT=docs cargo test -p sockeye-interop` renews the picture in `docs/page.png`; without it the picture
//! goes to `target/interop`.

mod page;
mod chromium;
mod devtools;
mod foreign;
mod line;
mod node;
mod python;
mod nginx;
mod curl;
mod tap;
mod server;
mod packages;
mod program;

pub use chromium::Chromium;
pub use curl::curl;
pub use devtools::{Devtools, Target};
pub use foreign::{ClientWindow, Farewell, Foreign, Heard, Opened, Terms, Wish, decoded, encoded};
pub use line::Line;
pub use nginx::Nginx;
pub use node::Node;
pub use page::Page;
pub use program::Program;
pub use python::Python;
pub use server::Server;
pub use tap::{Flow, Tap, Wire};

use std::path::PathBuf;

/// What went wrong, as a sentence for the person who runs the tests.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The directory below `target/` that keeps what these tests install and write.
pub fn scratch() -> PathBuf {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    target.join("interop")
}
