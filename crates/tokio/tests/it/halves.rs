//! Sockets in two halves.

use std::time::Duration;

use sockeye_tokio::{CloseCode, CloseFrame, Config, Error, Message, Role, SendError, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};

#[cfg(feature = "deflate")]
use crate::talking::echo;
use crate::talking::pair;

/// Sends `count` texts and pings through one half while the other one receives; both ends do.
macro_rules! both_ways {
    ($split:ident, $socket:expr, $count:expr) => {{
        let (mut sender, mut receiver) = $socket.$split();
        let sending = tokio::spawn(async move {
            for number in 0..$count {
                sender.feed(Message::Ping(vec![0; 100].into())).await.expect("open");
                sender.feed(Message::text(format!("{number:>200}"))).await.expect("open");
                if number % 7 == 0 {
                    sender.flush().await.expect("open");
                }
            }
            sender.feed(Message::text("done")).await.expect("open");
            sender.flush().await.expect("open");
            sender
        });
        tokio::spawn(async move {
            let (mut next, mut pongs) = (0, 0);
            loop {
                match receiver.recv().await.expect("open").expect("well") {
                    Message::Text(text) if text == "done" => break,
                    Message::Text(text) => {
                        assert_eq!(text, format!("{next:>200}"));
                        next += 1;
                    }
                    Message::Pong(_) => pongs += 1,
                    _ => {}
                }
            }
            assert_eq!(next, $count);
            // The other end may still send pongs, and wait for them to leave.
            let mut sending = sending;
            let sender = loop {
                tokio::select! {
                    sender = &mut sending => break sender.expect("no panic"),
                    _ = receiver.recv() => pongs += 1,
                }
            };
            assert!(pongs > 0);
            (sender, receiver)
        })
    }};
}

fn busy() -> Config {
    let mut config = Config::default();
    config.control_rate_max = u32::MAX;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_at_once_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let client = WebSocket::new(client.expect("connected"), Role::Client, busy());
    let server = WebSocket::new(server.expect("connected").0, Role::Server, busy());
    let one = both_ways!(into_split, client, 5000);
    let other = both_ways!(into_split, server, 5000);
    let ((mut sender, mut receiver), (_far_sender, mut far)) =
        (one.await.expect("no panic"), other.await.expect("no panic"));
    sender.close(Some(CloseFrame::new(CloseCode::NORMAL, "done"))).await.expect("open");
    let far = tokio::spawn(async move { while far.recv().await.is_some() {} });
    while receiver.recv().await.is_some() {}
    far.await.expect("no panic");
    assert!(receiver.closed().expect("closed").clean);
}

/// The transport holds less than a message: both halves wait for it, and neither is forgotten.
#[tokio::test]
async fn both_directions_at_once_through_a_bottleneck() {
    let (one, other) = tokio::io::duplex(64);
    let client = WebSocket::new(one, Role::Client, busy());
    let server = WebSocket::new(other, Role::Server, busy());
    let one = both_ways!(split, client, 500);
    let other = both_ways!(split, server, 500);
    let both = async { (one.await.expect("no panic"), other.await.expect("no panic")) };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("nobody waits for ever");
}

/// A ping is answered while the sender is not polled at all.
#[tokio::test]
async fn pongs_leave_without_the_sender() {
    let (mut client, server) = pair(Config::default());
    let (sender, mut receiver) = server.split();
    let receiving = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    client.send(Message::Ping("1".into())).await.expect("open");
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::Pong("1".into()));
    client.close(None).await.expect("in order");
    receiving.await.expect("no panic");
    assert!(!sender.is_open());
}

/// What was fed before the socket was split leaves first.
#[tokio::test]
async fn the_order_is_kept_across_the_split() {
    let (mut client, mut server) = pair(Config::default());
    server.feed("1".into()).await.expect("open");
    let (mut sender, _receiver) = server.split();
    sender.feed("2".into()).await.expect("open");
    sender.say(|outgoing| outgoing.text("3")).expect("open");
    sender.flush().await.expect("open");
    for expected in ["1", "2", "3"] {
        assert_eq!(client.recv().await.expect("open").expect("well"), Message::text(expected));
    }
}

