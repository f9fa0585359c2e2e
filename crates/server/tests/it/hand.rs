//! Messages that go from a read to its task and back without a queue, and what happens when something comes between.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockeye::testing::Received;
use sockeye::{Error, Message, State};

use crate::support::{close_frame, describe, frame, logged, note_all, server};
use crate::tcp::serve;

const SECOND: Duration = Duration::from_secs(1);

fn frames(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect()
}

#[test]
fn all_answers_to_a_read_leave_with_one_write_in_its_turn() {
    let mut server = server(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    });
    let mut client = server.connect("/");
    let before = server.stats();
    client.wire().write(&frames(&["x"; 60]));
    server.turn();
    let after = server.stats();
    assert_eq!(client.texts(), ["x"; 60]);
    assert_eq!((after.writes - before.writes, after.messages_sent - before.messages_sent), (1, 60));
}

#[test]
fn what_a_route_says_first_leaves_with_the_answer_to_the_handshake() {
    let mut server = server(async |mut socket| {
        socket.send_text("hello").await?;
        socket.recv().await.map(drop)
    });
    let before = server.stats().writes;
    let mut client = server.connect("/");
    assert_eq!(client.texts(), ["hello"]);
    assert_eq!(server.stats().writes - before, 1);
}

#[test]
fn what_another_thread_sends_in_between_stands_in_between() {
    let mut server = server(async |mut socket| {
        loop {
            socket.recv().await?;
            socket.send_text("before").await?;
            let other = socket.handle();
            thread::spawn(move || other.try_send("from elsewhere")).join().expect("it ends")?;
            socket.send_text("after").await?;
            socket.try_send("at last")?;
        }
    });
    let mut client = server.connect("/");
    for _ in 0..3 {
        client.wire().write(&frames(&["a", "b"]));
        server.settle();
        let expected = ["before", "from elsewhere", "after", "at last"].repeat(2);
        assert_eq!(client.texts(), expected);
    }
}

/// As above, for tasks that are not polled for a message.
#[test]
fn what_is_said_for_several_sockets_at_once_keeps_the_order_of_each() {
    let (tell, told) = mpsc::channel::<sockeye::SocketHandle>();
    let told = std::sync::Mutex::new(told);
    let mut server = server(async move |socket| {
        tell.send(socket.handle()).expect("somebody listens");
        sockeye::sleep(SECOND).await;
        let others: Vec<_> = told.lock().expect("no panic").try_iter().collect();
        for number in 0..20 {
            for other in &others {
                other.try_send(format!("{number} to all"))?;
                other.try_send(Message::binary(vec![7; 20_000]))?;
            }
            socket.send_text(&format!("{number} to one")).await?;
            if number == 10 {
                let other = socket.handle();
                thread::spawn(move || other.try_send("from elsewhere")).join().expect("it ends")?;
            }
        }
        sockeye::sleep(SECOND).await;
        socket.send_text("at last").await?;
        socket.close(sockeye::CloseCode::NORMAL, "").await
    });
    let mut clients = [server.connect("/"), server.connect("/"), server.connect("/")];
    server.advance(SECOND);
    server.settle();
    for client in &mut clients {
        let (mut to_all, mut to_one) = (Vec::new(), Vec::new());
        // What its wire has no room for comes when it has read the rest.
        while to_all.len() + to_one.len() < 61 {
            server.settle();
            match client.receive() {
                Some(Received::Text(text)) if text.ends_with("to all") => to_all.push(text),
                Some(Received::Text(text)) => to_one.push(text),
                Some(Received::Binary(bytes)) => to_all.push(format!("{} bytes", bytes.len())),
                other => panic!("{other:?} after {to_all:?} and {to_one:?}"),
            }
        }
        let all = (0..20).flat_map(|number| [format!("{number} to all"), "20000 bytes".into()]);
        assert!(to_all.iter().cloned().eq(all), "{to_all:?}");
        let mut one: Vec<_> = (0..20).map(|number| format!("{number} to one")).collect();
        one.insert(11, "from elsewhere".into());
        assert_eq!(to_one, one);
    }
    server.advance(SECOND);
    server.settle();
    for client in &mut clients {
        assert_eq!(client.receive(), Some(Received::Text("at last".into())));
        assert!(matches!(client.receive(), Some(Received::Close(..))));
    }
}

