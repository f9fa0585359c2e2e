//! What a receive returns, and that it loses nothing.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sockeye::testing::{Conditions, TestServer};
use sockeye::{CloseCode, Error, Kind, Server, Socket};

use crate::support::{Log, describe, frame, logged, note_all, server};

const SECOND: Duration = Duration::from_secs(1);

async fn patient(mut socket: Socket, log: Log) -> Result<(), Error> {
    loop {
        match socket.recv_timeout(SECOND).await {
            Ok(message) => log.note(message.to_string()),
            Err(Error::Timeout) => log.note("timeout"),
            Err(error) => {
                log.note(describe(&error));
                return Ok(());
            }
        }
    }
}

#[test]
fn a_timeout_at_every_byte_offset_loses_nothing() {
    // Two messages, the first in three frames with a ping between them.
    let stream = [
        frame(0x01, "a ñ".as_bytes()),
        frame(0x89, b"p"),
        frame(0x00, b""),
        frame(0x80, b" b"),
        frame(0x81, b"next"),
    ]
    .concat();
    for cut in 0..=stream.len() {
        let (mut server, mut client, log) = logged(patient);
        client.wire().write(&stream[..cut]);
        server.advance(SECOND * 3);
        client.wire().write(&stream[cut..]);
        server.advance(SECOND / 2);
        let mut noted = log.take();
        let timeouts = noted.iter().filter(|line| *line == "timeout").count();
        assert!(timeouts >= 3, "cut at {cut}: {noted:?}");
        noted.retain(|line| line != "timeout");
        assert_eq!(noted, ["a ñ b", "next"], "cut at {cut}");
        client.send_close(Some(CloseCode::NORMAL), "");
        server.settle();
        assert_eq!(log.take(), ["closed 1000 \"\" by Peer"], "cut at {cut}");
    }
}

#[test]
fn a_million_small_cuts_lose_nothing_either() {
    for seed in 0..20 {
        let mut conditions = Conditions::default();
        conditions.seed = seed;
        conditions.read_bytes_max = Some(3);
        conditions.send_bytes_max = Some(5);
        let builder = Server::builder().route("/", async |mut socket: Socket| {
            loop {
                match socket.recv_timeout(Duration::from_millis(1)).await {
                    Ok(message) => socket.send(message).await?,
                    Err(Error::Timeout) => {}
                    Err(error) => return Err(error),
                }
            }
        });
        let mut server = TestServer::with_conditions(builder, conditions).expect("a valid route");
        let mut client = server.connect("/");
        let texts: Vec<String> =
            (0..50).map(|number| format!("{number} {}", "é".repeat(number))).collect();
        for text in &texts {
            client.send_text(text);
            server.advance(Duration::from_micros(1_300));
        }
        assert_eq!(client.texts(), texts, "seed {seed}");
    }
}

#[test]
fn a_timeout_of_zero_takes_what_is_there() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        loop {
            socket.sleep(SECOND).await?;
            while let Ok(message) = socket.recv_timeout(Duration::ZERO).await {
                log.note(message.to_string());
            }
            log.note(describe(&socket.try_recv().expect_err("nothing is left")));
        }
    });
    server.advance(SECOND);
    assert_eq!(log.take(), ["timeout"]);
    client.send_text("one");
    client.send_text("");
    server.advance(SECOND);
    assert_eq!(log.take(), ["one", "", "timeout"]);
}

#[test]
fn a_message_and_its_deadline_in_one_turn_the_message_wins() {
    let (mut server, mut client, log) = logged(patient);
    let mut conditions = Conditions::default();
    conditions.latency_to_callee = SECOND;
    server.network().set_conditions(conditions);
    client.send_text("on the dot");
    server.advance(SECOND);
    assert_eq!(log.take()[0], "on the dot");
}

#[test]
fn timeouts_are_told_on_time() {
    let (mut server, _client, log) = logged(patient);
    for _ in 0..5 {
        server.advance(SECOND - Duration::from_millis(1));
        assert!(log.take().is_empty());
        server.advance(Duration::from_millis(1));
        assert_eq!(log.take(), ["timeout"]);
    }
}

#[test]
fn a_dropped_receive_loses_nothing() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        loop {
            {
                // Polled once, and dropped while a message may be on its way.
                let mut receive = pin!(socket.recv());
                let polled =
                    std::future::poll_fn(|context| Poll::Ready(receive.as_mut().poll(context)))
                        .await;
                if let Poll::Ready(received) = polled {
                    log.note(received?.to_string());
                    continue;
                }
            }
            sockeye::sleep(Duration::from_millis(10)).await;
        }
    });
    let stream = [frame(0x81, b"one"), frame(0x82, b"two"), frame(0x81, b"three")].concat();
    for byte in stream {
        client.wire().write(&[byte]);
        server.advance(Duration::from_millis(7));
    }
    server.advance(SECOND);
    assert_eq!(log.take(), ["one", "(3 bytes)", "three"]);
    client.send_close(None, "");
}

