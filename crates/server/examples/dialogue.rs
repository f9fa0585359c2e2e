//! Asks for a name and an age. `/connect` parks in the loop while it waits, `/blocking` on a thread.
use sockeye::{BlockingSocket, CloseCode, Error, Server, Socket};

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

// The same conversation, word for word, without `async` and `await`.
pub(crate) fn blocking(mut socket: BlockingSocket) -> Result<(), Error> {
    let name = loop {
        socket.send_text("What is your name?")?;
        let name = socket.recv()?.into_text();
        if !name.is_empty() {
            break name;
        }
        socket.send_text("Please, insert your name!")?;
    };
    let age: i32 = loop {
        socket.send_text("And your age?")?;
        if let Ok(age) = socket.recv()?.into_text().trim().parse() {
            break age;
        }
        socket.send_text("Please, insert an valid number")?;
    };
    socket.send_text(&format!("You're {name}, and you are {age} old."))?;
    socket.close(CloseCode::NORMAL, "")
}

fn main() -> Result<(), Error> {
    let server = Server::builder().route("/connect", dialogue);
    server.route_blocking("/blocking", blocking).serve("127.0.0.1:9001")
}
