//! An extractor for axum 0.8, with the habits of axum's own.
//!
//! A program that uses `axum::extract::ws` moves by importing from here instead:
//!
//! ```
//! use axum::{Router, response::Response, routing::any};
//! use sockeye_tokio::axum::{WebSocket, WebSocketUpgrade};
//!
//! async fn handler(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(talk)
//! }
//!
//! async fn talk(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         if socket.send(message).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! let app: Router = Router::new().route("/ws", any(handler));
//! ```
//!
//! # What differs
//!
//! - Silent peers are pinged after 20 s, and given up after 20 s more, while the socket is received
//!   from; see [`WebSocketUpgrade::config`].
//! - Frames have no limit of their own, only messages have; reading needs no buffer to be sized.
//! - Requests are judged by all rules of RFC 6455, such as that a key is 16 bytes in base64.
//! - A subprotocol that the client has not offered is not answered with: that is a status of 500.
//! - Only HTTP/1.1 is upgraded.
//! - A socket that is dropped says goodbye with a Close frame, 1000.
//! - [`WebSocket::get_mut`] gives what axum's socket does not have: receiving without copies,
//!   several messages in one write, a close that is waited for.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::upgrade::Upgraded;
use axum_core::Error;
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use http::HeaderValue;
use http::request::Parts;
use hyper_util::rt::TokioIo;
use sockeye_protocol::Config;
#[cfg(feature = "deflate")]
use sockeye_protocol::DeflateConfig;
use sockeye_protocol::handshake::{Acceptance, HandshakeError};

use crate::hyper::{Upgrade, refusal};
pub use crate::message::{CloseFrame, Message, Utf8Bytes};

/// What the limit on a message is unless told otherwise, as in axum.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Extracts a request for a WebSocket.
///
/// Use it with [`any`](https://docs.rs/axum/0.8/axum/routing/method_routing/fn.any.html), or with
/// `get`.
#[must_use = "it does nothing before `on_upgrade`"]
pub struct WebSocketUpgrade<F = DefaultOnFailedUpgrade> {
    upgrade: Upgrade,
    requested: Vec<HeaderValue>,
    selected: Option<HeaderValue>,
    config: Config,
    on_failed_upgrade: F,
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketUpgradeRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let upgrade = Upgrade::from_parts(parts).map_err(WebSocketUpgradeRejection)?;
        let requested = match upgrade.asked() {
            Ok(asked) => asked.subprotocols().flat_map(HeaderValue::from_str).collect(),
            Err(error) => return Err(WebSocketUpgradeRejection(error)),
        };
        let mut config = Config::default();
        config.message_bytes_max = MESSAGE_BYTES_MAX;
        let on_failed_upgrade = DefaultOnFailedUpgrade;
        Ok(Self { upgrade, requested, selected: None, config, on_failed_upgrade })
    }
}

impl<F> WebSocketUpgrade<F> {
    /// Chooses the first of these subprotocols that the client offers.
    pub fn protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, str>>,
    {
        self.selected = protocols.into_iter().find_map(|protocol| {
            let protocol: Cow<'static, str> = protocol.into();
            self.requested.iter().find(|offered| *offered == &*protocol).cloned()
        });
        self
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn requested_protocols(&self) -> impl Iterator<Item = &HeaderValue> {
        self.requested.iter()
    }

    /// Chooses this subprotocol, which must be one of those that the client offers: else the answer is
    /// 500.
    pub fn set_selected_protocol(&mut self, protocol: HeaderValue) {
        self.selected = Some(protocol);
    }

    /// The subprotocol that was chosen.
    pub fn selected_protocol(&self) -> Option<&HeaderValue> {
        self.selected.as_ref()
    }

    /// The longest message that is received, in bytes; 64 MiB by default.
    pub const fn max_message_size(mut self, max: usize) -> Self {
        self.config.message_bytes_max = max;
        self
    }

    /// Has no effect: a frame is no longer than its message, and memory is taken as bytes come and not
    /// as a frame announces them. See [`max_message_size`](Self::max_message_size).
    pub const fn max_frame_size(self, _max: usize) -> Self {
        self
    }

    /// Has no effect: sockets read into a buffer of their thread.
    pub const fn read_buffer_size(self, _size: usize) -> Self {
        self
    }

    /// How many bytes may wait for a flush before the sink wants to be flushed first; 64 KiB by
    /// default.
    pub const fn write_buffer_size(mut self, size: usize) -> Self {
        self.config.outbox_high_mark = size;
        self
    }

    /// The most bytes that may wait to be written, where that is not waited for; 1 MiB by default.
    pub const fn max_write_buffer_size(mut self, max: usize) -> Self {
        self.config.outbox_bytes_max = max;
        self
    }

    /// Changes any limit or deadline of the connection.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Agrees on compression with clients that offer it (RFC 7692).
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, config: DeflateConfig) -> Self {
        self.config.deflate = Some(config);
        self
    }

