use sockeye_tokio::{Error, Message};
use tokio::io::BufReader;
use tokio::net::TcpListener;

use super::foreign::soon;

#[allow(dead_code)]
#[path = "../../../examples/client.rs"]
mod example;

/// What the client prints for this input, at a server that answers with `answer`.
async fn printed(input: &str, answer: fn(Message) -> Vec<Message>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut socket = sockeye_tokio::accept(stream).await?;
        while let Some(message) = socket.recv().await.transpose()? {
            if message.is_text() {
                for message in answer(message) {
                    socket.feed(message).await?;
                }
            }
        }
        Ok::<_, Error>(socket.closed().is_some_and(|closed| closed.clean))
    });
    let mut output = Vec::new();
    let url = format!("ws://{address}/");
    soon(example::talk(&url, BufReader::new(input.as_bytes()), &mut output))
        .await
        .expect("in order");
    assert!(server.await.expect("no panic").expect("in order"), "it was not closed well");
    String::from_utf8(output).expect("text")
}

#[tokio::test]
async fn each_line_is_sent_and_what_comes_is_printed() {
    let echo = |message| vec![message];
    assert_eq!(printed("one\ntwö\n\nfour", echo).await, "one\ntwö\n\nfour\n");
    assert_eq!(printed("", echo).await, "");
    let lines: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    assert_eq!(printed(&lines, echo).await, lines);
}

#[tokio::test]
async fn bytes_are_printed_and_control_frames_are_not() {
    let answer = |_| {
        let (ping, pong) = (Message::Ping("ping".into()), Message::Pong("pong".into()));
        vec![ping, Message::binary("binary"), pong]
    };
    assert_eq!(printed("go\n", answer).await, "binary\n");
}