#[test]
fn a_cancelled_receive_says_so_once_and_loses_nothing() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        let canceller = socket.canceller();
        sockeye::spawn(async move {
            sockeye::sleep(SECOND).await;
            canceller.cancel();
        });
        patient_forever(&mut socket, &log).await
    });
    server.advance(SECOND * 2);
    assert_eq!(log.take(), ["cancelled"]);
    client.send_text("after");
    server.settle();
    assert_eq!(log.take(), ["after"]);
}

async fn patient_forever(socket: &mut Socket, log: &Log) -> Result<(), Error> {
    loop {
        match socket.recv().await {
            Ok(message) => log.note(message.to_string()),
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => log.note(describe(&error)),
        }
    }
}

#[test]
fn text_binary_and_empty_messages_come_as_they_were_sent() {
    let (mut server, mut client, log) = logged(note_all);
    client.send_text("t");
    client.send_binary(b"b");
    client.send_text("");
    client.send_binary(b"");
    server.settle();
    assert_eq!(log.take(), ["Text t", "Binary (1 bytes)", "Text ", "Binary (0 bytes)"]);
}

#[test]
fn what_arrived_before_the_end_is_received_before_its_reason() {
    let late = async |socket: Socket, log: Log| {
        sockeye::sleep(SECOND).await;
        note_all(socket, log).await
    };
    let messages = [frame(0x81, b"one"), frame(0x81, b"two")].concat();
    let half = frame(0x81, b"never whole");
    let cases: [(Vec<u8>, bool, &str); 5] = [
        (frame(0x88, b"\x0f\xa1bye"), false, "closed 4001 \"bye\" by Peer"),
        (frame(0x88, b"\x03\xe8"), false, "closed 1000 \"\" by Peer"),
        (frame(0x88, b""), false, "closed 1005 \"\" by Peer"),
        (Vec::new(), true, "closed 1006 \"\" by Peer, not clean"),
        (half[..9].to_vec(), true, "closed 1006 \"\" by Peer, not clean"),
    ];
    for (end, fin, expected) in cases {
        let (mut server, client, log) = logged(late);
        client.wire().write(&[messages.clone(), end].concat());
        if fin {
            client.wire().shutdown_write();
        }
        server.advance(SECOND * 2);
        assert_eq!(log.take(), ["Text one", "Text two", expected]);
    }
}

#[test]
fn a_broken_rule_is_told_as_our_own_close() {
    let (mut server, client, log) = logged(note_all);
    client.wire().write(&[frame(0x81, b"fine"), frame(0x81, b"\xff")].concat());
    server.settle();
    assert_eq!(log.take(), ["Text fine", "closed 1007 \"\" by Local, not clean"]);
}

#[test]
fn pieces_fill_the_buffer_and_end_between_characters() {
    for size in 4..12 {
        let (mut server, mut client, log) = logged(async move |mut socket, log| {
            let mut buffer = vec![0; size];
            loop {
                let piece = socket.recv_into(&mut buffer).await?;
                let bytes = &buffer[..piece.count];
                let text = match piece.kind {
                    Kind::Text => std::str::from_utf8(bytes).expect("whole characters").to_owned(),
                    Kind::Binary => format!("{bytes:?}"),
                };
                log.note(format!("{text}{}", if piece.end { "." } else { "" }));
            }
        });
        client.send_text("aé€😀 ñandú");
        client.send_text("");
        client.send_binary(&[1, 2, 3]);
        server.settle();
        let noted = log.take();
        assert_eq!(noted[noted.len() - 2..], [".", "[1, 2, 3]."]);
        assert_eq!(noted[..noted.len() - 2].concat(), "aé€😀 ñandú.", "{size}: {noted:?}");
    }
}

#[test]
fn a_buffer_too_small_for_a_character_loses_nothing_and_the_rest_can_be_received_whole() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        let mut buffer = [0; 2];
        let piece = socket.recv_into(&mut buffer).await?;
        log.note(format!("{} {}", piece.count, piece.end));
        let error = socket.recv_into(&mut buffer).await.expect_err("no room for four bytes");
        log.note(error.to_string());
        let mut all = String::new();
        std::io::Read::read_to_string(&mut socket.recv().await?.into_reader(), &mut all)?;
        log.note(all);
        Ok(())
    });
    client.send_text("é😀!");
    server.settle();
    assert_eq!(log.take(), ["2 false", "the buffer has no room for one character", "😀!"]);
}

#[test]
fn a_receive_renewed_for_each_message_costs_no_timer_for_each() {
    let mut server = server(async |mut socket: Socket| {
        loop {
            let message = socket.recv_timeout(SECOND * 30).await?;
            socket.send(message).await?;
        }
    });
    let mut client = server.connect("/");
    for number in 0..1_000 {
        client.send_text(&number.to_string());
        server.advance(Duration::from_millis(100));
    }
    assert_eq!(client.texts().len(), 1_000);
    // 100 s have passed: the timeout of 30 s that was armed first has fired three times, for nothing.
    assert_eq!(server.stats().connections, 1);
    server.advance(SECOND * 29);
    assert_eq!(server.stats().connections, 1);
    server.advance(SECOND * 2);
    assert!(
        client.rest().contains(&crate::support::close_frame(1011)),
        "the timeout was passed on by `?`"
    );
}
