//! Greets whoever writes, and closes when nothing comes for 30 s.
use sockeye::{CloseCode, Error, Server, Socket};

pub(crate) async fn greet(mut socket: Socket) -> Result<(), Error> {
    while let Ok(message) = socket.recv_timeout(std::time::Duration::from_secs(30)).await {
        println!("Received message: {message}");
        socket.send_text("Hello!").await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

fn main() -> Result<(), Error> {
    Server::builder().route("/connect", greet).serve("127.0.0.1:9001")
}
