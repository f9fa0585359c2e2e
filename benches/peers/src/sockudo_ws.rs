//! sockudo-ws: its stream over tokio, with its own defaults for deadlines and backpressure.

use std::net::TcpListener;

use sockudo_ws::{Config, Message, WebSocketStream, handshake};

use crate::hub::Hub;
use crate::{Fault, MESSAGE_BYTES_MAX, batches, runtime};

pub(crate) fn serve(listener: TcpListener, broadcasts: bool) -> Result<(), Fault> {
    let config = Config::builder()
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .max_backpressure(MESSAGE_BYTES_MAX)
        .build();
    let hub = Hub::new();
    runtime::run(listener, move |mut stream| {
        let (hub, config) = (hub.clone(), config.clone());
        async move {
            handshake::server_handshake(&mut stream).await?;
            let socket = WebSocketStream::server(stream, config);
            if broadcasts {
                batches::broadcast(socket, reply, hub).await
            } else {
                batches::echo(socket, reply).await
            }
        }
    })
}

fn reply(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}
