//! The WebSocket feed: `/ws/{version}/productos`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;
use sockeye_tokio::axum::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use tokio::time::timeout;

use crate::controller::{Failure, Path};
use crate::notifications::{Heard, Subscription};
use crate::product::Version;
use crate::service::Service;

/// The longest message of a subscriber, in bytes: it has little to say.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// How long a subscriber may take to read what is sent to it, before it is given up.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Service>: FromRef<S>,
    Patience: FromRef<S>,
{
    Router::new().route("/ws/{version}/productos", any(subscribe))
}

/// The subscription begins before the upgrade is answered: whoever has been answered misses nothing.
async fn subscribe(
    State(service): State<Arc<Service>>,
    State(patience): State<Patience>,
    Path(version): Path<Version>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let Some(subscription) = service.subscribe(version) else {
        let message = "the server is about to stop".to_owned();
        return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message));
    };
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| feed(socket, subscription, patience)))
}

/// Sends what the subscriber is to hear, and answers what it says in the type in which it came.
async fn feed(mut socket: WebSocket, mut subscription: Subscription, Patience(within): Patience) {
    loop {
        let message = tokio::select! {
            heard = subscription.next() => match heard {
                Heard::Notification(notification) => Message::text(&*notification),
                Heard::Missed(missed) => {
                    // Whoever has missed something begins anew: it connects, and lists the products.
                    let reason = format!("{missed} notifications were missed");
                    break farewell(socket, close_code::AGAIN, reason, within).await;
                }
                Heard::End => {
                    let reason = "the server stops".to_owned();
                    break farewell(socket, close_code::AWAY, reason, within).await;
                }
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    Message::text(format!("Server: Received {} bytes", text.len()))
                }
                Some(Ok(Message::Binary(bytes))) => {
                    Message::binary(format!("Server: Received {} bytes", bytes.len()))
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => break,
            },
        };
        if !matches!(timeout(within, socket.send(message)).await, Ok(Ok(()))) {
            break;
        }
    }
}

/// Closes, and waits for the subscriber to answer, so that it gets to read why.
async fn farewell(mut socket: WebSocket, code: u16, reason: String, within: Duration) {
    let closing = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // Whoever takes longer is gone, or as good as that.
    let _ = timeout(within, closing).await;
}
