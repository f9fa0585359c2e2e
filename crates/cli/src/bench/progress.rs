//! A bar on the terminal while the load runs.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(200);
const WIDTH: usize = 32;

/// Drawn on standard error, if somebody looks at it.
#[derive(Debug)]
pub(crate) struct Progress {
    is_shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    /// A bar, if standard error is a terminal.
    pub(crate) fn on_terminal() -> Self {
        Self { is_shown: io::stderr().is_terminal(), drawn: None }
    }

    /// No bar.
    pub(crate) const fn hidden() -> Self {
        Self { is_shown: false, drawn: None }
    }

    /// How long a loop may sleep that has to wake up after `longest` at the latest.
    pub(crate) fn interval(&self, longest: Duration) -> Duration {
        if self.is_shown { longest.min(EVERY) } else { longest.min(Duration::from_secs(1)) }
    }

    pub(crate) fn opening(&mut self, open: usize, count: usize) {
        if self.is_due() {
            self.draw(share(open as u64, count as u64), &format!("{open} of {count} connections"));
        }
    }

    /// `share` of the load is behind us, with so many messages or connections.
    pub(crate) fn running(&mut self, share: f64, done: u64, unit: &str) {
        if self.is_due() {
            self.draw(share, &format!("{done} {unit}"));
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }

    fn is_due(&self) -> bool {
        self.is_shown && self.drawn.is_none_or(|drawn| drawn.elapsed() >= EVERY)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    fn draw(&mut self, share: f64, text: &str) {
        self.drawn = Some(Instant::now());
        let full = ((share.clamp(0.0, 1.0) * WIDTH as f64) as usize).min(WIDTH);
        let (full, empty) = ("#".repeat(full), "-".repeat(WIDTH - full));
        let mut stderr = io::stderr().lock();
        // A terminal that has gone is no reason to stop.
        let _ = write!(stderr, "\r[{full}{empty}] {text}\x1b[K");
        let _ = stderr.flush();
    }
}

/// Which part of `whole` `part` is.
#[expect(clippy::cast_precision_loss)]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
