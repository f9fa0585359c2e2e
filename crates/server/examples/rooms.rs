//! A chat with rooms: what one says, all in the room hear.

use std::time::Duration;

use sockeye::{CloseCode, Error, Policy, Server, Socket};

/// A straight-line conversation: it waits without a thread, and a timeout loses nothing.
async fn talk(mut socket: Socket) -> Result<(), Error> {
    let room = socket.group(socket.param("room"));
    socket.join(&room, Policy::Close).await?;
    while let Ok(message) = socket.recv_timeout(Duration::from_secs(60)).await {
        room.broadcast(message.as_text().unwrap_or("(binary)"));
    }
    socket.close(CloseCode::NORMAL, "nothing came for a minute").await
}

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let server = Server::builder().route("/rooms/{room}", talk).bind(address)?;
    println!("ws://{}/rooms/lobby", server.local_addr().expect("it listens over TCP"));
    server.wait();
    Ok(())
}
