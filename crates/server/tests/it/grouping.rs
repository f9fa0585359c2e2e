//! Groups and draining.

use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{
    CloseCode, DrainPlan, Error, Event, Group, Handler, Peer, Policy, Prepared, Server, Socket,
};

use crate::support::{close_frame, describe, frame};

const SECOND: Duration = Duration::from_secs(1);

/// Joins a group by the name of its path and echoes into it.
async fn chat(mut socket: Socket) -> Result<(), Error> {
    let room = socket.group(socket.param("room"));
    socket.join(&room, Policy::Close).await?;
    loop {
        let message = socket.recv().await?;
        room.broadcast_message(&message);
    }
}

struct Member(Group);

impl Handler for Member {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::DropNewest);
    }

    fn event(&mut self, _peer: &mut Peer<'_>, _event: Event<'_>) {}
}

fn chat_server() -> TestServer {
    let builder = Server::builder()
        .route("/chat/{room}", chat)
        .route_events("/member/{room}", |request| Ok(Member(request.group(request.param("room")))));
    TestServer::new(builder).expect("valid routes")
}

/// Whatever a task is polled for: here for its join, and then for a message.
#[test]
fn what_a_member_was_sent_before_a_broadcast_reaches_it_before_that() {
    let mut server = crate::support::server(async |mut socket| {
        let room = socket.group("room");
        socket.join(&room, Policy::Close).await?;
        loop {
            socket.send_text("to one").await?;
            room.broadcast("to all");
            socket.send("to one again").await?;
            room.publish(Prepared::text("at last"));
            socket.recv().await?;
        }
    });
    let mut client = server.connect("/");
    for _ in 0..2 {
        server.settle();
        let texts = client.texts();
        let place = |wanted: &str| texts.iter().position(|text| text == wanted);
        assert!(place("to one") < place("to all") && place("to all") < place("at last"));
        assert!(place("to one again") < place("at last") && texts.len() == 4, "{texts:?}");
        client.send_text("again");
    }
}

struct Teller(Group);

impl Handler for Teller {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.join(&self.0, Policy::Close);
    }

    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = event {
            self.0.publish_except(Prepared::text(&text), &peer.sender());
        }
    }
}

#[test]
fn a_member_tells_all_others_and_not_itself() {
    let builder = Server::builder()
        .route("/socket", async |mut socket: Socket| {
            let room = socket.group("room");
            socket.join(&room, Policy::Close).await?;
            loop {
                let message = socket.recv().await?;
                socket.send_text("told").await?;
                room.broadcast_message_except(&message, &socket);
                room.broadcast_except("again", &socket);
                room.broadcast("to all");
            }
        })
        .route_events("/events", |request| Ok(Teller(request.group("room"))));
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut clients = ["/socket", "/socket", "/events"].map(|path| server.connect(path));
    clients[0].send_text("a");
    server.settle();
    clients[2].send_text("b");
    server.settle();
    let texts = clients.each_mut().map(sockeye::testing::TestClient::texts);
    assert_eq!(texts[0], ["told", "to all", "b"]);
    assert_eq!(texts[1], ["a", "again", "to all", "b"]);
    assert_eq!(texts[2], ["a", "again", "to all"]);
}

#[test]
fn members_of_all_routes_see_one_order_and_others_nothing() {
    let mut server = chat_server();
    let mut clients =
        [server.connect("/chat/a"), server.connect("/chat/a"), server.connect("/member/a")];
    let mut elsewhere = server.connect("/chat/b");
    for number in 0..100 {
        clients[number % 2].send_text(&format!("from client {number}"));
        if number % 3 == 0 {
            server.group("a").broadcast(&format!("from outside {number}"));
        }
        if number % 10 == 0 {
            server.settle();
        }
    }
    server.settle();
    let texts = clients.each_mut().map(sockeye::testing::TestClient::texts);
    assert_eq!(texts[0].len(), 134);
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
    assert!(elsewhere.texts().is_empty());
    assert_eq!((server.group("a").members(), server.group("b").members()), (3, 1));
}

