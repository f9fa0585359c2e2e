//! How connections end: by the program, by its mistakes, by what it drops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{CloseCode, Error, Server, Socket, State};

use crate::support::{close_frame, describe, frame, logged, note_all, server};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_a_route_comes_to_decides_the_code() {
    let builder = Server::builder()
        .route("/ok", async |mut socket: Socket| socket.recv().await.map(drop))
        .route("/error", async |mut socket: Socket| {
            socket.recv().await?;
            "many".parse::<u32>()?;
            Ok(())
        })
        .route("/panic", async |mut socket: Socket| {
            socket.recv().await?;
            panic!("on purpose")
        })
        .route("/dropped", async |socket: Socket| {
            drop(socket);
            sockeye::sleep(SECOND * 3600).await;
            Ok(())
        })
        .route("/kept", async |mut socket: Socket| {
            socket.recv().await?;
            socket.send_text("still here").await?;
            std::future::pending().await
        });
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut kept = server.connect("/kept");
    for (path, code) in [("/ok", 1000), ("/error", 1011), ("/panic", 1011), ("/dropped", 1000)] {
        let mut client = server.connect(path);
        if path != "/dropped" {
            client.send_text("go");
        }
        server.settle();
        assert_eq!(client.receive(), Some(close_frame(code)), "{path}");
        server.settle();
        assert_eq!(client.receive(), Some(Received::End), "{path}");
    }
    kept.send_text("x");
    server.settle();
    assert_eq!(kept.texts(), ["still here"]);
    assert_eq!((server.stats().connections, server.stats().panics), (1, 1));
}

#[test]
fn the_errors_of_routes_are_reported() {
    let log = crate::support::Log::default();
    let own = log.clone();
    let builder = Server::builder()
        .route("/", async |_socket: Socket| Err(Error::message("no bread")))
        .on_error(move |error| own.note(error.to_string()));
    let mut server = TestServer::new(builder).expect("a valid route");
    server.connect("/");
    assert_eq!(log.take(), ["no bread"]);
}

#[test]
fn panics_are_reported_with_their_words_and_goodbyes_are_not() {
    let log = crate::support::Log::default();
    let own = log.clone();
    let builder = Server::builder()
        .route("/panic", async |_socket: Socket| panic!("the {} burnt", "bread"))
        .route("/recv", async |mut socket: Socket| socket.recv().await.map(drop))
        .on_error(move |error| own.note(error.to_string()));
    let mut server = TestServer::new(builder).expect("valid routes");
    server.connect("/panic");
    server.settle();
    assert_eq!(log.take(), ["the route panicked: the bread burnt"]);
    let mut client = server.connect("/recv");
    client.send_close(Some(CloseCode::NORMAL), "bye");
    server.settle();
    assert!(log.take().is_empty(), "a goodbye");
    let client = server.connect("/recv");
    client.wire().write(&[0x81, 1, b'a']);
    server.settle();
    assert_eq!(log.take().len(), 1, "a violation is none");
    let client = server.connect("/recv");
    client.into_wire().reset();
    server.settle();
    assert_eq!(log.take().len(), 1, "nor is a transport that breaks");
}

#[test]
fn the_connection_lives_as_long_as_its_last_half() {
    let held = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&held);
    let mut server = server(async move |socket: Socket| {
        let (sender, receiver) = socket.split();
        own.lock().expect("no panic").push(Box::new((sender.clone(), sender, receiver)));
        Ok(())
    });
    let mut client = server.connect("/");
    server.advance(SECOND);
    assert_eq!(client.receive(), None, "the route has returned, its halves have not been dropped");
    let (first, second, receiver) = *held.lock().expect("no panic").pop().expect("the route ran");
    drop(receiver);
    drop(first);
    server.advance(SECOND);
    assert_eq!(client.receive(), None);
    assert!(second.try_send("last words").is_ok());
    drop(second);
    server.settle();
    assert_eq!(client.rest()[..2], [Received::Text("last words".into()), close_frame(1000)]);
}

#[test]
fn a_half_that_outlives_a_failed_route_closes_with_1011() {
    let held = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&held);
    let mut server = server(async move |socket: Socket| {
        own.lock().expect("no panic").push(socket);
        Err(Error::message("no"))
    });
    let mut client = server.connect("/");
    assert_eq!(client.receive(), None);
    held.lock().expect("no panic").clear();
    server.settle();
    assert_eq!(client.receive(), Some(close_frame(1011)));
}

