//! tokio-tungstenite. Its read buffer is filled with zeros before each read, so it is as large as what a client has
//! under way, within 8 and 128 KiB; the default is 128.

use std::net::TcpListener;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::hub::Hub;
use crate::{Fault, MESSAGE_BYTES_MAX, batches, runtime};

pub(crate) fn serve(listener: TcpListener, broadcasts: bool, window: usize) -> Result<(), Fault> {
    let config = WebSocketConfig::default()
        .read_buffer_size(window.next_power_of_two().clamp(8 << 10, 128 << 10))
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let hub = Hub::new();
    runtime::run(listener, move |stream| {
        let hub = hub.clone();
        async move {
            let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
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
