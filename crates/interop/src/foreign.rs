//! A foreign WebSocket end, as the scenarios see it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sockeye::Message;

use crate::{Fault, Line};

/// What the foreign end is to ask of permessage-deflate (RFC 7692 section 7.1), or to agree to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// `server_no_context_takeover`.
    pub server_no_context: bool,
    /// `client_no_context_takeover`.
    pub client_no_context: bool,
    /// `server_max_window_bits`, where it is named at all.
    pub server_window: Option<u8>,
    /// `client_max_window_bits`.
    pub client_window: ClientWindow,
}

/// What is said of the client's window.
#[derive(Debug, Clone, Copy, Default)]
pub enum ClientWindow {
    /// The server may choose.
    #[default]
    Any,
    /// This one.
    Bits(u8),
}

/// How a foreign end is to come into being.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'t> {
    /// What a client offers, or what a server speaks.
    pub subprotocols: &'t [&'t str],
    /// `None`: no compression.
    pub deflate: Option<Wish>,
    /// The peer is to show pongs, which some do only when told before.
    pub pongs: bool,
}

/// What came of a handshake, as the foreign end tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There is a connection.
    Open {
        /// What was agreed on.
        subprotocol: Option<String>,
    },
    /// There is none, and it knows the status.
    Refused(u64),
    /// There is none, and it says no more.
    Failed,
}

/// What a foreign end received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(Message),
    /// The end.
    Closed(Farewell),
}

/// A Close frame that a foreign end received; what it does not show is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// The code; 1005 where the frame had none, 1006 where there was no frame.
    pub code: Option<u64>,
    /// The reason.
    pub reason: Option<String>,
}

/// A foreign end with the line to it.
pub struct Foreign {
    line: Box<dyn Line>,
}

impl fmt::Debug for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Foreign").finish_non_exhaustive()
    }
}

impl Foreign {
    /// The end behind a line.
    pub fn new(line: impl Line + 'static) -> Self {
        Self { line: Box::new(line) }
    }

    /// As a client: connects to a URL.
    ///
    /// # Errors
    /// When the line fails, or the peer reports a fault; so for all of these.
    pub fn connect(&mut self, url: &str, terms: &Terms<'_>) -> Result<Opened, Fault> {
        let mut call = described("connect", terms);
        call["url"] = json!(url);
        self.call(&call).map(|answer| opened(&answer))
    }

    /// As a server: listens, and tells the port.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn listen(&mut self, terms: &Terms<'_>) -> Result<u16, Fault> {
        let answer = self.call(&described("listen", terms))?;
        let port = answer["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        port.ok_or_else(|| format!("no port in {answer}").into())
    }

    /// As a server: takes the next client, or hears that it was refused.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn accept(&mut self) -> Result<Opened, Fault> {
        self.call(&json!({ "op": "accept" })).map(|answer| opened(&answer))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn send(&mut self, message: &Message) -> Result<(), Fault> {
        self.call(&json!({ "op": "send", "message": encoded(message) })).map(drop)
    }

    /// Sends a message in fragments, all of the type that the first one has; text may be cut within a character.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn send_fragments(&mut self, kind: &str, pieces: &[&[u8]]) -> Result<(), Fault> {
        let pieces: Vec<Value> =
            pieces.iter().map(|piece| json!({ kind: STANDARD.encode(piece) })).collect();
        self.call(&json!({ "op": "send_fragments", "pieces": pieces })).map(drop)
    }

    /// Sends a ping and waits for its pong.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn ping(&mut self, payload: &str) -> Result<(), Fault> {
        self.call(&json!({ "op": "ping", "payload": payload })).map(drop)
    }

    /// Waits for a message or for the end.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn recv(&mut self) -> Result<Heard, Fault> {
        let answer = self.call(&json!({ "op": "recv" }))?;
        if answer.get("closed").is_some() {
            return Ok(Heard::Closed(farewell(&answer)));
        }
        decoded(&answer).map(Heard::Message)
    }

    /// Closes, without a code where there is none, and tells what the answer was.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn close(&mut self, code: Option<u16>, reason: &str) -> Result<Farewell, Fault> {
        let answer = self.call(&json!({ "op": "close", "code": code, "reason": reason }))?;
        Ok(farewell(&answer))
    }

    fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        let answer = self.line.call(call)?;
        match answer["fault"].as_str() {
            Some(fault) => Err(format!("{} at the peer: {fault}", call["op"]).into()),
            None => Ok(answer),
        }
    }
}

/// A message as it goes over the line.
pub fn encoded(message: &Message) -> Value {
    let kind = if message.as_text().is_some() { "text" } else { "binary" };
    json!({ kind: STANDARD.encode(message.as_bytes()) })
}

/// A message that came over the line.
///
/// # Errors
/// When it is none.
pub fn decoded(value: &Value) -> Result<Message, Fault> {
    if let Some(text) = value["text"].as_str() {
        return Ok(Message::text(String::from_utf8(STANDARD.decode(text)?)?));
    }
    let binary = value["binary"].as_str().ok_or_else(|| format!("no message: {value}"))?;
    Ok(Message::binary(STANDARD.decode(binary)?))
}

fn described(op: &str, terms: &Terms<'_>) -> Value {
    let deflate = terms.deflate.map(|wish| {
        json!({
            "server_no_context_takeover": wish.server_no_context,
            "client_no_context_takeover": wish.client_no_context,
            "server_max_window_bits": wish.server_window,
            "client_max_window_bits": match wish.client_window {
                // A client must say that it lets the server choose, and a server that has no wish says nothing.
                ClientWindow::Any => if op == "connect" { json!(true) } else { Value::Null },
                ClientWindow::Bits(bits) => json!(bits),
            },
        })
    });
    json!({
        "op": op,
        "subprotocols": terms.subprotocols,
        "deflate": deflate,
        "pongs": terms.pongs,
    })
}

fn opened(answer: &Value) -> Opened {
    if let Some(status) = answer["refused"].as_u64() {
        Opened::Refused(status)
    } else if answer.get("failed").is_some() {
        Opened::Failed
    } else {
        Opened::Open { subprotocol: answer["open"].as_str().map(str::to_owned) }
    }
}

fn farewell(answer: &Value) -> Farewell {
    let closed = &answer["closed"];
    Farewell { code: closed[0].as_u64(), reason: closed[1].as_str().map(str::to_owned) }
}