/// Nothing was read and nothing more will come: the sender's Close wakes the receiver, which keeps
/// the deadline.
#[tokio::test(start_paused = true)]
async fn a_sender_s_close_is_bounded_by_the_receiver() {
    let (_peer, stream) = tokio::io::duplex(1024);
    let server = WebSocket::new(stream, Role::Server, Config::default());
    let (mut sender, mut receiver) = server.split();
    let receiving = tokio::spawn(async move { receiver.recv().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    sender.close(None).await.expect("open");
    let received = receiving.await.expect("no panic");
    assert!(matches!(received, Some(Err(Error::TimedOut(_)))), "{received:?}");
    assert!(began.elapsed() < Duration::from_millis(5100));
    assert!(matches!(sender.send("?".into()).await, Err(error) if error.is_closed()));
}

/// Each has said more than the transport holds before its Close frame, and each is heard whole.
#[tokio::test(start_paused = true)]
async fn both_close_behind_much_that_waits() {
    async fn speak(socket: WebSocket<DuplexStream>) -> Vec<Message> {
        let (mut sender, mut receiver) = socket.split();
        let say = async {
            sender.feed(Message::binary(vec![1; 500_000])).await.expect("open");
            sender.close(None).await.expect("the other one reads");
        };
        let hear = async {
            let mut heard = Vec::new();
            while let Some(received) = receiver.recv().await {
                heard.push(received.expect("in order"));
            }
            heard
        };
        tokio::join!(say, hear).1
    }
    let (client, server) = pair(Config::default());
    let (one, other) = tokio::join!(speak(client), speak(server));
    let expected = [Message::binary(vec![1; 500_000]), Message::Close(None)];
    assert!(one == expected && other == expected);
}

#[tokio::test]
async fn after_the_peer_s_close_nothing_is_sent() {
    let (mut client, server) = pair(Config::default());
    let (mut sender, mut receiver) = server.split();
    sender.feed("never flushed".into()).await.expect("open");
    client.send(Message::Close(None)).await.expect("open");
    assert_eq!(receiver.recv().await.expect("open").expect("well"), Message::Close(None));
    assert!(!sender.is_open());
    for result in [sender.flush().await, sender.feed("behind".into()).await] {
        assert!(matches!(result, Err(Error::Send(SendError::NotOpen))), "{result:?}");
    }
    let (answer, end) = tokio::join!(client.recv(), receiver.recv());
    assert_eq!(answer.expect("the answer").expect("well"), Message::Close(None));
    assert!(client.recv().await.is_none() && end.is_none());
}

/// Both Close at the same time: each sends one Close frame and nothing behind it.
#[tokio::test]
async fn cls_10_two_closes_that_cross() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let server = WebSocket::new(stream, Role::Server, Config::default());
    let (mut sender, mut receiver) = server.split();
    peer.write_all(b"\x89\x80\0\0\0\0\x88\x82\0\0\0\0\x03\xe8").await.expect("room");
    sender.close(Some(CloseFrame::new(CloseCode::GOING_AWAY, ""))).await.expect("open");
    assert!(receiver.recv().await.expect("open").expect("well").is_ping());
    assert!(receiver.recv().await.expect("open").expect("well").is_close());
    drop((sender, receiver));
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said, b"\x88\x02\x03\xe9");
}

/// Whichever half is dropped last says goodbye, behind what was fed.
#[tokio::test]
async fn the_last_half_says_goodbye() {
    for receiver_is_last in [false, true] {
        let (mut peer, stream) = tokio::io::duplex(1024);
        let server = WebSocket::new(stream, Role::Server, Config::default());
        let (mut sender, receiver) = server.split();
        sender.feed("last words".into()).await.expect("open");
        if receiver_is_last {
            drop(sender);
            drop(receiver);
        } else {
            drop(receiver);
            drop(sender);
        }
        let mut said = Vec::new();
        peer.read_to_end(&mut said).await.expect("all of it");
        assert_eq!(said, b"\x81\x0alast words\x88\x02\x03\xe8", "{receiver_is_last}");
    }
}

/// What a sender leaves behind, the receiver writes.
#[tokio::test]
async fn what_a_dropped_sender_has_fed_still_leaves() {
    let (one, other) = tokio::io::duplex(64);
    let mut client = WebSocket::new(one, Role::Client, Config::default());
    let server = WebSocket::new(other, Role::Server, Config::default());
    let (mut sender, mut receiver) = server.split();
    let receiving = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    tokio::task::yield_now().await;
    for number in 0..20 {
        sender.feed(Message::text(format!("{number:>1000}"))).await.expect("open");
    }
    drop(sender);
    for number in 0..20 {
        let received = client.recv().await.expect("open").expect("well");
        assert_eq!(received, Message::text(format!("{number:>1000}")));
    }
    client.close(None).await.expect("in order");
    receiving.await.expect("no panic");
}

