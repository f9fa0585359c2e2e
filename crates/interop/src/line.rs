//! The line to a foreign end: calls as JSON, answered one by one.

use std::time::Duration;

use serde_json::Value;

use crate::{Fault, Program};

/// A little longer than the peers' own scripts wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Stands before each answer of a script, so that what else it says is told apart.
const MARK: &str = "=> ";

/// Whatever does what it is told as a WebSocket end, and says what came of it.
///
/// A call is an object whose `op` says what to do; `peers/lines.py` describes messages and ends. An answer with a
/// `fault` says what went wrong.
pub trait Line {
    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// When there is none.
    fn call(&mut self, call: &Value) -> Result<Value, Fault>;
}

/// A script of `peers/`: one call a line on standard input, one answer a line on standard output.
impl Line for Program {
    fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        self.write_line(&call.to_string())?;
        let line = self.line_with(MARK, ANSWER_WITHIN)?;
        let answer = line.split_once(MARK).map_or("", |(_, answer)| answer);
        Ok(serde_json::from_str(answer)?)
    }
}
