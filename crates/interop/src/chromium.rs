//! Headless Chromium with an empty profile of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::packages::{find, install};
use crate::{Devtools, Fault, Program, scratch};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const START_WITHIN: Duration = Duration::from_secs(60);
const END_WITHIN: Duration = Duration::from_secs(10);

/// A running browser; it ends when this is dropped, and its profile goes with it.
#[derive(Debug)]
pub struct Chromium {
    program: Program,
    devtools: Devtools,
    profile: PathBuf,
}

impl Chromium {
    /// Starts the browser, installing Debian's package first where there is none.
    ///
    /// # Errors
    /// When it can neither be found nor installed, or does not open its DevTools port.
    pub fn start() -> Result<Self, Fault> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile = scratch().join(format!("chromium-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&profile);
        fs::create_dir_all(&profile)?;
        let mut command = Command::new(executable()?);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ]);
        command.args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        command.args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
        let mut program = Program::start(command)?;
        let mark = "DevTools listening on ";
        let line = program.line_with(mark, START_WITHIN)?;
        let url = line.split(mark).nth(1).unwrap_or_default().trim();
        let devtools = Devtools::connect(url)?;
        Ok(Self { program, devtools, profile })
    }

    /// The line to the browser.
    pub fn devtools(&mut self) -> &mut Devtools {
        &mut self.devtools
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked first, so that its helpers end with it; the program's own drop kills whoever is left.
        if self.devtools.close_browser().is_ok() {
            let _ = self.program.wait(END_WITHIN);
        }
        let _ = fs::remove_dir_all(&self.profile);
    }
}

fn executable() -> Result<PathBuf, Fault> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().map_err(|_| "an earlier search for Chromium panicked")?;
    if let Some(found) = find(&NAMES) {
        return Ok(found);
    }
    install(&["chromium"])?;
    find(&NAMES).ok_or_else(|| {
        "the package chromium was installed, but there is no chromium in PATH".into()
    })
}
