//! Queues with a limit, on both sides.

use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{Error, Server, Socket};

use crate::support::{close_frame, describe, logged};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn ten_thousand_messages_in_one_write_never_exceed_the_inbox() {
    let (mut server, client, log) = logged(async |mut socket, log| {
        loop {
            sockeye::sleep(SECOND).await;
            assert!(socket.inbox_len() <= 64);
            log.note(socket.recv().await?.to_string());
        }
    });
    let mut stream = Vec::new();
    for number in 0..10_000_u32 {
        stream.extend(crate::support::frame(0x81, number.to_string().as_bytes()));
    }
    client.wire().write(&stream);
    server.advance(SECOND * 10_001);
    let noted = log.take();
    let expected: Vec<String> = (0..10_000).map(|number: u32| number.to_string()).collect();
    assert!(noted == expected, "{} messages came", noted.len());
}

#[test]
fn an_inbox_is_bounded_in_bytes_as_well_and_then_the_transport_pushes_back() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        sockeye::sleep(SECOND).await;
        log.note(format!("{} waiting", socket.inbox_len()));
        while let Ok(message) = socket.recv_timeout(SECOND).await {
            log.note(message.len().to_string());
        }
        Ok(())
    });
    let payload = vec![7; 100_000];
    for _ in 0..20 {
        client.send_binary(&payload);
    }
    server.settle();
    assert!(client.wire().unread() > 1_000_000, "the rest stays in the transport");
    server.advance(SECOND * 3);
    let noted = log.take();
    assert_eq!(noted[0], "3 waiting", "two are below 256 KiB, the third is above it");
    assert_eq!(noted[1..], vec!["100000"; 20]);
}

#[test]
fn pings_are_answered_and_a_close_is_noticed_while_the_route_does_something_else() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        let closed = socket.closed();
        sockeye::spawn(async { sockeye::sleep(SECOND * 60).await });
        log.note(describe(&closed.await.into()));
        Ok(())
    });
    for _ in 0..63 {
        client.send_text("unread");
    }
    client.send_ping(b"alive?");
    server.settle();
    assert_eq!(client.receive(), Some(Received::Pong(b"alive?".to_vec())));
    client.send_close(None, "");
    server.settle();
    assert_eq!(log.take(), ["closed 1005 \"\" by Peer"]);
}

#[test]
fn a_full_inbox_declares_no_live_peer_dead_but_does_not_last_for_ever() {
    let (mut server, mut client, _log) = logged(async |socket, _| {
        let _socket = socket;
        std::future::pending().await
    });
    for _ in 0..200 {
        client.send_text("unread");
    }
    server.advance(SECOND * 290);
    assert!(!client.rest().iter().any(|received| matches!(received, Received::Close(..))));
    server.advance(SECOND * 15);
    assert!(client.rest().contains(&close_frame(1008)));
}

#[test]
fn a_sender_waits_for_a_peer_that_does_not_read() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        for number in 0..100 {
            let text = format!("{number:05}{}", "x".repeat(65_000));
            socket.send_text(&text).await?;
            assert!(socket.outstanding() <= 1 << 20);
            log.note(number.to_string());
        }
        Ok(())
    });
    client.wire().set_window(0);
    server.settle();
    let sent = log.take().len();
    assert!((10..40).contains(&sent), "{sent} messages fit into the outbox and the transport");
    client.wire().set_window(1 << 20);
    let mut texts = Vec::new();
    while texts.len() < 100 {
        server.settle();
        let before = texts.len();
        texts.extend(client.texts());
        assert!(texts.len() > before, "it goes on as fast as it is read");
    }
    for (number, text) in texts.iter().enumerate() {
        assert!(text.starts_with(&format!("{number:05}")));
    }
    assert_eq!(log.take().len() + sent, 100);
}

#[test]
fn messages_of_any_size_wait_for_the_room_that_they_need() {
    let sizes = [400_000, 700_000, 1 << 20, 3 << 20, 1, 900_000, 200_000];
    let (mut server, mut client, log) = logged(async move |mut socket, log| {
        socket.recv().await?;
        for size in sizes {
            socket.send_binary(vec![7; size]).await?;
            log.note(size.to_string());
        }
        Ok(())
    });
    client.wire().set_window(0);
    client.send_text("go");
    server.settle();
    assert_eq!(log.take(), ["400000"], "the second one would exceed 1 MiB");
    client.wire().set_window(50_000);
    let mut received = Vec::new();
    while received.len() < sizes.len() {
        server.advance(Duration::from_millis(1));
        received.extend(client.rest().into_iter().filter_map(|received| match received {
            Received::Binary(bytes) => Some(bytes.len()),
            _ => None,
        }));
    }
    assert_eq!(received, sizes);
}

#[test]
fn try_send_says_full_and_sends_nothing() {
    let (mut server, client, log) = logged(async |socket, log| {
        sockeye::sleep(SECOND).await;
        let mut sent = 0;
        loop {
            match socket.try_send("x".repeat(100_000)) {
                Ok(()) => sent += 1,
                Err(Error::Full) => break,
                Err(error) => return Err(error),
            }
        }
        log.note(sent.to_string());
        std::future::pending().await
    });
    client.wire().set_window(0);
    server.advance(SECOND);
    assert_eq!(log.take(), ["10"], "1 MiB, with the headers");
    assert_eq!(server.stats().connections, 1);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_after_thirty_seconds_and_the_sender_is_told() {
    let (mut server, client, log) = logged(async |socket, log| {
        let error = loop {
            if let Err(error) = socket.send_text(&"x".repeat(100_000)).await {
                break error;
            }
        };
        log.note(describe(&error));
        Err(error)
    });
    client.wire().set_window(0);
    server.advance(SECOND * 29);
    assert!(log.take().is_empty());
    server.advance(SECOND * 3);
    assert_eq!(log.take(), ["closed 1006 \"\" by Local, not clean"]);
}

#[test]
fn one_who_does_not_read_does_not_slow_the_others() {
    let builder = Server::builder().route("/", async |mut socket: Socket| {
        loop {
            let message = socket.recv().await?;
            for _ in 0..1_000 {
                socket.send_text(message.as_text().unwrap_or_default()).await?;
            }
        }
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut deaf = server.connect("/");
    deaf.wire().set_window(0);
    deaf.send_text(&"x".repeat(10_000));
    let mut other = server.connect("/");
    other.send_text("y");
    server.settle();
    assert_eq!(other.texts().len(), 1_000);
}

#[test]
fn a_socket_without_its_receiving_half_sends_on_and_is_still_alive() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        sockeye::sleep(SECOND).await;
        let (sender, receiver) = socket.split();
        // The inbox is full by now, and reading is paused.
        drop(receiver);
        while sender.sleep(SECOND * 60).await.is_ok() {
            sender.send_text("tick").await?;
        }
        log.note(describe(&sender.closed().await.into()));
        Ok(())
    });
    for _ in 0..1_000 {
        client.send_text("to nobody");
    }
    let mut ticks = 0;
    for _ in 0..61 {
        server.advance(SECOND * 10);
        client.send_text("to nobody");
        ticks += client.texts().len();
    }
    server.settle();
    assert_eq!((ticks, client.wire().unread()), (10, 0));
    client.send_close(None, "");
    server.settle();
    assert_eq!(log.take(), ["closed 1005 \"\" by Peer"]);
}
