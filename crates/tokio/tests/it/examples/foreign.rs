//! A client of another implementation, for which the examples must do as well.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// So that a test that waits for what never comes ends, and says so.
const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Foreign(WebSocketStream<TcpStream>);

impl Foreign {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server is there");
        let opening = tokio_tungstenite::client_async(format!("ws://{address}/"), stream);
        Self(soon(opening).await.expect("it is accepted").0)
    }

    pub(crate) async fn say(&mut self, message: impl Into<Message>) {
        soon(self.0.send(message.into())).await.expect("open");
    }

    /// The next message that is no control frame.
    pub(crate) async fn hear(&mut self) -> Message {
        loop {
            let message = soon(self.0.next()).await.expect("open").expect("well");
            if message.is_text() || message.is_binary() {
                return message;
            }
        }
    }

    /// Closes, and returns what came before the answer.
    pub(crate) async fn close(mut self) -> Vec<Message> {
        soon(self.0.close(None)).await.expect("open");
        let mut messages = Vec::new();
        while let Some(message) = soon(self.0.next()).await {
            match message {
                Ok(message) => messages.push(message),
                Err(Error::ConnectionClosed) => break,
                Err(error) => panic!("{error}"),
            }
        }
        messages
    }
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("it never came")
}
