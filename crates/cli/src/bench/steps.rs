//! A load that another process drives: a line in is a round, a line out is its result.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use mio::Waker;
use serde_json::{Value, json};

use super::load::Load;
use super::progress::Progress;

/// Says that the load is ready, and does a round for each line of the standard input until it ends. Meanwhile pings are
/// answered.
pub(crate) fn serve(load: &mut dyn Load) -> Result<(), String> {
    let lines = lines(load.crowd().waker()?);
    say(&json!({ "ready": true }))?;
    let mut progress = Progress::hidden();
    loop {
        match lines.try_recv() {
            Ok(()) => say(&load.round(&mut progress)?.to_json())?,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => load.crowd().turn(None, |mut ready| {
                ready.read_any()?;
                ready.send(0, None)
            })?,
        }
    }
}

/// Reads the standard input on a thread of its own, since a loop cannot wait for both.
fn lines(waker: Arc<Waker>) -> Receiver<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || sender.send(()).is_err() {
                break;
            }
            let _ = waker.wake();
        }
        drop(sender);
        let _ = waker.wake();
    });
    receiver
}

fn say(line: &Value) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    written.map_err(|error| format!("cannot print: {error}"))
}
