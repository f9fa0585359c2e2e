//! A route of axum that pings, greets, and then sends and receives in two tasks.
//!
//! Run it with `cargo run -p sockeye-tokio --features axum --example axum_websockets`, and talk to it
//! with `cargo run -p sockeye-tokio --example client -- ws://127.0.0.1:9002/ws`.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header::USER_AGENT};
use axum::response::Response;
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sockeye_tokio::axum::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// How many greetings there are, and how many messages behind them.
pub(crate) const GREETINGS: u32 = 4;
pub(crate) const MESSAGES: u32 = 20;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/ws", listener.local_addr()?);
    serve(listener, Duration::from_millis(300)).await
}

/// Serves, with this much time between two messages.
pub(crate) async fn serve(listener: TcpListener, pace: Duration) -> std::io::Result<()> {
    let app = Router::new().route("/ws", any(upgrade)).with_state(pace);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// What is known of the client before it is one: the request's headers, and where it comes from.
async fn upgrade(
    upgrade: WebSocketUpgrade,
    ConnectInfo(who): ConnectInfo<SocketAddr>,
    State(pace): State<Duration>,
    headers: HeaderMap,
) -> Response {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or("stranger").to_owned();
    upgrade.on_upgrade(move |socket| talk(socket, agent, who, pace))
}

async fn talk(mut socket: WebSocket, agent: String, who: SocketAddr, pace: Duration) {
    if socket.send(Message::Ping(vec![1, 2, 3].into())).await.is_err() {
        return;
    }
    // Whatever it is, the pong included, it shows that somebody is there.
    match socket.recv().await {
        Some(Ok(message)) if show(who, &message).is_continue() => {}
        _ => return,
    }
    for greeting in 1..=GREETINGS {
        let text = format!("Greeting {greeting} for {agent} at {who}");
        if socket.send(Message::text(text)).await.is_err() {
            return;
        }
        sleep(pace).await;
    }

    let (sink, stream) = socket.split();
    let mut sending = tokio::spawn(send(sink, pace));
    let mut receiving = tokio::spawn(receive(stream, who));
    tokio::select! {
        sent = &mut sending => {
            // Behind our Close the client's comes, or the deadline for it.
            let received = receiving.await;
            println!("{who}: sent {sent:?}, received {received:?}");
        }
        received = &mut receiving => {
            sending.abort();
            println!("{who}: received {received:?}, and nobody to send to");
        }
    }
}

/// Sends until all is said or nobody listens, and returns how many messages that were.
async fn send(mut sink: SplitSink<WebSocket, Message>, pace: Duration) -> u32 {
    for number in 0..MESSAGES {
        if sink.send(Message::text(format!("Message {number}"))).await.is_err() {
            return number;
        }
        sleep(pace).await;
    }
    let frame = CloseFrame { code: close_code::NORMAL, reason: "Goodbye".into() };
    // It fails if the client was faster.
    let _ = sink.send(Message::Close(Some(frame))).await;
    MESSAGES
}

/// Receives until the end, and returns how many messages that were.
async fn receive(mut stream: SplitStream<WebSocket>, who: SocketAddr) -> u32 {
    let mut count = 0;
    while let Some(Ok(message)) = stream.next().await {
        if show(who, &message).is_break() {
            break;
        }
        count += 1;
    }
    count
}

/// Shows a message, and says whether there may be more.
fn show(who: SocketAddr, message: &Message) -> ControlFlow<()> {
    match message {
        Message::Text(text) => println!("{who}: text: {text}"),
        Message::Binary(bytes) => println!("{who}: {} bytes", bytes.len()),
        Message::Ping(bytes) => println!("{who}: ping {bytes:?}, which is answered already"),
        Message::Pong(bytes) => println!("{who}: pong {bytes:?}"),
        Message::Close(frame) => {
            println!("{who}: close {frame:?}");
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}
