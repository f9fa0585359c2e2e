//! Two halves that become one socket again.

use std::time::Duration;

use sockeye_tokio::{CloseCode, Config, Error, Message, Receiver, Role, Sender, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::ending::beside_bytes;
use crate::talking::pair;
use crate::wire::poll_once;

type Halves =
    (Sender<WriteHalf<DuplexStream>>, Receiver<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>);

fn reunite((sender, receiver): Halves) -> WebSocket<DuplexStream> {
    receiver.reunite(sender).expect("they belong together")
}

/// All that `socket` receives until it is over.
async fn all(mut socket: WebSocket<DuplexStream>) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(received) = socket.recv().await {
        messages.push(received.expect("well"));
    }
    messages
}

/// What was read with another message, what was fed and has not left, and the answer to a ping.
#[tokio::test]
async fn nothing_that_waits_is_lost() {
    let (mut client, server) = pair(Config::default());
    for message in ["1".into(), Message::Ping("?".into()), "2".into(), "3".into()] {
        client.feed(message).await.expect("open");
    }
    client.flush().await.expect("open");
    let (mut sender, mut receiver) = server.split();
    sender.send("a".into()).await.expect("open");
    assert_eq!(receiver.recv().await.expect("open").expect("well"), Message::text("1"));
    assert_eq!(receiver.recv().await.expect("open").expect("well"), Message::Ping("?".into()));
    sender.feed("b".into()).await.expect("open");
    let mut server = reunite((sender, receiver));
    assert!(server.is_open());
    server.feed("c".into()).await.expect("open");
    for text in ["2", "3"] {
        assert_eq!(server.recv().await.expect("open").expect("well"), Message::text(text));
    }
    server.flush().await.expect("open");
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(client.recv().await.expect("open").expect("well"));
    }
    let pong = Message::Pong("?".into());
    assert_eq!(heard, ["a".into(), pong, "b".into(), "c".into()]);
    // And it is a socket as before.
    let server = tokio::spawn(all(server));
    client.send("4".into()).await.expect("open");
    client.close(None).await.expect("in order");
    assert_eq!(server.await.expect("no panic"), ["4".into(), Message::Close(None)]);
}

#[tokio::test]
async fn halves_of_different_sockets_come_back_as_they_were() {
    let (mut client, server) = pair(Config::default());
    let (mut other_client, other_server) = pair(Config::default());
    let (mut sender, receiver) = server.split();
    let (other_sender, other_receiver) = other_server.split();
    sender.feed("kept".into()).await.expect("open");
    client.send("1".into()).await.expect("open");
    let error = other_receiver.reunite(sender).expect_err("they do not belong together");
    assert_eq!(error.to_string(), "these are halves of different sockets");
    let (sender, other_receiver) = (error.0, error.1);
    let mut server = reunite((sender, receiver));
    let mut other_server = reunite((other_sender, other_receiver));
    assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("1"));
    server.flush().await.expect("open");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("kept"));
    other_server.send("2".into()).await.expect("open");
    assert_eq!(other_client.recv().await.expect("open").expect("well"), Message::text("2"));
}

/// A transport that holds little: what the sender has said, its Close frame the last of it, stands in
/// three places.
#[tokio::test]
async fn a_close_that_has_not_left_leaves_behind_what_stood_before_it() {
    let (one, other) = tokio::io::duplex(64);
    let client = WebSocket::new(one, Role::Client, Config::default());
    let server = WebSocket::new(other, Role::Server, Config::default());
    let (mut sender, receiver) = server.split();
    let long = "long ".repeat(50_000);
    // Some of it has left, the rest waits in the pen.
    assert!(poll_once(sender.send(long.as_str().into())).is_pending());
    sender.say(|outgoing| outgoing.text("short")).expect("open");
    sender.say(|outgoing| outgoing.close(None)).expect("open");
    let mut server = reunite((sender, receiver));
    assert!(!server.is_open());
    assert!(server.say(|outgoing| outgoing.text("late")).is_err());
    let client = tokio::spawn(all(client));
    assert_eq!(server.recv().await.expect("a Close").expect("well"), Message::Close(None));
    assert!(server.recv().await.is_none());
    assert!(server.closed().expect("closed").clean);
    let heard = client.await.expect("no panic");
    assert_eq!(heard, [long.as_str().into(), "short".into(), Message::Close(None)]);
}

/// The receiver knows nothing yet of the Close frame that the sender has sent.
#[tokio::test]
async fn a_close_that_has_left_is_the_socket_s() {
    let (client, server) = pair(Config::default());
    let (mut sender, receiver) = server.split();
    sender.close(None).await.expect("open");
    let mut server = reunite((sender, receiver));
    assert!(!server.is_open());
    let client = tokio::spawn(all(client));
    server.close(None).await.expect("in order");
    assert!(server.closed().expect("closed").clean);
    assert_eq!(client.await.expect("no panic"), [Message::Close(None)]);
}

