//! A server that sends everything back, and a client for it, on tokio.
//!
//! Run the server with `cargo run -p sockeye-tokio --example echo -- 127.0.0.1:9002`, and the client with
//! `cargo run -p sockeye-tokio --example echo -- ws://127.0.0.1:9002/ hello`.

use sockeye_tokio::{Error, WebSocket};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "127.0.0.1:9002".into());
    if place.starts_with("ws") {
        return say(&place, arguments).await;
    }
    let listener = TcpListener::bind(place).await?;
    println!("ws://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let mut socket: WebSocket<TcpStream> = sockeye_tokio::accept(stream).await?;
    while let Some(message) = socket.recv().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.feed(message).await?;
        }
    }
    Ok(())
}

async fn say(url: &str, messages: impl Iterator<Item = String>) -> Result<(), Error> {
    let mut socket = sockeye_tokio::connect(url).await?;
    for message in messages {
        socket.send(message.into()).await?;
        if let Some(answer) = socket.recv().await.transpose()? {
            println!("{answer}");
        }
    }
    socket.close(None).await
}
