//! Conversations over duplex streams, TCP and Unix sockets.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use sockeye_tokio::{
    Bytes, ClientStream, CloseCode, CloseFrame, Config, Error, Message, Prepared, Role, SendError,
    WebSocket,
};
use tokio::io::{AsyncRead, AsyncWrite, BufStream, DuplexStream};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

/// Sockets, their halves and their futures go from thread to thread.
#[test]
fn all_of_it_may_change_its_thread() {
    fn check<T: Send + Sync + Unpin>(value: T) -> T {
        value
    }
    fn sent<T: Send>(_: T) {}
    let (client, server) = pair(Config::default());
    let (mut client, server) = (check(client), check(server));
    sent(client.recv());
    sent(client.recv_each(|_, _| Ok(())));
    sent(client.recv_borrowed(|_, _| ()));
    sent(client.send("a".into()));
    sent(client.close(None));
    let (sender, receiver) = server.split();
    let (mut sender, mut receiver) = (check(sender), check(receiver));
    sent(receiver.recv());
    sent(sender.send("a".into()));
    let (one, other) = tokio::io::duplex(64);
    sent(sockeye_tokio::accept(one));
    sent(sockeye_tokio::Client::new("ws://localhost/").connect_over(other));
    sent(sockeye_tokio::connect("ws://localhost/"));
}

/// Two ends in memory.
pub(crate) fn pair(config: Config) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let client = WebSocket::new(one, Role::Client, config.clone());
    (client, WebSocket::new(other, Role::Server, config))
}

/// Sends everything back until the end.
pub(crate) async fn echo<S>(mut socket: WebSocket<S>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.recv().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.feed(message).await?;
        }
    }
    Ok(())
}

/// Says things of all sizes, hears them, closes.
async fn converse<S>(socket: &mut WebSocket<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for len in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let text = Message::text("é".repeat(len / 2));
        let binary = Message::binary(vec![b'x'; len]);
        for message in [text, binary] {
            socket.send(message.clone()).await.expect("the connection is open");
            assert_eq!(socket.recv().await.expect("open").expect("well"), message);
        }
    }
    socket.send(Message::Ping(Bytes::from_static(b"1"))).await.expect("open");
    assert_eq!(socket.recv().await.expect("open").expect("well"), Message::Pong("1".into()));
    socket.close(Some(CloseFrame::new(CloseCode::NORMAL, "done"))).await.expect("in order");
    let closed = socket.closed().expect("it is closed");
    assert!(closed.clean && closed.code == CloseCode::NORMAL);
    assert!(socket.recv().await.is_none());
    assert!(socket.get_ref().is_none(), "the transport was ended");
}

#[tokio::test]
async fn over_a_duplex_stream() {
    let (mut client, server) = pair(Config::default());
    let server = tokio::spawn(echo(server));
    converse(&mut client).await;
    server.await.expect("no panic").expect("in order");
}

/// What the transport itself holds back is flushed as well.
#[tokio::test]
async fn over_a_transport_that_buffers() {
    let (one, other) = tokio::io::duplex(64 * 1024);
    let server = WebSocket::new(BufStream::new(other), Role::Server, Config::default());
    let server = tokio::spawn(echo(server));
    let mut client = WebSocket::new(BufStream::new(one), Role::Client, Config::default());
    converse(&mut client).await;
    server.await.expect("no panic").expect("in order");
}

#[tokio::test]
async fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        echo(sockeye_tokio::accept(stream).await?).await
    });
    let mut client: WebSocket<ClientStream> =
        sockeye_tokio::connect(&format!("ws://{address}/echo")).await.expect("a connection");
    converse(&mut client).await;
    server.await.expect("no panic").expect("in order");
}

#[cfg(unix)]
#[tokio::test]
async fn over_a_unix_socket() {
    let name = format!("sockeye-tokio-{}.socket", std::process::id());
    let path = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        echo(sockeye_tokio::accept(stream).await?).await
    });
    let client = sockeye_tokio::Client::new("ws://localhost/echo");
    let mut client = client.connect_unix(&path).await.expect("a connection");
    converse(&mut client).await;
    server.await.expect("no panic").expect("in order");
    let _ = std::fs::remove_file(&path);
}

