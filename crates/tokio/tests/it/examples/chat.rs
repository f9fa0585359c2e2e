use sockeye_tokio::{CloseCode, Message};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite;

use super::foreign::{Foreign, soon};

#[allow(dead_code)]
#[path = "../../../examples/chat.rs"]
mod example;

async fn start() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(example::serve(listener));
    address
}

/// Each says something, and all others hear it: so all have entered.
async fn gather(all: &mut [&mut Foreign]) {
    for speaker in 0..all.len() {
        all[speaker].say("here").await;
        for (listener, one) in all.iter_mut().enumerate() {
            if listener != speaker {
                assert_eq!(one.hear().await, "here".into());
            }
        }
    }
}

#[tokio::test]
async fn what_one_says_all_others_hear_and_he_does_not() {
    let address = start().await;
    let mut one = Foreign::connect(address).await;
    let mut two = Foreign::connect(address).await;
    let mut three = Foreign::connect(address).await;
    gather(&mut [&mut one, &mut two, &mut three]).await;

    let binary = tungstenite::Message::binary(vec![0, 159, 146, 150]);
    for message in ["hello".into(), "".into(), "grüße".into(), binary.clone()] {
        one.say(message).await;
    }
    for other in [&mut two, &mut three] {
        for expected in ["hello".into(), "".into(), "grüße".into(), binary.clone()] {
            assert_eq!(other.hear().await, expected);
        }
    }
    // The first that the speaker hears is somebody else's.
    two.say("me too").await;
    assert_eq!(one.hear().await, "me too".into());
    assert_eq!(three.hear().await, "me too".into());

    let left = two.close().await;
    assert!(left.iter().all(tungstenite::Message::is_close), "{left:?}");
    three.say("who is left?").await;
    assert_eq!(one.hear().await, "who is left?".into());
}

/// Somebody reads nothing, and all others hear everything.
#[tokio::test]
async fn who_does_not_read_holds_nobody_up() {
    const MESSAGES: usize = 100;
    let address = start().await;
    let mut deaf = sockeye_tokio::connect(&format!("ws://{address}/")).await.expect("accepted");
    let mut one = Foreign::connect(address).await;
    let mut two = Foreign::connect(address).await;
    gather(&mut [&mut one, &mut two]).await;
    // More than the system's buffers and the outbox take.
    let long = "x".repeat(256 * 1024);
    for number in 0..MESSAGES {
        one.say(format!("{number} {long}")).await;
        assert!(two.hear().await.to_text().expect("text").starts_with(&number.to_string()));
    }
    // It was given up at some point, and hears what had left for it before.
    let mut heard = 0;
    while let Some(Ok(message)) = soon(deaf.recv()).await {
        heard += usize::from(message.is_text());
    }
    assert!(heard < MESSAGES);
}

#[tokio::test]
async fn no_request_and_no_frame_ends_the_chat() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = start().await;
    let mut stream = TcpStream::connect(address).await.expect("the server is there");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 426"));

    let mut rude = sockeye_tokio::connect(&format!("ws://{address}/")).await.expect("accepted");
    rude.send(Message::text("x".repeat(2 << 20))).await.expect("open");
    while let Some(Ok(message)) = soon(rude.recv()).await {
        let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
        assert_eq!(frame.code, CloseCode::TOO_BIG.as_u16());
    }
    let (mut one, mut two) = (Foreign::connect(address).await, Foreign::connect(address).await);
    gather(&mut [&mut one, &mut two]).await;
}
