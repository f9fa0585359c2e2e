//! The DevTools protocol: JSON messages over a WebSocket, one answer for each numbered call, events in between.
//! The client is our own, so the browser is a foreign server to it.

use std::time::Duration;

use serde_json::{Value, json};
use sockeye::{BlockingSocket, Client};

use crate::Fault;

/// Longer than any single step of a test may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A picture of a page comes as one message.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A line to a browser.
#[derive(Debug)]
pub struct Devtools {
    socket: BlockingSocket,
    calls: u64,
    events: Vec<Value>,
}

/// One page of the browser, as the protocol names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    session: String,
}

impl Devtools {
    /// Connects to the URL that the browser printed.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn connect(url: &str) -> Result<Self, Fault> {
        let client = Client::new(url)
            .connection(|connection| connection.message_bytes_max = MESSAGE_BYTES_MAX);
        let socket = client.connect_blocking()?;
        Ok(Self { socket, calls: 0, events: Vec::new() })
    }

    /// Opens an empty page and turns on the events that tests look at.
    ///
    /// # Errors
    /// When the browser refuses a call.
    pub fn open(&mut self) -> Result<Target, Fault> {
        let made = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }))?;
        let attached = self.call(
            None,
            "Target.attachToTarget",
            json!({ "targetId": made["targetId"], "flatten": true }),
        )?;
        let session =
            attached["sessionId"].as_str().ok_or("the browser gave no session")?.to_owned();
        let target = Target { session };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(Some(&target), &format!("{domain}.enable"), json!({}))?;
        }
        Ok(target)
    }

    /// Calls `method` and returns its result; events that arrive meanwhile are kept.
    ///
    /// # Errors
    /// When the browser answers with an error, goes away, or says nothing for a minute.
    pub fn call(
        &mut self,
        target: Option<&Target>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, Fault> {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(target) = target {
            call["sessionId"] = json!(target.session);
        }
        self.socket.send_text(&call.to_string())?;
        loop {
            let message = self.socket.recv_timeout(ANSWER_WITHIN)?;
            let mut message: Value = serde_json::from_slice(message.as_bytes())?;
            if message["id"] != json!(id) {
                self.events.push(message);
            } else if message["error"].is_null() {
                return Ok(message["result"].take());
            } else {
                return Err(format!("{method}: {}", message["error"]["message"]).into());
            }
        }
    }

    /// The events of one page so far, oldest first.
    pub fn events<'d>(&'d self, target: &'d Target) -> impl Iterator<Item = &'d Value> {
        self.events.iter().filter(|event| event["sessionId"] == json!(target.session))
    }

    /// Asks the whole browser to end.
    ///
    /// # Errors
    /// When the line is already gone.
    pub fn close_browser(&mut self) -> Result<(), Fault> {
        self.call(None, "Browser.close", json!({})).map(drop)
    }
}
