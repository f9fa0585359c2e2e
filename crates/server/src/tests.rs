//! Tests of the whole that must see inside: the locks of this crate and of the reactor, its queues of messages and of
//! commands included. They are counted where there are debug assertions.
#![cfg(debug_assertions)]

use std::cell::Cell;
use std::sync::mpsc;
use std::time::Duration;

use sockeye_reactor::mutex::locks_taken;

use crate::testing::{Received, TestClient, TestServer};
use crate::{CloseCode, Error, Event, Handler, Peer, Server, Socket};

/// Locks that this thread, which is the loop's, takes in one turn that brings so many messages, beside the one for the
/// figures of the turn.
fn locks_of_a_turn(server: &mut TestServer, client: &mut TestClient, messages: usize) -> u64 {
    for _ in 0..messages {
        client.send_text("x");
    }
    let before = locks_taken();
    server.turn();
    locks_taken() - before - 1
}

/// Those of the turns that come when a second has passed.
fn locks_after_a_second(server: &mut TestServer, client: &mut TestClient) -> u64 {
    server.network().advance(Duration::from_secs(1));
    (0..5).map(|_| locks_of_a_turn(server, client, 0)).sum()
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

struct EchoEvents;

impl Handler for EchoEvents {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        if let Event::Text(text) = event {
            peer.send_text(&text).expect("there is room");
        }
    }
}

thread_local! {
    /// What `wake_late` received at once, the locks that it took for that, and those of its answers.
    static RECEIVED: Cell<(u64, u64, u64)> = const { Cell::new((0, 0, 0)) };
}

/// Does something else for a second, takes what is there, and answers all of it.
async fn wake_late(mut socket: Socket) -> Result<(), Error> {
    crate::sleep(Duration::from_secs(1)).await;
    let (before, mut messages) = (locks_taken(), Vec::new());
    while socket.inbox_len() > 0 {
        messages.push(socket.recv().await?);
    }
    let (received, count) = (locks_taken(), messages.len() as u64);
    for message in messages {
        socket.send(message).await?;
    }
    RECEIVED.set((count, received - before, locks_taken() - received));
    socket.recv().await.map(drop)
}

/// A server of all of these.
fn server() -> TestServer {
    let builder = Server::builder()
        .route_events("/events", |_| Ok(EchoEvents))
        .route("/async", echo)
        .route("/late", wake_late);
    TestServer::new(builder).expect("valid routes")
}

#[test]
fn messages_of_events_and_those_that_a_task_waits_for_take_no_lock() {
    for path in ["/events", "/async"] {
        let mut server = server();
        let mut client = server.connect(path);
        locks_of_a_turn(&mut server, &mut client, 1);
        assert_eq!(locks_of_a_turn(&mut server, &mut client, 0), 0, "{path}: an idle turn");
        for messages in [1, 2, 32, 60] {
            let locks = locks_of_a_turn(&mut server, &mut client, messages);
            assert_eq!(locks, 0, "{path}: {messages} messages there and back");
            assert_eq!(client.texts().len() % messages, 0);
        }
    }
}

#[test]
fn messages_that_a_task_does_not_wait_for_take_one_lock_on_either_side_for_all_of_a_read() {
    for messages in [1, 2, 40] {
        let mut server = server();
        let mut client = server.connect("/late");
        assert_eq!(locks_of_a_turn(&mut server, &mut client, 0), 0);
        assert_eq!(locks_of_a_turn(&mut server, &mut client, messages), 1);
        let locks = locks_after_a_second(&mut server, &mut client);
        let (received, locks_to_receive, locks_to_send) = RECEIVED.get();
        assert_eq!((received, locks_to_receive), (messages as u64, 1));
        assert_eq!(locks_to_send, 0);
        // All answers are queued at once, which tells the loop. That takes the command, and all messages, under a lock
        // each; and the task waits for the next, under another.
        assert_eq!(locks, 1 + 2 + 3);
        assert_eq!(client.texts().len(), messages);
    }
}

/// A message that is answered after something else leaves, and finds, the task's waker under a lock each.
#[test]
fn a_task_that_does_something_else_between_messages_takes_a_lock_to_say_so() {
    let builder = Server::builder().route("/", async |mut socket: Socket| {
        loop {
            socket.recv().await?;
            crate::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut client = server.connect("/");
    for _ in 0..3 {
        assert_eq!(locks_of_a_turn(&mut server, &mut client, 1), 1);
        assert_eq!(locks_after_a_second(&mut server, &mut client), 1);
    }
}

#[test]
fn a_blocking_route_for_which_no_thread_can_be_had_closes_with_try_again_later() {
    let builder = Server::builder().blocking_routes_max(1).route_blocking("/", |_| Ok(()));
    let mut server = TestServer::new(builder).expect("a valid route");
    // The only thread has something to do and something that waits for it, though nobody has reserved it.
    let (go, wait) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let busy = move || {
        begin.send(()).expect("somebody waits");
        let _ = wait.recv();
    };
    assert!(server.app.threads.run(Box::new(busy)).is_ok());
    begun.recv().expect("it has begun");
    assert!(server.app.threads.run(Box::new(|| {})).is_ok());
    let mut client = server.connect("/");
    server.settle();
    let told = Received::Close(Some(CloseCode::TRY_AGAIN_LATER), "no thread".into());
    assert_eq!(client.receive(), Some(told));
    drop(go);
}
