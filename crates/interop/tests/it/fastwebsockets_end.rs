//! fastwebsockets' end, with tokio and hyper, as it is used.

use std::future::Future;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Payload, WebSocket, WebSocketError, handshake, upgrade,
};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sockeye_interop::{Fault, Line, decoded, encoded};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::tungstenite_end::names;

const WITHIN: Duration = Duration::from_secs(20);
/// 1005, which stands for a Close frame without a code.
const NO_STATUS: [u8; 2] = 1005_u16.to_be_bytes();
const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";

type Socket = FragmentCollector<TokioIo<Upgraded>>;

/// Who came to the server, and what was made of it.
enum Arrival {
    Upgrade(upgrade::UpgradeFut, Option<String>),
    Refused,
}

/// A client or a server, as the first call says.
pub(crate) struct FastWebSocketsEnd {
    runtime: Runtime,
    end: End,
}

#[derive(Default)]
struct End {
    socket: Option<Socket>,
    arrivals: Option<UnboundedReceiver<Arrival>>,
}

impl FastWebSocketsEnd {
    pub(crate) fn new() -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, end: End::default() })
    }
}

impl Line for FastWebSocketsEnd {
    fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        let end = &mut self.end;
        self.runtime.block_on(async { tokio::time::timeout(WITHIN, end.call(call)).await })?
    }
}

