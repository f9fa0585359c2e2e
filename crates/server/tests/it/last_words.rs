//! What came before an end is answered before it, whatever ends it and however the bytes are cut.

use std::sync::mpsc;
use std::time::Duration;

use sockeye::testing::{Conditions, Received, TestClient, TestServer};
use sockeye::{
    BlockingSocket, CloseCode, Error, Event, Handler, Peer, Server, ServerBuilder, Socket,
};

use crate::support::{close_frame, describe, frame, logged, server};

const SECOND: Duration = Duration::from_secs(1);

/// An answer to a Close frame waits for two of these, and not for three.
const MOMENT: Duration = Duration::from_millis(200);

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// Not the task that the loop polls behind the read.
async fn echo_elsewhere(socket: Socket) -> Result<(), Error> {
    sockeye::spawn(async {
        let _ = echo(socket).await;
    });
    Ok(())
}

/// Takes a moment for each answer.
async fn echo_later(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        sockeye::sleep(Duration::from_millis(10)).await;
        socket.send(message).await?;
    }
}

/// Receives with one half and sends with another.
async fn echo_in_halves(socket: Socket) -> Result<(), Error> {
    let (sender, mut receiver) = socket.split();
    loop {
        let message = receiver.recv_timeout(SECOND * 100).await?;
        sender.try_send(message)?;
    }
}

struct EchoEvents;

impl Handler for EchoEvents {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        let sent = match event {
            Event::Text(text) => peer.send_text(&text),
            Event::Binary(payload) => peer.send_binary(&payload),
            _ => Ok(()),
        };
        sent.expect("there is room");
    }
}

fn echoes() -> ServerBuilder {
    Server::builder()
        .route_events("/events", |_| Ok(EchoEvents))
        .route("/async", echo)
        .route("/elsewhere", echo_elsewhere)
        .route("/later", echo_later)
        .route("/halves", echo_in_halves)
}

fn text(payload: &str) -> (Vec<u8>, Received) {
    (frame(0x81, payload.as_bytes()), Received::Text(payload.into()))
}

fn binary(len: usize) -> (Vec<u8>, Received) {
    let payload = vec![len.to_le_bytes()[0]; len];
    (frame(0x82, &payload), Received::Binary(payload))
}

fn fragmented() -> (Vec<u8>, Received) {
    let frames = [frame(0x01, b"in "), frame(0x00, b"three "), frame(0x80, b"parts")].concat();
    (frames, Received::Text("in three parts".into()))
}

/// What a client sends, as its messages and the bytes that end it, and the Close frame that follows.
struct Case {
    messages: Vec<(Vec<u8>, Received)>,
    end: Vec<u8>,
    close: Received,
}

impl Case {
    fn stream(&self) -> Vec<u8> {
        let messages = self.messages.iter().flat_map(|(frame, _)| frame);
        messages.chain(&self.end).copied().collect()
    }

    /// Whether no rule is broken.
    fn is_clean(&self) -> bool {
        ![close_frame(1002), close_frame(1007)].contains(&self.close)
    }

    fn check(&self, server: &mut TestServer, client: &mut TestClient, how: &str) {
        let mut expected: Vec<_> = self.messages.iter().map(|(_, echo)| echo.clone()).collect();
        expected.extend([self.close.clone(), Received::End]);
        let mut received = client.rest();
        // The server may wait for room.
        while received.len() < expected.len() {
            server.settle();
            let more = client.rest();
            if more.is_empty() {
                break;
            }
            received.extend(more);
        }
        // Long ones would tell nothing.
        let first_wrong = received.iter().zip(&expected).position(|(got, wanted)| got != wanted);
        let lens = (received.len(), expected.len());
        assert!(first_wrong.is_none() && lens.0 == lens.1, "{how}: {first_wrong:?} of {lens:?}");
    }
}

fn cases() -> Vec<Case> {
    let messages = || vec![text("hi"), binary(3), text("")];
    let case = |messages, end: &[u8], close| Case { messages, end: end.to_vec(), close };
    let goodbye = frame(0x88, b"\x03\xe8");
    vec![
        case(vec![text("hi")], &goodbye, close_frame(1000)),
        case(messages(), &goodbye, close_frame(1000)),
        case(vec![fragmented()], &goodbye, close_frame(1000)),
        case(vec![text("x")], &frame(0x88, b""), Received::Close(None, String::new())),
        case(messages(), &frame(0x88, b"\x0f\xa0why"), close_frame(4000)),
        // What comes behind a Close frame is nothing, be it right or wrong.
        case(
            vec![text("hi")],
            &[goodbye, frame(0x81, b"late"), vec![0xFF]].concat(),
            close_frame(1000),
        ),
        // A reserved opcode, a frame that is not masked, reserved bits, a lone continuation.
        case(messages(), &frame(0x83, b""), close_frame(1002)),
        case(messages(), &[0x81, 1, b'a'], close_frame(1002)),
        case(messages(), &frame(0xC1, b"a"), close_frame(1002)),
        case(messages(), &frame(0x80, b"a"), close_frame(1002)),
        // Text that is none, at once and within a longer message; a Close frame that is none.
        case(messages(), &frame(0x81, b"a\xFFb"), close_frame(1007)),
        case(messages(), &[frame(0x01, b"a"), frame(0x80, b"\xC3(")].concat(), close_frame(1007)),
        case(messages(), &frame(0x88, b"\x03"), close_frame(1002)),
    ]
}

