//! Ctrl-C and SIGTERM: the first asks, the second insists.

use std::io;
use std::process::exit;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `ask` on a thread of its own at the first signal; the second ends the process at once,
/// with the status that a shell gives to a program that the signal killed.
pub(crate) fn on_interrupt(ask: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut arrived = signals.forever();
        if arrived.next().is_some() {
            ask();
        }
        if let Some(signal) = arrived.next() {
            exit(128 + signal);
        }
    })?;
    Ok(())
}
