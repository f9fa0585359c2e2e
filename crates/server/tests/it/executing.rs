//! The executor: time, tasks, fairness.

use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{CloseCode, Error, PingPolicy, Server, Socket};

use crate::support::{Log, logged, server};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn sleeps_and_intervals_keep_the_virtual_time() {
    let (mut server, _client, log) = logged(async |_socket, log| {
        let other = log.clone();
        sockeye::spawn(async move {
            let mut beats = sockeye::interval(SECOND * 2);
            loop {
                beats.tick().await;
                other.note("beat");
            }
        });
        for _ in 0..3 {
            sockeye::sleep(SECOND * 3).await;
            log.note("slept");
        }
        Ok(())
    });
    server.advance(Duration::from_millis(8_999));
    // Beats at 0, 2, 4, 6 and 8 s, sleeps that end at 3 and 6 s: of two deadlines the one that was set first goes first.
    assert_eq!(log.take(), ["beat", "beat", "slept", "beat", "slept", "beat", "beat"]);
    server.advance(Duration::from_millis(1));
    assert_eq!(log.take(), ["slept"]);
}

#[test]
fn a_task_that_is_always_ready_starves_nobody() {
    let builder = Server::builder()
        .route("/greedy", async |_socket: Socket| {
            loop {
                sockeye::sleep(Duration::ZERO).await;
                let mut yielded = false;
                std::future::poll_fn(|context| {
                    if std::mem::replace(&mut yielded, true) {
                        return std::task::Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    std::task::Poll::Pending
                })
                .await;
            }
        })
        .route("/echo", async |mut socket: Socket| {
            loop {
                let message = socket.recv().await?;
                socket.send(message).await?;
            }
        });
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut client = server.connect("/echo");
    let greedy = server.wire();
    greedy.write(
        b"GET /greedy HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    server.network().set_horizon(Some(server.now()));
    for _ in 0..10 {
        server.turn();
    }
    client.send_text("x");
    for _ in 0..3 {
        server.turn();
    }
    assert_eq!(client.texts(), ["x"]);
}

#[test]
fn spawned_tasks_return_values_and_panics() {
    let (_server, _client, log) = logged(async |_socket, log| {
        let value = sockeye::spawn(async { 6 * 7 }).await?;
        log.note(value.to_string());
        let error = sockeye::spawn(async { panic!("on purpose") }).await.expect_err("it panicked");
        log.note(error.to_string());
        Ok(())
    });
    assert_eq!(log.take(), ["42", "the task panicked"]);
}

#[test]
fn many_tasks_come_and_go() {
    let (mut server, _client, log) = logged(async |_socket, log: Log| {
        for round in 0..10_u64 {
            let tasks: Vec<_> = (0..1_000_u64)
                .map(|number| {
                    sockeye::spawn(async move {
                        sockeye::sleep(Duration::from_millis((number * 7_919 + round) % 500)).await;
                        number
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await?;
            }
            log.note(sum.to_string());
        }
        Ok(())
    });
    server.advance(SECOND * 6);
    assert_eq!(log.take(), vec!["499500"; 10]);
    assert_eq!(server.stats().tasks, 0);
}

#[test]
fn an_echo_takes_one_read_one_write_and_one_turn() {
    let mut server = server(async |mut socket: Socket| -> Result<(), Error> {
        loop {
            let message = socket.recv().await?;
            socket.send(message).await?;
        }
    });
    let mut client = server.connect("/");
    client.send_text("warm");
    server.settle();
    assert_eq!(client.texts(), ["warm"]);
    let before = server.stats();
    client.send_text("x");
    server.network().set_horizon(Some(server.now()));
    server.turn();
    assert_eq!(client.texts(), ["x"], "within the turn in which it came");
    for _ in 0..32 {
        client.send_text("pipelined");
    }
    server.turn();
    assert_eq!(client.texts().len(), 32);
    server.settle();
    let after = server.stats();
    assert_eq!((after.reads - before.reads, after.writes - before.writes), (2, 2));
}

#[test]
fn an_hour_of_keepalive_takes_no_time() {
    let mut server = server(async |mut socket: Socket| socket.recv().await.map(drop));
    let mut clients: Vec<_> = (0..10).map(|_| server.connect("/")).collect();
    for _ in 0..360 {
        server.advance(SECOND * 10);
        for client in &mut clients {
            client.rest();
        }
    }
    assert_eq!(server.stats().connections, 10);
}

/// Waits without an end are as good as any.
#[test]
fn the_longest_of_all_durations_is_a_wait_that_does_not_end() {
    let route = async |mut socket: Socket| {
        sockeye::spawn(sockeye::sleep(Duration::MAX));
        socket.start_ping(PingPolicy::frames(Duration::MAX).within(Duration::MAX));
        loop {
            let message = socket.recv_timeout(Duration::MAX).await?;
            socket.send(message).await?;
        }
    };
    let builder =
        || Server::builder().route("/", route).keepalive(Some(Duration::MAX), Duration::MAX);
    let mut server = TestServer::new(builder()).expect("a valid route");
    let mut client = server.connect("/");
    server.advance(Duration::from_secs(3600));
    client.send_text("still there?");
    server.settle();
    assert_eq!(client.rest(), [Received::Text("still there?".into())]);

    let server = builder().bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}/", server.local_addr().expect("it listens over TCP"));
    let mut client = sockeye::connect_blocking(&url).expect("connected");
    for _ in 0..3 {
        client.send_text("hello").expect("sent");
        let received = client.recv_timeout(Duration::MAX).expect("a message");
        assert_eq!(received.as_text(), Some("hello"));
    }
    client.close(CloseCode::NORMAL, "").expect("an open connection");
    assert_eq!(server.shutdown(Duration::MAX).cut, 0);
}
