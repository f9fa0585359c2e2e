//! tungstenite's end, over real sockets.

use std::cell::Cell;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sockeye_interop::{Fault, Line, decoded, encoded};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{ClientRequestBuilder, Error, Message, WebSocket};

/// No read takes longer.
const WITHIN: Duration = Duration::from_secs(20);

/// A client or a server, as the first call says.
#[derive(Default)]
pub(crate) struct TungsteniteEnd {
    socket: Option<WebSocket<TcpStream>>,
    server: Option<(TcpListener, Vec<String>)>,
}

impl Line for TungsteniteEnd {
    fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        match call["op"].as_str().unwrap_or_default() {
            "connect" => self.connect(call),
            "listen" => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let port = listener.local_addr()?.port();
                self.server = Some((listener, names(&call["subprotocols"])));
                Ok(json!({ "port": port }))
            }
            "accept" => self.accept(),
            "send" => self.send(converted(&decoded(&call["message"])?)),
            "send_fragments" => self.send_fragments(&call["pieces"]),
            "ping" => self.ping(call["payload"].as_str().unwrap_or_default()),
            "recv" => self.recv(),
            "close" => self.close(call),
            op => Err(format!("{op} is not known").into()),
        }
    }
}

impl TungsteniteEnd {
    fn connect(&mut self, call: &Value) -> Result<Value, Fault> {
        let url = call["url"].as_str().unwrap_or_default();
        let stream = timed(TcpStream::connect(url.split('/').nth(2).unwrap_or_default())?)?;
        let mut request = ClientRequestBuilder::new(url.parse()?);
        for name in names(&call["subprotocols"]) {
            request = request.with_sub_protocol(name);
        }
        match tungstenite::client::client_with_config(request, stream, Some(limits())) {
            Ok((socket, response)) => {
                self.socket = Some(socket);
                let chosen = response.headers().get("Sec-WebSocket-Protocol");
                let chosen = chosen.and_then(|value| value.to_str().ok());
                Ok(json!({ "open": chosen }))
            }
            Err(HandshakeError::Failure(Error::Http(response))) => {
                Ok(json!({ "refused": response.status().as_u16() }))
            }
            Err(HandshakeError::Failure(Error::Protocol(fault))) => {
                Ok(json!({ "failed": fault.to_string() }))
            }
            Err(fault) => Err(fault.to_string().into()),
        }
    }

    fn accept(&mut self) -> Result<Value, Fault> {
        let (listener, spoken) = self.server.as_ref().ok_or("it does not listen")?;
        let stream = timed(listener.accept()?.0)?;
        let mut chosen = None;
        let found = Cell::new(true);
        // The size of a refusal is the library's choice.
        #[expect(clippy::result_large_err)]
        let answer = |request: &Request, mut response: Response| {
            found.set(request.uri().path() == "/meet");
            if !found.get() {
                let mut refusal = ErrorResponse::new(Some("there is nothing here\n".to_owned()));
                *refusal.status_mut() = tungstenite::http::StatusCode::NOT_FOUND;
                return Err(refusal);
            }
            let offered = request.headers().get("Sec-WebSocket-Protocol");
            let offered = offered.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let both =
                offered.split(',').map(str::trim).find(|name| spoken.iter().any(|own| own == name));
            if let Some(value) = both.and_then(|name| HeaderValue::from_str(name).ok()) {
                chosen = both.map(str::to_owned);
                response.headers_mut().insert("Sec-WebSocket-Protocol", value);
            }
            Ok(response)
        };
        match tungstenite::accept_hdr_with_config(stream, answer, Some(limits())) {
            Ok(socket) => {
                self.socket = Some(socket);
                Ok(json!({ "open": chosen }))
            }
            Err(_) if !found.get() => Ok(json!({ "refused": 404 })),
            Err(fault) => Err(fault.to_string().into()),
        }
    }

    fn send(&mut self, message: Message) -> Result<Value, Fault> {
        self.socket()?.send(message)?;
        Ok(json!({}))
    }

    fn send_fragments(&mut self, pieces: &Value) -> Result<Value, Fault> {
        let pieces = pieces.as_array().ok_or("no pieces")?;
        for (position, piece) in pieces.iter().enumerate() {
            let (kind, payload) = piece
                .as_object()
                .and_then(|piece| piece.iter().next())
                .ok_or("a piece has a kind and a payload")?;
            let data = match (position, kind.as_str()) {
                (0, "text") => Data::Text,
                (0, _) => Data::Binary,
                _ => Data::Continue,
            };
            let payload = STANDARD.decode(payload.as_str().unwrap_or_default())?;
            let last = position == pieces.len() - 1;
            self.send(Message::Frame(Frame::message(payload, OpCode::Data(data), last)))?;
        }
        Ok(json!({}))
    }

    fn ping(&mut self, payload: &str) -> Result<Value, Fault> {
        self.send(Message::Ping(payload.to_owned().into()))?;
        match self.socket()?.read()? {
            Message::Pong(heard) if heard == payload => Ok(json!({})),
            message => Err(format!("instead of a pong: {message}").into()),
        }
    }

    fn recv(&mut self) -> Result<Value, Fault> {
        loop {
            match self.socket()?.read()? {
                Message::Text(text) => return Ok(encoded(&sockeye::Message::text(text.as_str()))),
                Message::Binary(bytes) => return Ok(encoded(&sockeye::Message::binary(bytes))),
                Message::Close(frame) => return self.closed(frame),
                _ => {}
            }
        }
    }

    fn close(&mut self, call: &Value) -> Result<Value, Fault> {
        let reason = call["reason"].as_str().unwrap_or_default().to_owned();
        let code = call["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let frame = code.map(|code| CloseFrame { code: code.into(), reason: reason.into() });
        self.socket()?.close(frame)?;
        self.recv()
    }

    /// Reads until the transport has ended, which sends the answer on the way.
    fn closed(&mut self, frame: Option<CloseFrame>) -> Result<Value, Fault> {
        let mut socket = self.socket.take().ok_or("there is no connection")?;
        match socket.read() {
            Err(Error::ConnectionClosed) => {}
            other => return Err(format!("after the end: {other:?}").into()),
        }
        let frame = frame.unwrap_or(CloseFrame { code: CloseCode::Status, reason: "".into() });
        Ok(json!({ "closed": [u16::from(frame.code), frame.reason.as_str()] }))
    }

    fn socket(&mut self) -> Result<&mut WebSocket<TcpStream>, Fault> {
        Ok(self.socket.as_mut().ok_or("there is no connection")?)
    }
}

fn converted(message: &sockeye::Message) -> Message {
    match message {
        sockeye::Message::Text(text) => Message::text(text.as_str()),
        sockeye::Message::Binary(bytes) => Message::binary(bytes.clone()),
    }
}

pub(crate) fn names(list: &Value) -> Vec<String> {
    let names = list.as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(None).max_frame_size(None)
}

fn timed(stream: TcpStream) -> Result<TcpStream, Fault> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    Ok(stream)
}