#[test]
fn code_and_reason_are_passed_through_both_ways() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        let error = socket.recv().await.expect_err("the peer closes");
        log.note(describe(&error));
        let Error::Closed { code, reason, .. } = error else { return Err(error) };
        // What .NET's users write: answering with the peer's own code. It is closed already, so no error.
        socket.close(code, &reason).await
    });
    client.send_close(Some(CloseCode::from_u16(4711)), "sin motivo");
    server.settle();
    assert_eq!(log.take(), ["closed 4711 \"sin motivo\" by Peer"]);
    assert_eq!(client.receive(), Some(close_frame(4711)));

    let mut server = self::server(async |socket: Socket| {
        socket.close(CloseCode::from_u16(3001), "por qué").await
    });
    let mut client = server.connect("/");
    assert_eq!(
        client.receive(),
        Some(Received::Close(Some(CloseCode::from_u16(3001)), "por qué".into()))
    );
}

#[test]
fn a_code_that_may_not_be_sent_is_refused_and_the_connection_stays() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        for code in [0, 999, 1004, 1006, 1010, 1015, 1016, 2999, 5000] {
            let refused = socket.close(CloseCode::from_u16(code), "").await.is_err();
            log.note(format!("{code} {refused} {:?}", socket.state()));
        }
        let long =
            socket.close(CloseCode::NORMAL, &"x".repeat(124)).await.expect_err("a reason too long");
        log.note(long.to_string());
        socket.close(CloseCode::NO_STATUS, "").await?;
        log.note(format!("{:?}", socket.state()));
        Ok(())
    });
    let noted = log.take();
    assert!(noted[..9].iter().all(|line| line.ends_with("true Open")), "{noted:?}");
    assert_eq!(noted[9..], ["close reason is longer than 123 bytes"]);
    assert_eq!(
        client.receive(),
        Some(Received::Close(None, String::new())),
        "1005 stands for an empty Close frame"
    );
    server.settle();
    assert_eq!(log.take(), [format!("{:?}", State::Closed)]);
}

#[test]
fn a_close_that_is_not_answered_ends_after_five_seconds() {
    let (mut server, client, log) = logged(async |socket, log| {
        socket.close(CloseCode::GOING_AWAY, "").await?;
        let closed = socket.closed().await;
        log.note(describe(&closed.into()));
        Ok(())
    });
    server.advance(Duration::from_millis(4_900));
    assert!(log.take().is_empty());
    server.advance(Duration::from_millis(200));
    assert_eq!(log.take(), ["closed 1006 \"\" by Local, not clean"]);
    server.advance(SECOND * 10);
    assert_eq!(server.stats().connections, 0);
    drop(client);
}

#[test]
fn closing_with_a_full_inbox_still_sees_the_answer() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        sockeye::sleep(SECOND).await;
        assert_eq!(socket.inbox_len(), 64);
        socket.close(CloseCode::NORMAL, "").await?;
        log.note(describe(&socket.closed().await.into()));
        Ok(())
    });
    for _ in 0..500 {
        client.send_text("unread");
    }
    server.advance(SECOND);
    assert_eq!(client.receive(), Some(close_frame(1000)));
    server.settle();
    assert_eq!(log.take(), ["closed 1000 \"\" by Local"]);
}

#[test]
fn sending_after_the_end_says_how_it_ended() {
    let (mut server, mut client, log) = logged(async |socket, log| {
        let closed = socket.closed().await;
        log.note(closed.code.to_string());
        log.note(describe(&socket.send_text("late").await.expect_err("it is over")));
        log.note(describe(&socket.try_send("late").expect_err("it is over")));
        log.note(describe(&socket.sleep(SECOND).await.expect_err("it is over")));
        Ok(())
    });
    client.send_close(Some(CloseCode::from_u16(4000)), "x");
    server.settle();
    let expected = "closed 4000 \"x\" by Peer";
    assert_eq!(log.take(), ["4000", expected, expected, expected]);
}

#[test]
fn the_state_stays_open_while_messages_are_to_be_received() {
    let (mut server, client, log) = logged(async |mut socket, log| {
        sockeye::sleep(SECOND).await;
        while socket.state() == State::Open {
            log.note(match socket.recv().await {
                Ok(message) => message.to_string(),
                Err(error) => describe(&error),
            });
        }
        Ok(())
    });
    client.wire().write(&[frame(0x81, b"a"), frame(0x81, b"b"), frame(0x88, b"\x03\xe8")].concat());
    server.advance(SECOND);
    assert_eq!(log.take(), ["a", "b"]);
}

