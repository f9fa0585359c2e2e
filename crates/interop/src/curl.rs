//! The command `curl`.

use std::process::Command;
use std::time::Duration;

use crate::packages::{find, install};
use crate::{Fault, Program};

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Runs curl with `arguments`, installing Debian's package first where there is none, and returns what it said.
///
/// # Errors
/// When it cannot be had, or fails.
pub fn curl(arguments: &[&str]) -> Result<Vec<String>, Fault> {
    if find(&["curl"]).is_none() {
        install(&["curl"])?;
    }
    let mut command = Command::new("curl");
    command.args(["-sS", "-i", "--http1.1", "--max-time", "20"]).args(arguments);
    Program::start(command)?.succeed(ANSWER_WITHIN)
}
