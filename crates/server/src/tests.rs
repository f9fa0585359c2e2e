//! Tests of the whole that must see inside.

use std::cell::Cell;
use std::time::Duration;

use crate::mutex::LOCKS;
use crate::testing::{TestClient, TestServer};
use crate::{Error, Server, Socket};

/// Locks that this thread, which is the loop's, takes in one turn that brings so many messages.
fn locks_of_a_turn(server: &mut TestServer, client: &mut TestClient, messages: usize) -> u64 {
    for _ in 0..messages {
        client.send_text("x");
    }
    let before = LOCKS.get();
    server.turn();
    LOCKS.get() - before
}

async fn echo(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

thread_local! {
    /// What `wake_late` received at once, and the locks that it took for that.
    static RECEIVED: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Does something else for a second, and then takes what is there.
async fn wake_late(mut socket: Socket) -> Result<(), Error> {
    crate::sleep(Duration::from_secs(1)).await;
    let (before, mut messages) = (LOCKS.get(), 0);
    while socket.inbox_len() > 0 {
        socket.recv().await?;
        messages += 1;
    }
    RECEIVED.set((messages, LOCKS.get() - before));
    socket.recv().await.map(drop)
}

#[test]
fn messages_that_a_task_waits_for_take_no_lock() {
    let mut server = TestServer::new(Server::builder().route("/", echo)).expect("a valid route");
    let mut client = server.connect("/");
    locks_of_a_turn(&mut server, &mut client, 1);
    let idle = locks_of_a_turn(&mut server, &mut client, 0);
    for messages in [1, 2, 32, 60] {
        assert_eq!(
            locks_of_a_turn(&mut server, &mut client, messages),
            idle,
            "{messages} messages"
        );
        assert!(client.texts().len() >= messages);
    }
}

#[test]
fn messages_that_a_task_does_not_wait_for_take_one_lock_on_either_side_for_all_of_a_read() {
    let builder = Server::builder().route("/", wake_late);
    let mut server = TestServer::new(builder).expect("a valid route");
    let mut client = server.connect("/");
    let idle = locks_of_a_turn(&mut server, &mut client, 0);
    assert_eq!(locks_of_a_turn(&mut server, &mut client, 40), idle + 1);
    server.advance(Duration::from_secs(1));
    assert_eq!(RECEIVED.get(), (40, 1));
}
