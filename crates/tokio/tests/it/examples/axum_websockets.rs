use std::net::SocketAddr;
use std::time::Duration;

use sockeye_tokio::{Client, ClientStream, CloseFrame, Message, WebSocket};
use tokio::net::TcpListener;

use super::foreign::soon;

#[allow(dead_code)]
#[path = "../../../examples/axum_websockets.rs"]
mod example;

async fn connect(pace: Duration) -> (WebSocket<ClientStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(example::serve(listener, pace));
    let client = Client::new(&format!("ws://{address}/ws")).header("User-Agent", "tester");
    let mut socket = soon(client.connect()).await.expect("it is accepted");
    assert_eq!(next(&mut socket).await, Message::Ping(vec![1, 2, 3].into()));
    let Some(ClientStream::Tcp(stream)) = socket.get_ref() else { panic!("not over TCP") };
    let own = stream.local_addr().expect("an address");
    (socket, own)
}

async fn next(socket: &mut WebSocket<ClientStream>) -> Message {
    soon(socket.recv()).await.expect("open").expect("well")
}

/// Everything that it says, and its goodbye.
async fn listen(mut socket: WebSocket<ClientStream>, own: SocketAddr) {
    for greeting in 1..=example::GREETINGS {
        let expected = Message::text(format!("Greeting {greeting} for tester at {own}"));
        assert_eq!(next(&mut socket).await, expected);
    }
    for number in 0..example::MESSAGES {
        assert_eq!(next(&mut socket).await, Message::text(format!("Message {number}")));
    }
    let goodbye = Message::Close(Some(CloseFrame::new(1000_u16, "Goodbye")));
    assert_eq!(next(&mut socket).await, goodbye);
    assert!(soon(socket.recv()).await.is_none());
    assert!(socket.closed().is_some_and(|closed| closed.clean));
}

#[tokio::test]
async fn it_pings_greets_talks_and_says_goodbye() {
    let (socket, own) = connect(Duration::from_millis(1)).await;
    listen(socket, own).await;
}

#[tokio::test]
async fn it_listens_while_it_talks() {
    let (mut socket, own) = connect(Duration::from_millis(1)).await;
    for number in 0..100 {
        socket.send(Message::text(format!("{number}"))).await.expect("open");
        socket.send(Message::binary(vec![0; 1000])).await.expect("open");
    }
    listen(socket, own).await;
}

#[tokio::test]
async fn who_closes_is_answered_at_any_point() {
    let (mut socket, _) = connect(Duration::from_millis(1)).await;
    soon(socket.close(Some(CloseFrame::new(1000_u16, "")))).await.expect("before it has greeted");
    assert!(socket.closed().is_some_and(|closed| closed.clean));

    let (mut socket, _) = connect(Duration::from_millis(1)).await;
    loop {
        if let Message::Text(text) = next(&mut socket).await
            && text == "Message 3"
        {
            break;
        }
    }
    let frame = CloseFrame::new(4000_u16, "enough");
    soon(socket.close(Some(frame))).await.expect("while it talks");
    assert!(socket.closed().is_some_and(|closed| closed.clean));
}
