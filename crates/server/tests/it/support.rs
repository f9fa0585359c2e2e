//! What several test modules share.

use std::sync::{Arc, Mutex};

use sockeye::testing::{Received, TestClient, TestServer};
use sockeye::{CloseCode, Error, Server, Socket};

/// What routes noted, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().expect("no test panics while it notes").push(line.into());
    }

    /// Takes what was noted so far.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics while it notes"))
    }
}

/// A server with one route at `/`.
pub(crate) fn server<F>(route: F) -> TestServer
where
    F: AsyncFn(Socket) -> Result<(), Error> + Send + Sync + 'static,
{
    TestServer::new(Server::builder().route("/", route)).expect("a valid route")
}

/// A server whose route gets a log, and a client of it.
pub(crate) fn logged<F>(route: F) -> (TestServer, TestClient, Log)
where
    F: AsyncFn(Socket, Log) -> Result<(), Error> + Send + Sync + 'static,
{
    let log = Log::default();
    let own = log.clone();
    let mut server = server(async move |socket| route(socket, own.clone()).await);
    let client = server.connect("/");
    (server, client, log)
}

/// How an error of a receive reads in a log.
pub(crate) fn describe(error: &Error) -> String {
    match error {
        Error::Timeout => "timeout".into(),
        Error::Cancelled => "cancelled".into(),
        Error::Closed { code, reason, by, clean, .. } => {
            format!(
                "closed {} {reason:?} by {by:?}{}",
                code.as_u16(),
                if *clean { "" } else { ", not clean" }
            )
        }
        error => error.to_string(),
    }
}

/// Receives until the end and notes everything.
pub(crate) async fn note_all(mut socket: Socket, log: Log) -> Result<(), Error> {
    loop {
        match socket.recv().await {
            Ok(message) => log.note(format!("{:?} {message}", message.kind())),
            Err(error) => {
                log.note(describe(&error));
                return Ok(());
            }
        }
    }
}

pub(crate) fn close_frame(code: u16) -> Received {
    Received::Close(Some(CloseCode::from_u16(code)), String::new())
}

/// A client's frame, masked with zeros.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | u8::try_from(len).expect("it fits")),
        len => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(len).expect("a short payload").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A request to upgrade that is right in every way.
pub(crate) fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}
