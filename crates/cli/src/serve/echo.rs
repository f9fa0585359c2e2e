//! The three echoes: as events on the loop, as a conversation on the loop, and on a thread of its own.

use sockeye::{BlockingSocket, CloseCode, CloseReason, Error, Event, Handler, Peer, Socket};

/// `/echo`: sends each message back from where it was received.
#[derive(Debug)]
pub(crate) struct Echo;

impl Handler for Echo {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let sent = match event {
            // A message that was assembled is owned already, and goes out without another copy.
            Event::Text(text) if text.is_borrowed() => peer.send_text(&text),
            Event::Text(text) => peer.send_text_owned(text.into_string()),
            Event::Binary(payload) if payload.is_borrowed() => peer.send_binary(&payload),
            Event::Binary(payload) => peer.send_binary_owned(payload.into_bytes()),
            _ => Ok(()),
        };
        if sent.is_err() && peer.is_open() {
            // An echo with gaps is none. It cannot fail twice, for the connection is closing now.
            let _ = peer.close(Some(CloseReason::new(
                CloseCode::TRY_AGAIN_LATER,
                "too much waits to be sent",
            )));
        }
    }
}

/// `/echo/async`.
pub(crate) async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// `/echo/blocking`.
pub(crate) fn echo_blocking(mut socket: BlockingSocket) -> Result<(), Error> {
    loop {
        let message = socket.recv()?;
        socket.send(message)?;
    }
}
