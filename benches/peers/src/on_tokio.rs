//! `sockeye-tokio`. Each message is answered where it lies; what one read brought leaves in one write.

use std::net::TcpListener;
use std::sync::Arc;

use sockeye_tokio::{Acceptor, Config, Event, Outgoing, Prepared, SendError, WebSocket};
use tokio::net::TcpStream;

use crate::hub::Hub;
use crate::{Fault, MESSAGE_BYTES_MAX, runtime};

pub(crate) fn serve(listener: TcpListener, broadcasts: bool) -> Result<(), Fault> {
    let mut config = Config::default();
    config.message_bytes_max = MESSAGE_BYTES_MAX;
    config.outbox_bytes_max = 2 * MESSAGE_BYTES_MAX;
    let acceptor = Acceptor::new().config(Arc::new(config));
    let hub = Hub::new();
    runtime::run(listener, move |stream| {
        let (acceptor, hub) = (acceptor.clone(), hub.clone());
        async move {
            let socket = acceptor.accept(stream).await?;
            if broadcasts { broadcast(socket, hub).await } else { echo(socket).await }
        }
    })
}

async fn echo(mut socket: WebSocket<TcpStream>) -> Result<(), Fault> {
    while let Some(received) = socket.recv_each(answer).await {
        received?;
    }
    Ok(())
}

fn answer(event: Event<'_>, outgoing: &mut Outgoing<'_>) -> Result<(), SendError> {
    match event {
        Event::Text(text) if text.is_borrowed() => outgoing.text(&text),
        Event::Text(text) => outgoing.text_owned(text.into_string()),
        Event::Binary(payload) if payload.is_borrowed() => outgoing.binary(&payload),
        Event::Binary(payload) => outgoing.binary_owned(payload.into_bytes()),
        _ => Ok(()),
    }
}

async fn broadcast(socket: WebSocket<TcpStream>, hub: Hub<Arc<Prepared>>) -> Result<(), Fault> {
    let mut queue = hub.join();
    let (mut sender, mut receiver) = socket.into_split();
    tokio::spawn(async move {
        while let Some(prepared) = queue.recv().await {
            let said = sender.say(|outgoing| {
                outgoing.prepared(&prepared)?;
                while let Ok(next) = queue.try_recv() {
                    outgoing.prepared(&next)?;
                }
                Ok::<(), SendError>(())
            });
            if said.is_err() || sender.flush().await.is_err() {
                return;
            }
        }
    });
    let publish = |event: Event<'_>| match event {
        Event::Text(text) => hub.publish(&Arc::new(Prepared::text(&text))),
        Event::Binary(payload) => hub.publish(&Arc::new(Prepared::binary(&payload))),
        _ => {}
    };
    while let Some(received) = receiver.recv_each(publish).await {
        received?;
    }
    Ok(())
}