    /// What to do if there is no socket after all, since the connection broke before.
    pub fn on_failed_upgrade<C: OnFailedUpgrade>(self, callback: C) -> WebSocketUpgrade<C> {
        let Self { upgrade, requested, selected, config, .. } = self;
        WebSocketUpgrade { upgrade, requested, selected, config, on_failed_upgrade: callback }
    }

    /// Accepts the upgrade, and calls `callback` with the socket in a task of its own.
    #[must_use = "this response is what upgrades the connection"]
    pub fn on_upgrade<C, Fut>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
        F: OnFailedUpgrade,
    {
        let Self { upgrade, selected: protocol, config, on_failed_upgrade, .. } = self;
        let chosen = protocol.as_ref().map(|chosen| String::from_utf8_lossy(chosen.as_bytes()));
        let subprotocol = chosen.map(|chosen| chosen.into_owned().into());
        let acceptance = Acceptance { subprotocol, ..Acceptance::default() };
        match upgrade.accept(acceptance, config) {
            Ok((response, upgrading)) => {
                tokio::spawn(async move {
                    match upgrading.await {
                        Ok(inner) => callback(WebSocket { inner, protocol }).await,
                        Err(error) => on_failed_upgrade.call(Error::new(error)),
                    }
                });
                response.map(|()| Body::empty())
            }
            Err(error) => {
                on_failed_upgrade.call(Error::new(error));
                refusal(error).map(Body::from)
            }
        }
    }
}

impl<F> fmt::Debug for WebSocketUpgrade<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut upgrade = formatter.debug_struct("WebSocketUpgrade");
        upgrade.field("selected", &self.selected).finish_non_exhaustive()
    }
}

/// What to do if there is no socket after all.
pub trait OnFailedUpgrade: Send + 'static {
    /// Called with the reason.
    fn call(self, error: Error);
}

impl<F: FnOnce(Error) + Send + 'static> OnFailedUpgrade for F {
    fn call(self, error: Error) {
        self(error);
    }
}

/// Does nothing.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DefaultOnFailedUpgrade;

impl OnFailedUpgrade for DefaultOnFailedUpgrade {
    fn call(self, _error: Error) {}
}

/// Why a request is no request for a WebSocket. As a response it says so, with the status that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketUpgradeRejection(pub HandshakeError);

impl fmt::Display for WebSocketUpgradeRejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for WebSocketUpgradeRejection {}

impl IntoResponse for WebSocketUpgradeRejection {
    fn into_response(self) -> Response {
        refusal(self.0).map(Body::from)
    }
}

/// A WebSocket that axum has upgraded; a [`Stream`] and a [`Sink`] of [`Message`]s too.
#[derive(Debug)]
pub struct WebSocket {
    inner: crate::WebSocket<TokioIo<Upgraded>>,
    protocol: Option<HeaderValue>,
}

impl WebSocket {
    /// Receives the next message, or `None` when the connection is over.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`](crate::WebSocket::recv), each as a [`crate::Error`] in axum's.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        Some(self.inner.recv().await?.map_err(Error::new))
    }

    /// Sends a message, and waits until the transport has it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send), each as a [`crate::Error`] in axum's.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.inner.send(message).await.map_err(Error::new)
    }

    /// The subprotocol that was chosen.
    #[must_use]
    pub const fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }

    /// The socket itself.
    pub const fn get_mut(&mut self) -> &mut crate::WebSocket<TokioIo<Upgraded>> {
        &mut self.inner
    }

    /// The socket itself, for [`recv_each`](crate::WebSocket::recv_each) and the like.
    #[must_use]
    pub fn into_inner(self) -> crate::WebSocket<TokioIo<Upgraded>> {
        self.inner
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.get_mut().inner.poll_recv(context);
        polled.map(|received| Some(received?.map_err(Error::new)))
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_ready(context).map_err(Error::new)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Pin::new(&mut self.get_mut().inner).start_send(message).map_err(Error::new)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context).map_err(Error::new)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().inner).poll_close(context).map_err(Error::new)
    }
}

/// The code of a [`CloseFrame`], by the name that axum has for it.
pub type CloseCode = u16;

/// Close codes by the names that axum has for them.
pub mod close_code {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: u16 = 1000;
    /// 1001: the endpoint goes away.
    pub const AWAY: u16 = 1001;
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// 1003: a type of data that this endpoint does not take.
    pub const UNSUPPORTED: u16 = 1003;
    /// 1005: the peer's Close frame had no code; never sent.
    pub const STATUS: u16 = 1005;
    /// 1006: the transport ended without a Close frame; never sent.
    pub const ABNORMAL: u16 = 1006;
    /// 1007: data that does not fit the message's type.
    pub const INVALID: u16 = 1007;
    /// 1008: a policy was violated.
    pub const POLICY: u16 = 1008;
    /// 1009: a message too big to process.
    pub const SIZE: u16 = 1009;
    /// 1010: a client missed an extension that it needs.
    pub const EXTENSION: u16 = 1010;
    /// 1011: an unexpected condition on the server.
    pub const ERROR: u16 = 1011;
    /// 1012: the service restarts.
    pub const RESTART: u16 = 1012;
    /// 1013: the service is overloaded.
    pub const AGAIN: u16 = 1013;
}
