//! The loops of the libraries that are a stream and a sink of messages: everything that is ready is answered with one
//! flush.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

use crate::Fault;
use crate::hub::Hub;

/// Sends back each message of which `reply` makes one.
pub(crate) async fn echo<S, M, E>(mut socket: S, reply: fn(M) -> Option<M>) -> Result<(), Fault>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Fault>,
{
    while let Some(message) = socket.next().await {
        let mut message = message.map_err(Into::into)?;
        loop {
            if let Some(reply) = reply(message) {
                socket.feed(reply).await.map_err(Into::into)?;
            }
            match socket.next().now_or_never() {
                Some(Some(next)) => message = next.map_err(Into::into)?,
                Some(None) => return Ok(()),
                None => break,
            }
        }
        socket.flush().await.map_err(Into::into)?;
    }
    Ok(())
}

/// Gives each message of which `reply` makes one to the hub, and sends what the hub has.
pub(crate) async fn broadcast<S, M, E>(
    mut socket: S,
    reply: fn(M) -> Option<M>,
    hub: Hub<M>,
) -> Result<(), Fault>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: Clone,
    E: Into<Fault>,
{
    let mut queue = hub.join();
    let mut waiting = None;
    poll_fn(|context| {
        loop {
            match socket.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => {
                    reply(message.map_err(Into::into)?).iter().for_each(|one| hub.publish(one));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        loop {
            if waiting.is_none() {
                match queue.poll_recv(context) {
                    Poll::Ready(Some(message)) => waiting = Some(message),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => break,
                }
            }
            ready!(feed(&mut socket, &mut waiting, context)).map_err(Into::into)?;
        }
        ready!(socket.poll_flush_unpin(context)).map_err(Into::into)?;
        Poll::Pending
    })
    .await
}

fn feed<S, M>(
    socket: &mut S,
    waiting: &mut Option<M>,
    context: &mut Context<'_>,
) -> Poll<Result<(), S::Error>>
where
    S: Sink<M> + Unpin,
{
    ready!(Pin::new(&mut *socket).poll_ready(context))?;
    Poll::Ready(waiting.take().map_or(Ok(()), |message| Pin::new(socket).start_send(message)))
}
