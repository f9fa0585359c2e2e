//! The half that receives.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use sockeye_protocol::{Closed, Event};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Half, Shared};
use crate::agreed::Agreed;
use crate::error::Error;
use crate::message::Message;
use crate::outgoing::Outgoing;
use crate::receiving::{Flow, Pressure, Receiving};

/// The half of a socket that receives; a [`Stream`] of [`Message`]s too.
///
/// It answers pings and the peer's Close, and keeps the deadlines, while it is polled; what it says
/// leaves by itself, whatever the [`Sender`](super::Sender) does. See [`WebSocket`](crate::WebSocket)
/// for the rest.
pub struct Receiver<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> {
    pub(super) receiving: Box<Receiving<Half<R, W>>>,
    pub(super) agreed: Agreed,
    /// By which its sender is known.
    pub(super) shared: Arc<Shared<W>>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Receiver<R, W> {
    pub(super) fn new(
        receiving: Receiving<Half<R, W>>,
        agreed: Agreed,
        shared: Arc<Shared<W>>,
    ) -> Self {
        Self { receiving: Box::new(receiving), agreed, shared }
    }

    /// Receives the next message, or `None` when the connection is over. It is cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`](crate::WebSocket::recv).
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`recv`](Self::recv), by hand.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        let mut message = None;
        let mut visit = |event: Event<'_>, _: &mut Outgoing<'_>| {
            message = Some(Message::from(event));
            Flow::Enough
        };
        let polled = self.receiving.poll_events(context, Pressure::Ignored, &mut visit);
        polled.map(|received| match received {
            Some(Err(error)) => Some(Err(error)),
            _ => message.map(Ok),
        })
    }

    /// Receives what is here, or the next that comes, and hands each message to `visit` where it
    /// lies; returns when what was read is used up, and `None` when the connection is over.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_each(
        &mut self,
        mut visit: impl FnMut(Event<'_>),
    ) -> Option<Result<(), Error>> {
        let received = poll_fn(|context| {
            let mut visit = |event: Event<'_>, _: &mut Outgoing<'_>| {
                visit(event);
                Flow::More
            };
            self.receiving.poll_events(context, Pressure::Ignored, &mut visit)
        });
        received.await
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed.subprotocol()
    }

    /// How the connection ended, as soon as that is known.
    #[must_use]
    pub fn closed(&self) -> Option<&Closed> {
        self.receiving.connection.closed()
    }

    /// The round-trip time of the last ping of the keepalive that was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.receiving.connection.round_trip()
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> fmt::Debug for Receiver<R, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Receiver").field("closed", &self.closed()).finish_non_exhaustive()
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Stream for Receiver<R, W> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(context)
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> FusedStream for Receiver<R, W> {
    fn is_terminated(&self) -> bool {
        self.receiving.is_over()
    }
}
