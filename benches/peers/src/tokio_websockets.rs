//! tokio-websockets. Replies are flushed when nothing more is ready, and before that only above 128 KiB; the default is 8.

use std::net::TcpListener;

use tokio_websockets::{Config, Limits, Message, ServerBuilder};

use crate::hub::Hub;
use crate::{Fault, MESSAGE_BYTES_MAX, batches, runtime};

pub(crate) fn serve(listener: TcpListener, broadcasts: bool) -> Result<(), Fault> {
    let hub = Hub::new();
    runtime::run(listener, move |stream| {
        let hub = hub.clone();
        async move {
            let limits = Limits::default().max_payload_len(Some(MESSAGE_BYTES_MAX));
            let config = Config::default().frame_size(MESSAGE_BYTES_MAX).flush_threshold(128 << 10);
            let builder = ServerBuilder::new().limits(limits).config(config);
            let (_, socket) = builder.accept(stream).await?;
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
