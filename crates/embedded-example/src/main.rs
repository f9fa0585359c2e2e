//! The firmware: both echoes on a wire in memory, since every board has its own.
//!
//! `cargo build --release -p sockeye-embedded-example --target thumbv7em-none-eabihf`
#![cfg_attr(target_os = "none", no_std, no_main)]

// In reading order; a module uses only modules declared below it.
#[cfg(all(target_arch = "arm", target_os = "none"))]
mod firmware;
#[cfg(all(target_arch = "arm", target_os = "none"))]
mod script;
#[cfg(all(target_arch = "arm", target_os = "none"))]
use panic_halt as _;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this is for a microcontroller: build it with --target thumbv7em-none-eabihf");
}