#[test]
fn a_peer_that_vanishes_is_found_by_the_keepalive() {
    let (mut server, client, log) = logged(note_all);
    client.into_wire().vanish();
    server.advance(SECOND * 39);
    assert!(log.take().is_empty());
    server.advance(SECOND * 3);
    assert_eq!(log.take().len(), 1);
    server.advance(SECOND * 30);
    assert_eq!((server.stats().connections, server.stats().tasks), (0, 0));
}

#[test]
fn cls_04_an_end_tells_what_caused_it() {
    let route = async |mut socket: Socket, log: crate::support::Log| {
        let error = socket.recv().await.expect_err("nothing whole is sent");
        log.note(error.to_string());
        log.note(match error {
            Error::Closed { cause: Some(cause), .. } => format!("{cause:?}"),
            _ => "no cause".into(),
        });
        Ok(())
    };
    let (mut server, client, log) = logged(route);
    client.wire().write(&[0x81, 1, b'a']);
    server.settle();
    let [text, cause] = &log.take()[..] else { panic!("two lines") };
    assert_eq!(
        text,
        "the connection was closed by this side with code 1002 \
         (frame from a client is not masked, in the frame at byte 0)"
    );
    assert!(cause.starts_with("Protocol("), "{cause}");

    let (mut server, client, log) = logged(route);
    client.into_wire().vanish();
    server.advance(SECOND * 60);
    let noted = log.take();
    assert!(noted[0].ends_with("(peer did not answer a ping in time)"), "{noted:?}");

    let (mut server, mut client, log) = logged(route);
    client.send_close(Some(CloseCode::NORMAL), "bye");
    server.settle();
    let expected = ["the connection was closed by the peer with code 1000: bye", "no cause"];
    assert_eq!(log.take(), expected);

    // What a peer says does not write lines of its own into a log.
    let (mut server, mut client, log) = logged(route);
    client.send_close(Some(CloseCode::NORMAL), "bye\nroot: \u{1b}[31mñ");
    server.settle();
    let noted = log.take();
    assert!(noted[0].ends_with(r"code 1000: bye\nroot: \u{1b}[31mñ"), "{noted:?}");
    // Every parked receive carries one.
    assert!(size_of::<Error>() <= 32, "{}", size_of::<Error>());
}

#[test]
fn sockets_are_found_by_their_identifier_and_closed_one_or_all() {
    let (mut server, mut first, log) = logged(async |socket: Socket, log: crate::support::Log| {
        log.note(socket.id().to_string());
        note_all(socket, log).await
    });
    let mut second = server.connect("/");
    let ids: Vec<_> = server.sockets().iter().map(sockeye::SocketHandle::id).collect();
    assert_eq!(ids.len(), 2);
    let mut noted = log.take();
    noted.sort();
    assert!(noted.iter().all(|id| ids.iter().any(|other| other.to_string() == *id)));
    let first_id = *ids.iter().min().expect("two");
    let handle = server.socket(first_id).expect("it is open");
    handle.try_send("found you").expect("there is room");
    handle.close(CloseCode::POLICY, "kicked").expect("a legal code");
    server.settle();
    assert_eq!(
        first.rest()[..2],
        [
            Received::Text("found you".into()),
            Received::Close(Some(CloseCode::POLICY), "kicked".into())
        ]
    );
    server.settle();
    assert!(server.socket(first_id).is_none());
    assert_eq!(second.receive(), None);
    for socket in server.sockets() {
        socket.close(CloseCode::SERVICE_RESTART, "").expect("a legal code");
    }
    server.settle();
    assert_eq!(second.receive(), Some(close_frame(1012)));
    server.settle();
    assert!(server.sockets().is_empty());
    assert!(log.take().contains(&"closed 1008 \"\" by Local".to_owned()));
}

#[test]
fn a_name_belongs_to_the_socket_that_took_it_last() {
    let builder = Server::builder().route("/{user}", async |mut socket: Socket| {
        if let Some(former) = socket.set_name(socket.param("user")) {
            former.close(CloseCode::POLICY, "replaced")?;
        }
        socket.recv().await.map(drop)
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut first = server.connect("/ana");
    let mut other = server.connect("/eva");
    let mut second = server.connect("/ana");
    server.settle();
    assert_eq!(first.receive(), Some(Received::Close(Some(CloseCode::POLICY), "replaced".into())));
    server.settle();
    for (name, client) in [("ana", &mut second), ("eva", &mut other)] {
        server.socket_named(name).expect("it is open").try_send(name).expect("there is room");
        server.settle();
        assert_eq!(client.receive(), Some(Received::Text(name.into())));
    }
    second.send_close(None, "");
    server.settle();
    assert!(server.socket_named("ana").is_none());
    assert!(server.socket_named("eva").is_some());
}
