//! The routes that hold a conversation, as straight-line code: greeter, dialogue, ticker, and the one that takes its time.

use std::time::{Duration, Instant, SystemTime};

use sockeye::{CloseCode, Error, Socket};

use super::calendar;

/// The greeter hangs up on whoever says nothing for so long.
const GREETER_WITHIN: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// `/connect`: answers every message with a greeting, and closes when none comes.
pub(crate) async fn greeter(mut socket: Socket) -> Result<(), Error> {
    loop {
        match socket.recv_timeout(GREETER_WITHIN).await {
            Ok(message) => socket.send(message.reply("Hello!")).await?,
            Err(Error::Timeout) => {
                return socket.close(CloseCode::NORMAL, "nothing was said").await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `/dialogue`: asks for a name and an age, each again until it gets one.
pub(crate) async fn dialogue(mut socket: Socket) -> Result<(), Error> {
    socket.send_text("What is your name?").await?;
    let name = loop {
        let answer = String::from_utf8_lossy(socket.recv().await?.as_bytes()).trim().to_owned();
        if !answer.is_empty() {
            break answer;
        }
        socket.send_text("Please, insert your name!").await?;
    };
    socket.send_text("And your age?").await?;
    let age = loop {
        let answer = String::from_utf8_lossy(socket.recv().await?.as_bytes()).trim().parse::<i32>();
        if let Ok(age) = answer {
            break age;
        }
        socket.send_text("Please, insert a valid number").await?;
    };
    socket.send_text(&format!("You're {name}, and you are {age} old.")).await?;
    socket.close(CloseCode::NORMAL, "").await
}

/// `/ticker`: the time once a second, without ever receiving; the sleep ends with the connection.
pub(crate) async fn ticker(socket: Socket) -> Result<(), Error> {
    let mut next = Instant::now();
    loop {
        socket.send_text(&format!("Sockeye -> {}", calendar::utc(SystemTime::now()))).await?;
        // Counted from the first tick, so that delays do not add up.
        next += SECOND;
        socket.sleep(next.saturating_duration_since(Instant::now())).await?;
    }
}

/// `/slow`: echoes one message a second. Whoever sends faster fills the inbox, and then TCP slows them down.
pub(crate) async fn slow(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
        socket.sleep(SECOND).await?;
    }
}