#[test]
fn cls_41_what_came_before_an_end_is_answered_wherever_the_bytes_are_cut() {
    let mut server = TestServer::new(echoes()).expect("valid routes");
    for (index, case) in cases().iter().enumerate() {
        let stream = case.stream();
        for path in ["/events", "/async", "/elsewhere", "/halves"] {
            for cut in 0..=stream.len() {
                let mut client = server.connect(path);
                client.wire().write(&stream[..cut]);
                server.settle();
                client.wire().write(&stream[cut..]);
                server.settle();
                case.check(&mut server, &mut client, &format!("{path}, case {index} cut at {cut}"));
            }
        }
    }
}

#[test]
fn more_than_an_inbox_holds_is_answered_before_the_end_that_came_with_it() {
    let mut server = TestServer::new(echoes()).expect("valid routes");
    let large = || (0..40).map(|_| binary(60_000)).collect::<Vec<_>>();
    let small = || (0..200).map(|number| text(&number.to_string())).collect::<Vec<_>>();
    for (end, close) in [(frame(0x88, b"\x03\xe8"), 1000), (frame(0x83, b""), 1002)] {
        for messages in [small(), large()] {
            let case = Case { messages, end: end.clone(), close: close_frame(close) };
            for path in ["/events", "/async", "/halves"] {
                let mut client = server.connect(path);
                client.wire().write(&case.stream());
                server.settle();
                case.check(&mut server, &mut client, path);
            }
        }
    }
}

#[test]
fn no_network_that_cuts_what_it_carries_loses_an_answer() {
    for seed in 0..50 {
        let mut conditions = Conditions::default();
        conditions.seed = seed;
        (conditions.read_bytes_max, conditions.send_bytes_max) = (Some(9), Some(5));
        let mut server = TestServer::with_conditions(echoes(), conditions).expect("valid routes");
        for (index, case) in cases().iter().enumerate() {
            for path in ["/events", "/async", "/elsewhere", "/later", "/halves"] {
                // That a rule was broken does not wait for answers.
                if path == "/later" && !case.is_clean() {
                    continue;
                }
                let mut client = server.connect(path);
                client.wire().write(&case.stream());
                server.advance(SECOND);
                case.check(&mut server, &mut client, &format!("{path}, case {index}, seed {seed}"));
            }
        }
    }
}

#[test]
fn cls_07_an_answer_that_takes_its_time_comes_before_that_to_the_close() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        loop {
            match socket.recv().await {
                Ok(message) => {
                    sockeye::sleep(MOMENT).await;
                    socket.send(message).await?;
                }
                Err(error) => {
                    log.note(describe(&error));
                    return Err(error);
                }
            }
        }
    });
    client.wire().write(&[frame(0x81, b"a"), frame(0x81, b"b")].concat());
    server.settle();
    client.send_close(Some(CloseCode::from_u16(4000)), "bye");
    server.settle();
    assert_eq!((client.receive(), log.take()), (None, vec![]));
    server.advance(MOMENT);
    assert_eq!(client.rest(), [Received::Text("a".into())]);
    server.advance(MOMENT);
    assert_eq!(client.rest()[..2], [Received::Text("b".into()), close_frame(4000)]);
    server.settle();
    assert_eq!(log.take(), ["closed 4000 \"bye\" by Peer"]);
    assert_eq!(server.stats().connections, 0);
}

#[test]
fn a_route_that_does_not_come_back_delays_the_answer_to_a_close_by_a_tenth_of_its_time() {
    let mut server = server(async |mut socket| {
        socket.recv().await?;
        sockeye::sleep(SECOND).await;
        assert!(socket.send_text("too late").await.is_err());
        Ok(())
    });
    let mut client = server.connect("/");
    client.send_text("a");
    client.send_close(Some(CloseCode::NORMAL), "");
    server.advance(Duration::from_millis(480));
    assert_eq!(client.receive(), None);
    server.advance(Duration::from_millis(40));
    assert_eq!(client.receive(), Some(close_frame(1000)));
    server.advance(SECOND);
    assert_eq!((server.stats().connections, server.stats().panics), (0, 0));
}

#[test]
fn who_waits_for_the_end_learns_of_it_at_once() {
    for late in [false, true] {
        let (mut server, mut client, log) = logged(async move |mut socket, log| {
            socket.recv().await?;
            socket.start_ping(sockeye::PingPolicy::frames(SECOND * 100));
            if late {
                sockeye::sleep(MOMENT).await;
            }
            let ended = socket.sleep(SECOND * 100).await.expect_err("it ends before");
            log.note(describe(&ended));
            Ok(())
        });
        client.send_text("a");
        server.settle();
        client.send_close(Some(CloseCode::NORMAL), "");
        server.settle();
        if late {
            assert_eq!(client.receive(), None);
            server.advance(MOMENT);
        }
        assert_eq!(log.take(), ["closed 1000 \"\" by Peer"]);
        assert_eq!(client.receive(), Some(close_frame(1000)));
    }
}

