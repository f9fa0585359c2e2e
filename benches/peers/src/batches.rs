//! The loops of the libraries that are a stream and a sink of messages: everything that is ready is answered with one
//! flush.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

use crate::Fault;
use crate::hub::Hub;

/// More than a client has under way in any experiment.
const BATCH_MAX: usize = 128;

/// Sends back each message of which `reply` makes one.
pub(crate) async fn echo<S, M, E>(mut socket: S, reply: fn(M) -> Option<M>) -> Result<(), Fault>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Fault>,
{
    // All that is ready is taken first: some libraries flush what was fed whenever they are asked for the next message.
    let mut batch = Vec::new();
    while let Some(message) = socket.next().await {
        batch.push(message.map_err(Into::into)?);
        while batch.len() < BATCH_MAX
            && let Some(Some(next)) = socket.next().now_or_never()
        {
            batch.push(next.map_err(Into::into)?);
        }
        for message in batch.drain(..).filter_map(reply) {
            socket.feed(message).await.map_err(Into::into)?;
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
