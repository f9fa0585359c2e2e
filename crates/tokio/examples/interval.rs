//! A server that says "tick" each second, and sends everything back.
//!
//! Run it with `cargo run -p sockeye-tokio --example interval -- 127.0.0.1:9002`.

use std::time::Duration;

use sockeye_tokio::Error;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("ws://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = tick(stream, Duration::from_secs(1)).await {
                eprintln!("{error}");
            }
        });
    }
}

pub(crate) async fn tick(stream: TcpStream, period: Duration) -> Result<(), Error> {
    let mut socket = sockeye_tokio::accept(stream).await?;
    let mut interval = tokio::time::interval(period);
    loop {
        tokio::select! {
            _ = interval.tick(), if socket.is_open() => socket.send("tick".into()).await?,
            // A tick drops this future, and with it not a byte of a message that is on its way.
            received = socket.recv() => match received.transpose()? {
                Some(message) if message.is_text() || message.is_binary() => {
                    socket.feed(message).await?;
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}