impl End {
    async fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        match call["op"].as_str().unwrap_or_default() {
            "connect" => self.connect(call).await,
            "listen" => self.listen(names(&call["subprotocols"])).await,
            "accept" => self.accept().await,
            "send" => {
                let message = decoded(&call["message"])?;
                let payload = Payload::Owned(message.as_bytes().to_vec());
                let frame = if message.as_text().is_some() {
                    Frame::text(payload)
                } else {
                    Frame::binary(payload)
                };
                self.write(frame).await
            }
            "send_fragments" => self.send_fragments(&call["pieces"]).await,
            "ping" => self.ping(call["payload"].as_str().unwrap_or_default()).await,
            "recv" => self.recv().await,
            "close" => {
                let reason = call["reason"].as_str().unwrap_or_default();
                let code = call["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                let frame = code.map_or_else(
                    || Frame::close_raw(Payload::Owned(Vec::new())),
                    |code| Frame::close(code, reason.as_bytes()),
                );
                self.write(frame).await?;
                self.recv().await
            }
            op => Err(format!("{op} is not known").into()),
        }
    }

    async fn connect(&mut self, call: &Value) -> Result<Value, Fault> {
        let url = call["url"].as_str().unwrap_or_default();
        let host = url.split('/').nth(2).unwrap_or_default();
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let mut request = Request::builder()
            .uri(url.replacen("ws:", "http:", 1))
            .header("Host", host)
            .header("Upgrade", "websocket")
            .header("Connection", "upgrade")
            .header("Sec-WebSocket-Key", handshake::generate_key())
            .header("Sec-WebSocket-Version", "13");
        let offered = names(&call["subprotocols"]).join(", ");
        if !offered.is_empty() {
            request = request.header(SUBPROTOCOL, offered);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        match handshake::client(&Spawn, request, stream).await {
            Ok((socket, response)) => {
                self.adopt(socket);
                let chosen = response.headers().get(SUBPROTOCOL);
                Ok(json!({ "open": chosen.and_then(|value| value.to_str().ok()) }))
            }
            Err(WebSocketError::InvalidStatusCode(status)) => Ok(json!({ "refused": status })),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn listen(&mut self, spoken: Vec<String>) -> Result<Value, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (sender, arrivals) = unbounded_channel();
        self.arrivals = Some(arrivals);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (sender, spoken) = (sender.clone(), spoken.clone());
                let service = service_fn(move |request| {
                    let answer = answered(request, &spoken, &sender);
                    async move { answer }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        Ok(json!({ "port": port }))
    }

    async fn accept(&mut self) -> Result<Value, Fault> {
        let arrivals = self.arrivals.as_mut().ok_or("it does not listen")?;
        match arrivals.recv().await.ok_or("the listener has ended")? {
            Arrival::Refused => Ok(json!({ "refused": 404 })),
            Arrival::Upgrade(upgrade, chosen) => {
                let socket = upgrade.await?;
                self.adopt(socket);
                Ok(json!({ "open": chosen }))
            }
        }
    }

    fn adopt(&mut self, socket: WebSocket<TokioIo<Upgraded>>) {
        self.socket = Some(FragmentCollector::new(socket));
    }

    async fn write(&mut self, frame: Frame<'static>) -> Result<Value, Fault> {
        self.socket()?.write_frame(frame).await?;
        Ok(json!({}))
    }

    async fn send_fragments(&mut self, pieces: &Value) -> Result<Value, Fault> {
        let pieces = pieces.as_array().ok_or("no pieces")?;
        for (position, piece) in pieces.iter().enumerate() {
            let piece = piece.as_object().and_then(|piece| piece.iter().next());
            let (kind, payload) = piece.ok_or("a piece has a kind and a payload")?;
            let opcode = match (position, kind.as_str()) {
                (0, "text") => OpCode::Text,
                (0, _) => OpCode::Binary,
                _ => OpCode::Continuation,
            };
            let payload = Payload::Owned(STANDARD.decode(payload.as_str().unwrap_or_default())?);
            let last = position == pieces.len() - 1;
            self.write(Frame::new(last, opcode, None, payload)).await?;
        }
        Ok(json!({}))
    }

    async fn ping(&mut self, payload: &str) -> Result<Value, Fault> {
        let sent = Payload::Owned(payload.as_bytes().to_vec());
        self.write(Frame::new(true, OpCode::Ping, None, sent)).await?;
        let frame = self.socket()?.read_frame().await?;
        if frame.opcode == OpCode::Pong && *frame.payload == *payload.as_bytes() {
            return Ok(json!({}));
        }
        Err(format!("instead of a pong: {:?}", frame.opcode).into())
    }

    async fn recv(&mut self) -> Result<Value, Fault> {
        let frame = self.socket()?.read_frame().await?;
        let payload = frame.payload.to_vec();
        match frame.opcode {
            OpCode::Text => Ok(encoded(&sockeye::Message::text(String::from_utf8(payload)?))),
            OpCode::Binary => Ok(encoded(&sockeye::Message::binary(payload))),
            // It has answered by itself; the transport ends with the socket.
            OpCode::Close => {
                self.socket = None;
                let (code, reason) = payload.split_at_checked(2).unwrap_or((&NO_STATUS, &[]));
                let code = u16::from_be_bytes([code[0], code[1]]);
                Ok(json!({ "closed": [code, str::from_utf8(reason)?] }))
            }
            other => Err(format!("{other:?} was not asked for").into()),
        }
    }

    fn socket(&mut self) -> Result<&mut Socket, Fault> {
        Ok(self.socket.as_mut().ok_or("there is no connection")?)
    }
}

/// The response to a client, which the test is told of.
fn answered(
    mut request: Request<Incoming>,
    spoken: &[String],
    arrivals: &UnboundedSender<Arrival>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    if request.uri().path() != "/meet" {
        let _ = arrivals.send(Arrival::Refused);
        let mut refusal = Response::new(Empty::new());
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        return Ok(refusal);
    }
    let (mut response, upgrade) = upgrade::upgrade(&mut request)?;
    let offered = request.headers().get(SUBPROTOCOL);
    let offered = offered.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let chosen =
        offered.split(',').map(str::trim).find(|name| spoken.iter().any(|own| own == name));
    if let Some(value) = chosen.and_then(|name| HeaderValue::from_str(name).ok()) {
        response.headers_mut().insert(SUBPROTOCOL, value);
    }
    let _ = arrivals.send(Arrival::Upgrade(upgrade, chosen.map(str::to_owned)));
    Ok(response)
}

/// Where hyper puts its own work.
struct Spawn;

impl<F> hyper::rt::Executor<F> for Spawn
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
