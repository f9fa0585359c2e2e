//! Upgrades of requests that hyper 1 serves, by hand.
//!
//! [`Upgrade::new`] checks a request, [`Upgrade::accept`] makes the response to return and the future
//! of the socket. The server must serve its connections `with_upgrades`.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use hyper::body::{Bytes, Incoming};
//! use hyper::{Request, Response};
//! use http_body_util::{Empty, Full, combinators::BoxBody, BodyExt};
//! use sockeye_tokio::Config;
//! use sockeye_tokio::handshake::Acceptance;
//! use sockeye_tokio::hyper::{Upgrade, refusal};
//!
//! async fn answer(mut request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
//!     let accepted = Upgrade::new(&mut request)
//!         .and_then(|upgrade| upgrade.accept(Acceptance::default(), Config::default()));
//!     match accepted {
//!         Ok((response, upgrading)) => {
//!             tokio::spawn(async move {
//!                 let mut socket = upgrading.await?;
//!                 socket.send("Hello".into()).await?;
//!                 socket.close(None).await
//!             });
//!             Ok(response.map(|()| Empty::new().boxed()))
//!         }
//!         Err(error) => Ok(refusal(error).map(|body| Full::new(body).boxed())),
//!     }
//! }
//! ```
//!
//! Only HTTP/1.1 is upgraded: WebSockets over HTTP/2 (RFC 8441) are not.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::hyper::upgrade::{OnUpgrade, Upgraded};
use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use sockeye_protocol::handshake::{
    Acceptance, BodyMode, HandshakeError, Head, HeadLimits, Response as Answer, ServerHandshake,
    Upgrade as Asked,
};
use sockeye_protocol::{Config, Outbox, Role};

use crate::error::Error;
use crate::websocket::WebSocket;

/// A request for a WebSocket that hyper has read and nobody has answered yet.
pub struct Upgrade {
    /// The head as it would stand on the wire, so that it is judged by the same rules.
    head: Vec<u8>,
    on_upgrade: OnUpgrade,
}

impl Upgrade {
    /// Takes the upgrade out of a request, if it asks for one as RFC 6455 has it.
    ///
    /// # Errors
    ///
    /// What is wrong with it; [`HandshakeError::UpgradeRequired`] also if the connection cannot be
    /// upgraded. [`refusal`] makes a response of it.
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, HandshakeError> {
        let head = head(request.method(), request.uri(), request.version(), request.headers());
        Self::of(head, request.extensions_mut())
    }

    /// As [`new`](Self::new), for a request in parts.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn from_parts(parts: &mut Parts) -> Result<Self, HandshakeError> {
        let head = head(&parts.method, &parts.uri, parts.version, &parts.headers);
        Self::of(head, &mut parts.extensions)
    }

    fn of(head: Vec<u8>, extensions: &mut Extensions) -> Result<Self, HandshakeError> {
        read(&head)?;
        let on_upgrade = extensions.remove().ok_or(HandshakeError::UpgradeRequired)?;
        Ok(Self { head, on_upgrade })
    }

    /// What was asked for: subprotocols and extensions.
    ///
    /// # Errors
    ///
    /// None: it was read before.
    pub fn asked(&self) -> Result<Asked<'_>, HandshakeError> {
        read(&self.head)
    }

    /// The response to return, and the socket that there will be when it was sent. If compression is
    /// wanted by `config` and `acceptance` says nothing about it, it is agreed on with a client that
    /// offers it.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::SubprotocolNotOffered`].
    pub fn accept(
        self,
        #[cfg_attr(not(feature = "deflate"), expect(unused_mut))] mut acceptance: Acceptance,
        config: impl Into<Arc<Config>>,
    ) -> Result<(Response<()>, Upgrading), HandshakeError> {
        let config = config.into();
        let asked = read(&self.head)?;
        #[cfg(feature = "deflate")]
        if let (None, Some(wanted)) = (&acceptance.deflate, &config.deflate) {
            acceptance.deflate = asked.deflate(wanted);
        }
        let mut outbox = Outbox::new();
        asked.accept(&acceptance, &mut outbox)?;
        let response = response(&outbox);
        Ok((response, Upgrading { on_upgrade: self.on_upgrade, acceptance, config }))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

/// The socket that there is when hyper has sent the response. Bytes that came behind the request are
/// its first.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Upgrading {
    on_upgrade: OnUpgrade,
    acceptance: Acceptance,
    config: Arc<Config>,
}

impl Future for Upgrading {
    type Output = Result<WebSocket<TokioIo<Upgraded>>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = ready!(Pin::new(&mut self.on_upgrade).poll(context));
        let upgraded = upgraded.map_err(|error| Error::Io(std::io::Error::other(error)))?;
        let config = Arc::clone(&self.config);
        let socket = WebSocket::new(TokioIo::new(upgraded), Role::Server, config)
            .with_subprotocol(self.acceptance.subprotocol.as_deref());
        #[cfg(feature = "deflate")]
        let socket = socket.with_deflate(self.acceptance.deflate.take());
        Poll::Ready(Ok(socket))
    }
}

/// The response to a request that asks badly, or not at all, for an upgrade.
#[must_use]
pub fn refusal(error: HandshakeError) -> Response<Bytes> {
    let answer = Answer::from(error);
    let mut outbox = Outbox::new();
    answer.write(BodyMode::HeadOnly, &mut outbox);
    let mut response =
        response(&outbox).map(|()| Bytes::from_static(error.description().as_bytes()));
    *response.status_mut() = status(answer.status());
    // Both are hyper's to say.
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    if error.status() != 426 {
        response.headers_mut().remove(http::header::CONNECTION);
    }
    response
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A request's head as it would stand on the wire.
fn head(method: &Method, uri: &http::Uri, version: Version, headers: &http::HeaderMap) -> Vec<u8> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let version = match version {
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_10 => "HTTP/1.0",
        // Refused as such.
        _ => "HTTP/2.0",
    };
    let mut head = format!("{method} {target} {version}\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn read(head: &[u8]) -> Result<Asked<'_>, HandshakeError> {
    // What is too much was for hyper to say.
    let limits = HeadLimits {
        head_bytes_max: head.len(),
        target_bytes_max: head.len(),
        header_lines_max: head.len(),
    };
    match ServerHandshake::new(limits).receive(head)? {
        Some(Head::Upgrade(upgrade)) => Ok(upgrade),
        Some(head) => Err(head.upgrade().err().unwrap_or(HandshakeError::UpgradeRequired)),
        None => Err(HandshakeError::StartLine),
    }
}

/// The head that the protocol crate has written, as hyper wants it.
fn response(outbox: &Outbox) -> Response<()> {
    let head = outbox.chunks().collect::<Vec<_>>().concat();
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}