#[test]
fn frg_09_messages_of_every_kind_and_size_keep_their_order() {
    let mut server = server(async |mut socket| {
        loop {
            let text = socket.recv().await?.into_text();
            socket.send_text(&text).await?;
            socket.send_binary(vec![1; 40_000]).await?;
            socket.send(Message::binary(vec![2; 3])).await?;
            socket.send_uncompressed("as it is").await?;
            socket.send_text(&"x".repeat(20_000)).await?;
            socket.send(text).await?;
        }
    });
    let mut client = server.connect("/");
    client.wire().write(&frames(&["a", "", "c"]));
    server.settle();
    for text in ["a", "", "c"] {
        let expected = [
            Received::Text(text.into()),
            Received::Binary(vec![1; 40_000]),
            Received::Binary(vec![2; 3]),
            Received::Text("as it is".into()),
            Received::Text("x".repeat(20_000)),
            Received::Text(text.into()),
        ];
        for expected in expected {
            assert_eq!(client.receive(), Some(expected));
        }
    }
}

#[test]
fn what_a_task_leaves_of_a_read_waits_for_it() {
    let (mut server, client, log) = logged(async |mut socket, log| {
        loop {
            let message = socket.recv().await?;
            log.note(format!("{message} and {}", socket.inbox_len()));
            sockeye::sleep(SECOND).await;
        }
    });
    client.wire().write(&frames(&["a", "b", "c"]));
    server.settle();
    assert_eq!(log.take(), ["a and 2"]);
    client.wire().write(&frames(&["d"]));
    server.advance(SECOND * 10);
    assert_eq!(log.take(), ["b and 2", "c and 1", "d and 0"]);
}

#[test]
fn what_had_come_before_its_own_close_is_received_behind_it() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        socket.recv().await?;
        let closing = socket.handle();
        closing.close(sockeye::CloseCode::NORMAL, "enough")?;
        assert_eq!((socket.inbox_len(), socket.state()), (2, State::Closing));
        note_all(socket, log).await
    });
    client.wire().write(&frames(&["a", "b", "c"]));
    server.settle();
    assert_eq!(log.take(), ["Text b", "Text c"]);
    client.wire().write(&frames(&["too late"]));
    server.settle();
    let Some(Received::Close(..)) = client.receive() else { panic!("a Close frame") };
    server.settle();
    assert_eq!(log.take(), ["closed 1000 \"\" by Local"]);
}

#[test]
fn a_cancelled_wait_comes_before_the_messages_and_takes_none() {
    let (mut server, client, log) = logged(async |mut socket, log| {
        let canceller = socket.canceller();
        sockeye::spawn(async move {
            sockeye::sleep(SECOND).await;
            canceller.cancel();
            canceller.cancel();
        });
        loop {
            match socket.recv().await {
                Ok(message) => {
                    log.note(message.to_string());
                    socket.canceller().cancel();
                }
                Err(Error::Cancelled) => log.note("cancelled"),
                Err(error) => return Err(error),
            }
        }
    });
    server.advance(SECOND);
    assert_eq!(log.take(), ["cancelled"]);
    client.wire().write(&frames(&["a", "b"]));
    server.settle();
    assert_eq!(log.take(), ["a", "cancelled", "b", "cancelled"]);
}

#[test]
fn a_receiver_that_goes_takes_along_what_it_had_not_received() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        let (sender, mut receiver) = socket.split();
        log.note(receiver.recv().await?.to_string());
        sender.sleep(SECOND).await?;
        assert_eq!(sender.inbox_len(), 2);
        log.note(receiver.recv().await?.to_string());
        drop(receiver);
        assert_eq!(sender.inbox_len(), 0);
        log.note(describe(&sender.closed().await.into()));
        Ok(())
    });
    client.wire().write(&frames(&["a", "b", "c"]));
    server.advance(SECOND);
    client.wire().write(&frames(&["d"]));
    client.send_close(None, "");
    server.settle();
    assert_eq!(log.take(), ["a", "b", "closed 1005 \"\" by Peer"]);
}

#[test]
fn a_receiver_that_goes_while_its_task_is_polled_for_a_read_takes_the_rest_of_that_along() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        let (sender, mut receiver) = socket.split();
        log.note(receiver.recv().await?.to_string());
        drop(receiver);
        assert_eq!(sender.inbox_len(), 0);
        sender.send_text("gone").await?;
        log.note(describe(&sender.closed().await.into()));
        Ok(())
    });
    client.wire().write(&frames(&["a", "b", "c"]));
    server.settle();
    assert_eq!(client.receive(), Some(Received::Text("gone".into())));
    client.wire().write(&frames(&["d"]));
    client.send_close(None, "");
    server.settle();
    assert_eq!(log.take(), ["a", "closed 1005 \"\" by Peer"]);
}