#[test]
fn a_broadcast_never_lands_within_another_message() {
    let mut server = chat_server();
    let mut client = server.connect("/chat/a");
    // The client is in the middle of a message of its own, and gets whole ones meanwhile.
    client.wire().write(&frame(0x01, b"one "));
    server.group("a").broadcast("two");
    server.settle();
    client.wire().write(&frame(0x80, b"three"));
    server.settle();
    assert_eq!(client.texts(), ["two", "one three"]);
}

#[test]
fn membership_ends_with_the_connection_and_with_leaving() {
    let builder = Server::builder().route("/", async |mut socket: Socket| {
        let group = socket.group("g");
        let from = socket.join(&group, Policy::Close).await?;
        socket.send_text(&format!("from {from}")).await?;
        socket.recv().await?;
        socket.leave(&group);
        socket.send_text("left").await?;
        socket.recv().await.map(drop)
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let group = server.group("g");
    group.broadcast("nobody hears this");
    let mut stays = server.connect("/");
    let vanishes = server.connect("/");
    assert_eq!(group.members(), 2);
    drop(vanishes);
    server.settle();
    assert_eq!(group.members(), 1);
    group.broadcast("heard");
    server.settle();
    stays.send_text("go");
    server.settle();
    group.broadcast("not heard");
    server.settle();
    assert_eq!(stays.texts(), ["from 1", "heard", "left"]);
    assert_eq!(group.members(), 0);
}

#[test]
fn one_who_does_not_read_meets_its_policy_and_nobody_else_notices() {
    let mut server = chat_server();
    let deaf = server.connect("/member/a");
    deaf.wire().set_window(0);
    let mut other = server.connect("/chat/a");
    let group = server.group("a");
    let text = "x".repeat(10_000);
    let mut heard = 0;
    for _ in 0..200 {
        group.broadcast(&text);
        server.settle();
        heard += other.texts().len();
    }
    assert_eq!(heard, 200);
    let dropped = group.dropped();
    assert!(
        (80..=100).contains(&dropped),
        "1 MiB of 2 was kept for the deaf one, {dropped} dropped"
    );
    assert_eq!(server.stats().dropped, dropped);
    assert_eq!(group.members(), 2);
}

#[test]
fn a_drain_closes_with_1001_sends_what_waits_and_refuses_newcomers() {
    let builder = Server::builder().route("/", async |mut socket: Socket| {
        socket.send_text("before").await?;
        let error = socket.recv().await.expect_err("nothing is sent");
        assert_eq!(describe(&error), "closed 1001 \"\" by Local");
        Ok(())
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut clients: Vec<_> = (0..10).map(|_| server.connect("/")).collect();
    let draining = server.drain(DrainPlan::within(SECOND * 10).spread(SECOND * 4));
    let mut closed_at = Vec::new();
    for _ in 0..60 {
        server.advance(Duration::from_millis(100));
        for client in &mut clients {
            if client.rest().contains(&close_frame(1001)) {
                closed_at.push(server.now());
            }
        }
    }
    let report = draining.try_report().expect("it is done before its deadline");
    assert_eq!((report.open, report.closed_cleanly, report.cut), (10, 10, 0));
    assert!(report.took < SECOND * 6, "{:?}", report.took);
    let over = closed_at[9].saturating_duration_since(closed_at[0]);
    assert!(over >= SECOND * 3, "the closes came within {over:?}");
    assert_eq!(server.stats().panics, 0);
}

#[test]
fn a_drain_is_over_at_its_deadline_whoever_is_left() {
    let builder = Server::builder().route("/", async |mut socket: Socket| {
        let _ = socket.recv().await;
        std::future::pending().await
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut silent = server.connect("/");
    let late = server.wire();
    server.settle();
    let draining =
        server.drain(DrainPlan::within(SECOND * 2).close_with(CloseCode::SERVICE_RESTART, "again"));
    server.advance(SECOND);
    late.write(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    server.settle();
    let answer = String::from_utf8(late.read()).expect("a head");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    server.advance(SECOND * 2);
    let report = draining.try_report().expect("it is over");
    assert_eq!((report.open, report.closed_cleanly, report.cut, report.refused), (1, 0, 1, 1));
    assert_eq!(
        silent.receive(),
        Some(Received::Close(Some(CloseCode::SERVICE_RESTART), "again".into()))
    );
}
