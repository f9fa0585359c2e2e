//! The dialogue, word for word, on a thread of its own: without `async` and `await`.
use sockeye::{BlockingSocket, CloseCode, Error, Server};

pub(crate) fn dialogue(mut socket: BlockingSocket) -> Result<(), Error> {
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
    Server::builder().route_blocking("/connect", dialogue).serve("127.0.0.1:9001")
}