#[test]
fn a_route_that_panics_within_a_read_says_what_it_said_and_1011() {
    let mut server = server(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            assert_ne!(message.as_text(), Some("b"), "a fault of the route's");
            socket.send(message).await?;
        }
    });
    let mut client = server.connect("/");
    client.wire().write(&frames(&["a", "b", "c"]));
    server.settle();
    assert_eq!(client.receive(), Some(Received::Text("a".into())));
    assert_eq!(client.receive(), Some(close_frame(1011)));
    let mut other = server.connect("/");
    other.send_text("still here");
    server.settle();
    assert_eq!(other.texts(), ["still here"]);
}

#[test]
fn a_send_that_was_ready_is_not_polled_again() {
    // By way of the hand, and by way of the queue.
    for pause in [Duration::ZERO, SECOND] {
        let mut server = server(async move |mut socket| {
            let message = socket.recv().await?;
            if !pause.is_zero() {
                sockeye::sleep(pause).await;
            }
            let mut sending = pin!(socket.send(message));
            poll_fn(|context| sending.as_mut().poll(context)).await?;
            poll_fn(|context| sending.as_mut().poll(context)).await
        });
        let mut client = server.connect("/");
        client.send_text("once");
        server.advance(SECOND);
        assert_eq!(client.receive(), Some(Received::Text("once".into())));
        assert_eq!(client.receive(), Some(close_frame(1011)), "it panicked");
        assert_eq!(server.stats().panics, 1);
    }
}

/// Its task had waited on the loop before, so the loop still believes that it does.
#[test]
fn a_socket_that_goes_elsewhere_after_it_has_waited_on_its_loop_misses_nothing() {
    let (ended, end) = mpsc::channel();
    let (_server, url) = serve(async move |mut socket| {
        assert_eq!(socket.recv().await?.as_text(), Some("0"));
        let ended = ended.clone();
        thread::spawn(move || {
            let mut socket = socket.into_blocking();
            let echo = |socket: &mut sockeye::BlockingSocket| -> Result<(), Error> {
                loop {
                    let message = socket.recv()?;
                    socket.send(message)?;
                }
            };
            ended.send(echo(&mut socket))
        });
        // It is polled again whenever it is woken, and has nothing to do with the socket.
        std::future::pending().await
    });
    let mut client = sockeye::connect_blocking(&url).expect("it listens");
    client.send("0").expect("sent");
    for number in 1..200 {
        client.send(number.to_string()).expect("sent");
        if number % 3 == 0 {
            for expected in number - 2..=number {
                let message = client.recv_timeout(SECOND * 10).expect("an echo");
                assert_eq!(message.as_text(), Some(&*expected.to_string()));
            }
        }
    }
    client.close(sockeye::CloseCode::NORMAL, "").expect("it is answered");
    let outcome = end.recv_timeout(SECOND * 10).expect("the thread ends");
    assert!(outcome.expect_err("by the close").close_code().is_some());
}

/// A payload whose owner panics when it is given up.
struct Mine;

impl AsRef<[u8]> for Mine {
    fn as_ref(&self) -> &[u8] {
        &[7; 20_000]
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("a fault of the payload's owner");
    }
}

#[test]
fn threat_q11_a_payload_that_panics_when_it_is_dropped_costs_its_own_connection() {
    let mut server = server(async |mut socket| {
        loop {
            let message = socket.recv().await?;
            match message.as_text() {
                Some("mine") => socket.send_binary(sockeye::Bytes::from_owner(Mine)).await?,
                _ => socket.send(message).await?,
            }
        }
    });
    let (mut client, mut other) = (server.connect("/"), server.connect("/"));
    // It goes when it was written. Whatever came behind it finds nobody.
    client.wire().write(&frames(&["a", "mine", "b"]));
    client.send_close(None, "");
    server.settle();
    client.rest();
    for text in ["c", "d"] {
        other.wire().write(&frames(&[text, text]));
        let before = server.stats().writes;
        server.settle();
        assert_eq!(other.texts(), [text, text]);
        assert_eq!(server.stats().writes - before, 1, "the hand serves the others");
    }
    assert_eq!(server.stats().connections, 1);
}
