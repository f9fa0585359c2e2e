//! Ends: bounded, told, and heard by the peer. Time is tokio's paused clock.

use std::time::Duration;

use sockeye_tokio::{
    CloseCode, CloseFrame, Config, Error, Initiator, Message, Role, Violation, WebSocket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::talking::pair;

/// A server, and a peer that speaks in bytes.
pub(crate) fn beside_bytes(config: Config) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (one, other) = tokio::io::duplex(64 * 1024);
    (one, WebSocket::new(other, Role::Server, config))
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_is_bounded() {
    let (_peer, mut server) = beside_bytes(Config::default());
    let began = Instant::now();
    match server.close(Some(CloseFrame::new(CloseCode::NORMAL, ""))).await {
        Err(Error::TimedOut(_)) => {}
        other => panic!("{other:?}"),
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_millis(5100), "{took:?}");
    assert!(server.recv().await.is_none());
    assert!(!server.closed().expect("closed").clean);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_and_stays_is_left_after_the_deadline() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    // A masked Close with 1000, sent before it is asked for.
    peer.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.expect("room");
    let began = Instant::now();
    server.close(None).await.expect("the handshake was done");
    assert!(began.elapsed() < Duration::from_millis(5100));
    assert!(server.closed().expect("closed").clean);
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said, b"\x88\x00");
}

/// Each has said more than the transport holds, and what the other one says is discarded: neither
/// waits for the other one to read first.
#[tokio::test(start_paused = true)]
async fn two_that_close_behind_much_that_waits_do_not_wait_for_each_other() {
    let (mut client, mut server) = pair(Config::default());
    client.feed(Message::binary(vec![1; 300_000])).await.expect("open");
    server.feed(Message::binary(vec![2; 300_000])).await.expect("open");
    let began = Instant::now();
    let (one, other) = tokio::join!(client.close(None), server.close(None));
    one.expect("in order");
    other.expect("in order");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_given_up() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    let began = Instant::now();
    let received = server.recv().await.expect("the error");
    assert!(matches!(received, Err(Error::TimedOut(_))), "{received:?}");
    let took = began.elapsed();
    // A ping after 20 s, early by up to a sixteenth, and 20 s for its pong.
    assert!(
        took > Duration::from_millis(38_700) && took < Duration::from_millis(40_100),
        "{took:?}"
    );
    assert!(server.recv().await.is_none());
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said[..2], [0x89, 8], "a ping and nothing else");
    assert_eq!(said.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn peers_that_answer_stay_for_hours() {
    let (mut client, mut server) = pair(Config::default());
    let client = tokio::spawn(async move {
        while let Some(message) = client.recv().await {
            message?;
        }
        Ok::<(), Error>(())
    });
    let hours = Duration::from_secs(3 * 3600);
    let mut pongs = 0;
    let watch = async {
        while let Some(message) = server.recv().await {
            assert!(matches!(message.expect("well"), Message::Pong(_) | Message::Ping(_)));
            pongs += 1;
        }
    };
    assert!(tokio::time::timeout(hours, watch).await.is_err(), "it stays open");
    assert!(pongs > 500, "{pongs}");
    assert!(server.round_trip().is_some());
    server.close(None).await.expect("in order");
    client.await.expect("no panic").expect("in order");
}

/// Whoever is busy for a minute between two receives does not hold that against the peer.
#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_receives_is_not_the_peer_s() {
    let (mut client, mut server) = pair(Config::default());
    for _ in 0..5 {
        client.send("a".into()).await.expect("open");
        assert!(server.recv().await.expect("open").is_ok());
        tokio::time::sleep(Duration::from_secs(90)).await;
    }
    client.send("b".into()).await.expect("open");
    assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("b"));
    assert!(server.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_finished_ends_with_1008() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    peer.write_all(b"\x81\x85\0\0\0\0Hel").await.expect("room");
    let began = Instant::now();
    assert!(matches!(server.recv().await, Some(Err(Error::TimedOut(_)))));
    assert!(began.elapsed() < Duration::from_secs(31));
    drop(server);
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert!(said.ends_with(b"\x88\x02\x03\xf0"), "{said:x?}");
}

/// The peer hears why, even if the socket is dropped right behind the error.
#[tokio::test]
async fn a_violation_is_told_to_both() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    peer.write_all(b"\x81\x82\0\0\0\0ok\x81\x02no").await.expect("room");
    assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("ok"));
    match server.recv().await {
        Some(Err(Error::Protocol(error))) => assert_eq!(error.violation, Violation::Unmasked),
        other => panic!("{other:?}"),
    }
    drop(server);
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said, b"\x88\x02\x03\xea");
}

#[tokio::test]
async fn a_transport_that_ends_without_a_close_is_told_once() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    peer.write_all(b"\x81\x82\0\0\0\0ok").await.expect("room");
    drop(peer);
    assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("ok"));
    assert!(matches!(server.recv().await, Some(Err(Error::Interrupted))));
    assert!(server.recv().await.is_none());
    assert_eq!(server.closed().expect("closed").code, CloseCode::ABNORMAL);
    assert!(matches!(server.send("?".into()).await, Err(error) if error.is_closed()));
}

#[tokio::test]
async fn the_peer_s_close_is_received_answered_and_the_end() {
    let (mut client, mut server) = pair(Config::default());
    server.feed("before".into()).await.expect("open");
    let frame = CloseFrame::new(4321_u16, "enough");
    server.send(Message::Close(Some(frame.clone()))).await.expect("open");
    assert!(matches!(server.send("behind".into()).await, Err(error) if error.is_closed()));
    assert_eq!(client.recv().await.expect("open").expect("well"), Message::text("before"));
    let last = client.recv().await.expect("open").expect("well");
    assert_eq!(last, Message::Close(Some(frame)));
    let closed = client.closed().expect("closed");
    assert!(closed.clean && closed.by == Initiator::Peer && &*closed.reason == "enough");
    let rest = async { while server.recv().await.is_some() {} };
    let (next, ()) = tokio::join!(client.recv(), rest);
    assert!(next.is_none());
    assert_eq!(server.closed().expect("closed").by, Initiator::Local);
}

#[tokio::test]
async fn a_socket_that_is_dropped_says_goodbye() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    server.feed("last words".into()).await.expect("open");
    drop(server);
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said, b"\x81\x0alast words\x88\x02\x03\xe8");
}

/// A panic in a visitor ends the connection, and the peer hears of it.
#[tokio::test]
async fn a_visitor_s_panic_ends_with_1011() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    peer.write_all(b"\x81\x82\0\0\0\0ok").await.expect("room");
    let task = tokio::spawn(async move { server.recv_each(|_, _| panic!("as planned")).await });
    assert!(task.await.expect_err("it panics").is_panic());
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert_eq!(said, b"\x88\x02\x03\xf3");
}

#[tokio::test]
async fn into_inner_says_nothing() {
    let (mut peer, server) = beside_bytes(Config::default());
    drop(server.into_inner());
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.expect("all of it");
    assert!(said.is_empty());
}
