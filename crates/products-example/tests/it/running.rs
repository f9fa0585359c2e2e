//! The whole application on a port of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sockeye_products::app;
use sockeye_products::feed::Patience;
use sockeye_products::service::Service;
use sockeye_tokio::{ClientStream, Message, WebSocket};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::http::{Answer, ask};
use crate::scratch::Scratch;
use crate::service::service;

/// So that a test that waits for what never comes ends, and says so.
const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<Service>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl Running {
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::start_with(scratch, Patience::default())
    }

    /// The system's buffers towards the clients are small, so that one that does not read is noticed
    /// soon.
    pub(crate) fn start_with(scratch: &Scratch, patience: Patience) -> Self {
        let service = Arc::new(service(scratch));
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_send_buffer_size(4096).expect("set");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let listener = socket.listen(64).expect("it listens");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let serving = app::serve(listener, Arc::clone(&service), patience, stopped);
        Self { address, service, stop, serving: tokio::spawn(serving) }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.serving.await.expect("no panic").expect("no failure");
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        soon(ask(self.address, method, path, body)).await
    }

    /// Creates a product, and returns its number.
    pub(crate) async fn create(&self, version: &str, name: &str) -> i64 {
        let draft = json!({"name": name, "price_cents": 250});
        let path = format!("/api/{version}/productos");
        let answer = self.ask("POST", &path, Some(&draft)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_i64().expect("a number")
    }

    pub(crate) fn feed(&self, version: &str) -> String {
        format!("ws://{}/ws/{version}/productos", self.address)
    }

    pub(crate) async fn subscribe(&self, version: &str) -> WebSocket<ClientStream> {
        soon(sockeye_tokio::connect(&self.feed(version))).await.expect("it is accepted")
    }
}

/// What a subscriber receives next, which is a text.
pub(crate) async fn text<S>(socket: &mut WebSocket<S>) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match soon(socket.recv()).await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?} instead of a text"),
    }
}

/// The same as JSON.
pub(crate) async fn told<S>(socket: &mut WebSocket<S>) -> Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    serde_json::from_str(&text(socket).await).expect("JSON")
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("it never came")
}
