//! Asks for a name and an age. While it waits it is parked in the loop, without a thread.
use sockeye::{CloseCode, Error, Server, Socket};

pub(crate) async fn dialogue(mut socket: Socket) -> Result<(), Error> {
    let name = loop {
        socket.send_text("What is your name?").await?;
        let name = socket.recv().await?.into_text();
        if !name.is_empty() {
            break name;
        }
        socket.send_text("Please, insert your name!").await?;
    };
    let age: i32 = loop {
        socket.send_text("And your age?").await?;
        if let Ok(age) = socket.recv().await?.into_text().trim().parse() {
            break age;
        }
        socket.send_text("Please, insert an valid number").await?;
    };
    socket.send_text(&format!("You're {name}, and you are {age} old.")).await?;
    socket.close(CloseCode::NORMAL, "").await
}

fn main() -> Result<(), Error> {
    Server::builder().route("/connect", dialogue).serve("127.0.0.1:9001")
}