/// The receiver has answered the peer's Close, and neither that has left nor what the sender has said:
/// the peer gets all messages and one Close frame, whether the sender has said one as well or not.
#[tokio::test]
async fn of_two_close_frames_one_leaves() {
    for sender_closes in [true, false] {
        let (mut peer, other) = tokio::io::duplex(64);
        let server = WebSocket::new(other, Role::Server, Config::default());
        let (mut sender, mut receiver) = server.split();
        let long = vec![b'x'; 250_000];
        assert!(poll_once(sender.send(Message::binary(long.clone()))).is_pending());
        // 1001, masked with nothing.
        peer.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.expect("room");
        assert!(receiver.recv().await.expect("a Close").expect("well").is_close());
        sender.say(|outgoing| outgoing.text("fed")).expect("open");
        if sender_closes {
            sender.say(|outgoing| outgoing.close(None)).expect("open");
        }
        let server = tokio::spawn(all(reunite((sender, receiver))));
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.expect("an end");
        let close: &[u8] = if sender_closes { b"\x88\0" } else { b"\x88\x02\x03\xe9" };
        let (payload, behind) = heard.split_at(10).1.split_at(long.len());
        assert!(payload == long);
        assert_eq!(behind, [b"\x81\x03fed", close].concat());
        drop(peer);
        assert_eq!(server.await.expect("no panic"), []);
    }
}

/// A Close frame of the receiver's that has left has nothing behind it.
#[tokio::test]
async fn nothing_follows_a_close_that_has_left() {
    let (mut peer, server) = beside_bytes(Config::default());
    let (mut sender, mut receiver) = server.split();
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.expect("room");
    sender.feed("fed".into()).await.expect("open");
    assert!(receiver.recv().await.expect("a Close").expect("well").is_close());
    let server = tokio::spawn(all(reunite((sender, receiver))));
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.expect("an end");
    assert_eq!(heard, b"\x88\x02\x03\xe9");
    drop(peer);
    assert_eq!(server.await.expect("no panic"), []);
}

/// Halves of a connection that is over make a socket that is.
#[tokio::test]
async fn an_end_stays_one() {
    let (mut client, server) = pair(Config::default());
    let (mut sender, mut receiver) = server.split();
    let closing = tokio::spawn(async move { client.close(None).await });
    while receiver.recv().await.is_some() {}
    closing.await.expect("no panic").expect("in order");
    let _ = sender.feed("late".into()).await;
    let mut server = reunite((sender, receiver));
    assert!(server.recv().await.is_none() && !server.is_open());
    assert_eq!(server.closed().expect("closed").code, CloseCode::NO_STATUS);
    assert!(server.get_ref().is_none());
}

/// The ping was sent by a half, and its pong is the socket's to wait for.
#[tokio::test(start_paused = true)]
async fn deadlines_go_on() {
    let mut config = Config::default();
    config.ping_after = Some(Duration::from_secs(10));
    config.pong_within = Duration::from_secs(30);
    let (mut peer, server) = beside_bytes(config);
    let began = Instant::now();
    let (sender, mut receiver) = server.split();
    let mut ping = [0; 10];
    tokio::select! {
        _ = receiver.recv() => panic!("nothing comes"),
        read = peer.read_exact(&mut ping) => { read.expect("a ping"); }
    }
    let mut server = reunite((sender, receiver));
    assert!(matches!(server.recv().await, Some(Err(Error::TimedOut(_)))));
    let took = began.elapsed().as_secs_f64();
    assert!((38.0..41.0).contains(&took), "{took}");
}

#[tokio::test]
async fn halves_of_a_tcp_socket_are_reunited_again_and_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let mut client = WebSocket::new(client.expect("connected"), Role::Client, Config::default());
    let (server, _) = server.expect("connected");
    let mut server = WebSocket::new(server, Role::Server, Config::default());
    for number in 0..10 {
        let (mut sender, mut receiver) = server.into_split();
        client.send(Message::text(format!("{number}"))).await.expect("open");
        let message = receiver.recv().await.expect("open").expect("well");
        sender.feed(message).await.expect("open");
        server = receiver.reunite(sender).expect("they belong together");
        server.flush().await.expect("open");
        let heard = client.recv().await.expect("open").expect("well");
        assert_eq!(heard, Message::text(format!("{number}")));
    }
    let server = tokio::spawn(async move { while server.recv().await.is_some() {} });
    client.close(None).await.expect("in order");
    server.await.expect("no panic");
}

/// What the sender has sent stands in the peer's window, which the socket's own deflater does not know.
#[cfg(feature = "deflate")]
#[tokio::test]
async fn compression_refers_to_nothing_that_a_half_has_sent() {
    let (client, server) = deflating().await;
    let client = tokio::spawn(all(client));
    let words = |seed: u64| {
        let mut random = crate::wire::Random(seed);
        let numbers = (0..200).map(|_| format!("{:x} ", random.next()));
        Message::text(numbers.collect::<String>())
    };
    let said: Vec<_> = [1, 2, 3, 1, 2].map(words).into();
    let mut server = server;
    server.send(said[0].clone()).await.expect("open");
    let (mut sender, receiver) = server.split();
    sender.send(said[1].clone()).await.expect("open");
    sender.send(said[2].clone()).await.expect("open");
    let mut server = reunite((sender, receiver));
    server.send(said[3].clone()).await.expect("open");
    server.send(said[4].clone()).await.expect("open");
    server.close(None).await.expect("in order");
    let heard = client.await.expect("no panic");
    assert_eq!(heard[..5], said);
}

#[cfg(feature = "deflate")]
async fn deflating() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let mut config = Config::default();
    let mut deflate = sockeye_tokio::DeflateConfig::default();
    deflate.keeps_own_context = true;
    deflate.keeps_peer_context = true;
    config.deflate = Some(deflate);
    let (one, other) = tokio::io::duplex(64 * 1024);
    let acceptor = sockeye_tokio::Acceptor::new().config(config.clone());
    let client = sockeye_tokio::Client::new("ws://localhost/").config(config);
    let (client, server) = tokio::join!(client.connect_over(one), acceptor.accept(other));
    (client.expect("it opens"), server.expect("it opens"))
}