/// Nothing follows a Close frame that a sender has left behind, and the receiver knows of it.
#[tokio::test(start_paused = true)]
async fn a_dropped_sender_s_close_is_the_last_frame() {
    let (mut peer, stream) = tokio::io::duplex(100);
    let mut config = Config::default();
    config.outbox_high_mark = 1000;
    let (mut sender, mut receiver) = WebSocket::new(stream, Role::Server, config).split();
    let receiving = tokio::spawn(async move {
        let mut received = 0;
        while receiver.recv().await.is_some_and(|message| message.is_ok()) {
            received += 1;
        }
        (received, receiver.closed().cloned())
    });
    // More than the transport and the pen take, and a Close behind it.
    let long = sender.send(Message::binary(vec![7; 5000]));
    assert!(tokio::time::timeout(Duration::from_secs(1), long).await.is_err());
    let close = sender.close(Some(CloseFrame::new(CloseCode::GOING_AWAY, "")));
    assert!(tokio::time::timeout(Duration::from_secs(1), close).await.is_err());
    drop(sender);
    peer.write_all(b"\x89\x81\0\0\0\0p\x88\x82\0\0\0\0\x03\xe8").await.expect("room");
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert!(said.ends_with(b"\x07\x07\x88\x02\x03\xe9"), "{:x?}", &said[4990..]);
    let (received, closed) = receiving.await.expect("no panic");
    assert_eq!((received, closed.map(|closed| closed.clean)), (2, Some(true)));
}

/// A peer that asks much and reads nothing makes nothing grow.
#[tokio::test]
async fn a_flood_of_pings_is_not_answered_without_bound() {
    let (mut peer, stream) = tokio::io::duplex(1024);
    let server = WebSocket::new(stream, Role::Server, busy());
    let (mut sender, mut receiver) = server.split();
    let receiving = tokio::spawn(async move { while let Some(Ok(_)) = receiver.recv().await {} });
    let ping = [&b"\x89\xfd\0\0\0\0"[..], &[b'x'; 125]].concat();
    for _ in 0..5000 {
        peer.write_all(&ping).await.expect("the server reads");
    }
    // 5000 pongs would be 635 kB: all that waits is what the marks allow.
    sender.feed("behind".into()).await.expect("open");
    let mut said = Vec::new();
    let flushing = tokio::spawn(async move {
        // Pongs may come behind it, which nobody reads any more.
        let _ = sender.flush().await;
    });
    while !said.windows(6).any(|window| window == b"behind") {
        peer.read_buf(&mut said).await.expect("more");
    }
    assert!(said.len() < 300_000, "{}", said.len());
    drop(peer);
    flushing.await.expect("no panic");
    receiving.await.expect("no panic");
}

/// With compression and contexts on both sides, before and behind the split.
#[cfg(feature = "deflate")]
#[tokio::test]
async fn compression_goes_on_behind_the_split() {
    let mut deflate = sockeye_tokio::DeflateConfig::default();
    deflate.keeps_own_context = true;
    deflate.keeps_peer_context = true;
    deflate.payload_bytes_min = 0;
    let mut config = Config::default();
    config.deflate = Some(deflate);
    let (one, other) = tokio::io::duplex(64 * 1024);
    let acceptor = sockeye_tokio::Acceptor::new().config(config.clone());
    let client = sockeye_tokio::Client::new("ws://localhost/").config(config).connect_over(one);
    let (client, server) = tokio::join!(client, acceptor.accept(other));
    let (mut client, server) = (client.expect("open"), server.expect("open"));
    let server = tokio::spawn(echo(server));
    let text = |number: usize| Message::text(format!("{number} again and again ").repeat(50));
    for number in 0..5 {
        client.send(text(number)).await.expect("open");
        assert_eq!(client.recv().await.expect("open").expect("well"), text(number));
    }
    let (mut sender, mut receiver) = client.split();
    for number in 3..10 {
        sender.send(text(number)).await.expect("open");
        assert_eq!(receiver.recv().await.expect("open").expect("well"), text(number));
    }
    sender.close(None).await.expect("open");
    while receiver.recv().await.is_some() {}
    server.await.expect("no panic").expect("in order");
}