#[test]
fn a_route_that_has_received_nothing_does_not_delay_the_answer_to_a_close() {
    let mut server = server(async |socket| {
        sockeye::sleep(SECOND * 100).await;
        drop(socket);
        Ok(())
    });
    let mut client = server.connect("/");
    client.send_close(Some(CloseCode::NORMAL), "");
    server.settle();
    assert_eq!(client.receive(), Some(close_frame(1000)));
}

#[test]
fn a_route_that_ends_after_the_peer_has_closed_answers_with_its_own_code() {
    let builder = Server::builder()
        .route("/ok", async |mut socket: Socket| {
            socket.recv().await?;
            sockeye::sleep(MOMENT).await;
            socket.send_text("last").await
        })
        .route("/error", async |mut socket: Socket| {
            socket.recv().await?;
            sockeye::sleep(MOMENT).await;
            Err(Error::message("no bread"))
        })
        .route("/panic", async |mut socket: Socket| {
            socket.recv().await?;
            sockeye::sleep(MOMENT).await;
            panic!("on purpose")
        })
        .route("/close", async |mut socket: Socket| {
            socket.recv().await?;
            sockeye::sleep(MOMENT).await;
            socket.close(CloseCode::from_u16(4001), "enough").await
        })
        .route("/gone", async |socket: Socket| {
            let (sender, mut receiver) = socket.split();
            receiver.recv().await?;
            sockeye::sleep(MOMENT).await;
            drop(receiver);
            sockeye::sleep(MOMENT).await;
            assert!(sender.try_send("too late").is_err());
            Ok(())
        });
    let mut server = TestServer::new(builder).expect("valid routes");
    let enough = Received::Close(Some(CloseCode::from_u16(4001)), "enough".into());
    let cases = [
        ("/ok", vec![Received::Text("last".into()), close_frame(1000)]),
        ("/error", vec![close_frame(1011)]),
        ("/panic", vec![close_frame(1011)]),
        ("/close", vec![enough]),
        ("/gone", vec![close_frame(4000)]),
    ];
    for (path, expected) in cases {
        let mut client = server.connect(path);
        client.send_text("a");
        client.send_close(Some(CloseCode::from_u16(4000)), "");
        server.settle();
        assert_eq!(client.receive(), None, "{path}");
        server.advance(MOMENT);
        assert_eq!(client.rest()[..expected.len()], expected, "{path}");
        server.advance(MOMENT);
        assert_eq!(server.stats().connections, 0, "{path}");
    }
}

#[test]
fn a_drain_that_begins_while_an_answer_is_awaited_is_over_with_it() {
    let mut server = server(echo_later);
    let mut client = server.connect("/");
    client.send_text("a");
    client.send_close(Some(CloseCode::NORMAL), "");
    server.settle();
    let draining = server.drain(sockeye::DrainPlan::within(SECOND));
    server.advance(SECOND);
    let report = draining.try_report().expect("it is over");
    assert_eq!((report.open, report.cut), (1, 0));
    assert!(matches!(client.rest()[..], [Received::Close(Some(CloseCode::GOING_AWAY), _), ..]));
}

#[test]
fn a_blocking_route_answers_what_came_before_a_close() {
    let (go, gone) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let builder = Server::builder().route_blocking("/", move |mut socket: BlockingSocket| {
        let gone = gone.lock().expect("one thread at a time");
        let outcome = loop {
            match socket.recv() {
                Ok(message) => {
                    gone.recv().expect("the test goes on");
                    socket.send(message)?;
                    ended.send(None).expect("the test goes on");
                }
                Err(error) => break error,
            }
        };
        ended.send(Some(describe(&outcome))).expect("the test goes on");
        Ok(())
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut client = server.connect("/");
    client.wire().write(&[frame(0x81, b"a"), frame(0x81, b"b"), frame(0x88, b"\x03\xe8")].concat());
    for expected in ["a", "b"] {
        server.settle();
        assert_eq!(client.receive(), None, "nothing is answered yet");
        go.send(()).expect("the route waits");
        assert_eq!(end.recv(), Ok(None));
        server.settle();
        assert_eq!(client.receive(), Some(Received::Text(expected.into())));
    }
    // The thread comes for more at some time, and learns what there is when the loop has turned.
    let outcome = loop {
        server.settle();
        match end.try_recv() {
            Ok(outcome) => break outcome,
            Err(_) => std::thread::yield_now(),
        }
    };
    assert_eq!(outcome.as_deref(), Some("closed 1000 \"\" by Peer"));
    assert_eq!(client.receive(), Some(close_frame(1000)));
}