#[tokio::test]
async fn as_a_stream_and_a_sink() {
    let (client, server) = pair(Config::default());
    let server = tokio::spawn(async move {
        let (mut sink, mut stream) = StreamExt::split(server);
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() && sink.send(message).await.is_err() {
                break;
            }
        }
    });
    let (mut sink, stream) = StreamExt::split(client);
    let messages: Vec<_> = (0..100).map(|number| Message::text(number.to_string())).collect();
    let sent = messages.clone();
    let sender = tokio::spawn(async move {
        let mut sent = futures_util::stream::iter(sent.into_iter().map(Ok));
        sink.send_all(&mut sent).await.expect("it is open");
        sink
    });
    let mut stream = stream;
    for message in messages {
        assert_eq!(stream.next().await.expect("open").expect("well"), message);
    }
    let mut sink = sender.await.expect("no panic");
    sink.close().await.expect("it leaves");
    let last = stream.next().await.expect("the answer").expect("well");
    assert_eq!(last, Message::Close(Some(CloseFrame::new(CloseCode::NORMAL, ""))));
    assert!(stream.next().await.is_none());
    server.await.expect("no panic");
}

/// A sink and a stream of one socket, in two tasks, over a transport that holds little: both wait
/// for room at times, and neither is forgotten.
#[tokio::test]
async fn two_tasks_may_wait_for_the_same_transport() {
    let (one, other) = tokio::io::duplex(64);
    let mut config = Config::default();
    config.control_rate_max = u32::MAX;
    let client = WebSocket::new(one, Role::Client, config.clone());
    let server = WebSocket::new(other, Role::Server, config);
    let barrier = Arc::new(Barrier::new(2));
    let run = |socket: WebSocket<DuplexStream>, barrier: Arc<Barrier>| async move {
        let (mut sink, mut stream) = StreamExt::split(socket);
        let sender = tokio::spawn(async move {
            for number in 0..300 {
                let ping = Message::Ping(vec![0; 100].into());
                sink.feed(ping).await.expect("it is open");
                let text = Message::text(format!("{number:>200}"));
                sink.send(text).await.expect("it is open");
            }
            barrier.wait().await;
            // The other one may have closed a moment before.
            let _ = sink.close().await;
        });
        let mut texts = 0;
        while let Some(received) = stream.next().await {
            texts += usize::from(received.expect("well").is_text());
        }
        assert_eq!(texts, 300);
        sender.await.expect("no panic");
    };
    let within = std::time::Duration::from_secs(60);
    let both = tokio::time::timeout(within, async {
        tokio::join!(run(client, barrier.clone()), run(server, barrier))
    });
    both.await.expect("nobody waits for ever");
}

#[tokio::test]
async fn a_prepared_message_for_many() {
    let prepared = Prepared::text("to everyone");
    for _ in 0..3 {
        let (mut client, mut server) = pair(Config::default());
        server.send_prepared(&prepared).await.expect("open");
        client.send_prepared(&prepared).await.expect("open");
        for socket in [&mut client, &mut server] {
            let received = socket.recv().await.expect("open").expect("well");
            assert_eq!(received, Message::text("to everyone"));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_sent_changes_nothing() {
    let (mut client, mut server) = pair(Config::default());
    let table = [
        (Message::Ping(vec![0; 126].into()), SendError::ControlTooLong),
        (
            Message::Close(Some(CloseFrame::new(CloseCode::NORMAL, "x".repeat(124)))),
            SendError::ReasonTooLong,
        ),
        (Message::Close(Some(CloseFrame::new(999_u16, ""))), SendError::IllegalCloseCode),
    ];
    for (message, expected) in table {
        match client.send(message).await {
            Err(Error::Send(error)) => assert_eq!(error, expected),
            other => panic!("{other:?} instead of {expected:?}"),
        }
    }
    client.send("still open".into()).await.expect("open");
    let received = server.recv().await.expect("open").expect("well");
    assert_eq!(received, Message::text("still open"));
}

#[tokio::test]
async fn one_event_where_it_lies_and_answered_there() {
    let (mut client, mut server) = pair(Config::default());
    client.feed("one".into()).await.expect("open");
    client.send("two".into()).await.expect("open");
    for expected in ["one", "two"] {
        let len = server.recv_borrowed(|event, outgoing| {
            let sockeye_tokio::Event::Text(text) = event else { panic!("a text was sent") };
            assert_eq!(&*text, expected);
            outgoing.text(&text.to_uppercase()).expect("open");
            text.len()
        });
        assert_eq!(len.await.expect("open").expect("well"), 3);
    }
    server.flush().await.expect("it leaves");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("ONE"));
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("TWO"));
}
