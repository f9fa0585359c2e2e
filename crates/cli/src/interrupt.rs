//! Ctrl-C and SIGTERM: the first asks, a later one insists.

use std::io;
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Signals so soon after the first are the same request: `timeout` and supervisors signal a process and its group,
/// which reaches the process twice within a millisecond.
const SAME_REQUEST_WITHIN: Duration = Duration::from_secs(1);

/// Calls `ask` on a thread of its own at the first signal; one that comes more than a second later ends the process at
/// once, with the status that a shell gives to a program that the signal killed.
///
/// While `ask` runs no signal is seen, so it must not wait.
pub(crate) fn on_interrupt(ask: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut arrived = signals.forever();
        if arrived.next().is_none() {
            return;
        }
        let asked_at = Instant::now();
        ask();
        for signal in arrived {
            if asked_at.elapsed() > SAME_REQUEST_WITHIN {
                exit(128 + signal);
            }
        }
    })?;
    Ok(())
}
