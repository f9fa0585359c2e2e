//! Ping policies on the virtual clock.

use std::time::Duration;

use sockeye::testing::{Conditions, Received, TestServer};
use sockeye::{CloseCode, PingPolicy, Server, Socket};

use crate::support::{close_frame, describe, logged, note_all};

const SECOND: Duration = Duration::from_secs(1);

/// A server without a keepalive of its own, whose route starts this policy and receives.
fn pinging(policy: PingPolicy) -> (TestServer, sockeye::testing::TestClient, crate::support::Log) {
    let log = crate::support::Log::default();
    let own = log.clone();
    let builder =
        Server::builder().keepalive(None, SECOND).route("/", async move |socket: Socket| {
            socket.start_ping(policy.clone());
            note_all(socket, own.clone()).await
        });
    let mut server = TestServer::new(builder).expect("a valid route");
    let client = server.connect("/");
    (server, client, log)
}

#[test]
fn a_text_ping_comes_after_each_interval_of_silence_and_not_before() {
    let (mut server, mut client, _log) = pinging(PingPolicy::text("ping-message", SECOND * 10));
    assert_eq!(client.receive(), None, "the first one is not sent at once");
    for _ in 0..3 {
        server.advance(Duration::from_millis(9_990));
        assert_eq!(client.receive(), None);
        server.advance(Duration::from_millis(10));
        assert_eq!(client.receive(), Some(Received::Text("ping-message".into())));
    }
}

#[test]
fn a_busy_line_is_not_pinged_and_equal_messages_are_received() {
    let (mut server, mut client, log) = pinging(PingPolicy::text("ping-message", SECOND * 10));
    for _ in 0..10 {
        server.advance(SECOND * 6);
        client.send_text("ping-message");
    }
    server.settle();
    assert_eq!(log.take(), vec!["Text ping-message"; 10]);
    assert_eq!(client.receive(), None);
    server.advance(SECOND * 10);
    assert_eq!(client.receive(), Some(Received::Text("ping-message".into())));
}

#[test]
fn what_this_side_sends_keeps_the_line_busy_as_well() {
    let (mut server, mut client, _log) = logged(async |socket, _| {
        socket.start_ping(PingPolicy::text("ping", SECOND * 10));
        for _ in 0..10 {
            socket.sleep(SECOND * 6).await?;
            socket.send_text("tick").await?;
        }
        std::future::pending().await
    });
    let mut texts = Vec::new();
    for _ in 0..14 {
        server.advance(SECOND * 5);
        texts.extend(client.texts());
    }
    // Ten ticks at 6 to 60 s, and the ping ten seconds after the last of them.
    assert_eq!(texts[..10], vec!["tick"; 10]);
    assert_eq!(texts[10..], ["ping"]);
}

#[test]
fn nothing_is_pinged_before_it_is_started_and_nothing_after_it_is_stopped() {
    let (mut server, mut client, _log) = logged(async |socket, _| {
        socket.sleep(SECOND * 15).await?;
        socket.start_ping(PingPolicy::text("a", SECOND * 5));
        socket.start_ping(PingPolicy::text("b", SECOND * 5));
        socket.sleep(SECOND * 12).await?;
        socket.stop_ping();
        std::future::pending().await
    });
    server.advance(SECOND * 15);
    assert!(client.texts().is_empty());
    server.advance(SECOND * 60);
    let mut texts = client.texts();
    texts.dedup();
    assert_eq!(texts, ["b"], "the second start replaced the first, and the stop ended it");
}

#[test]
fn ping_frames_measure_the_round_trip_and_no_script_sees_them() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        socket.start_ping(PingPolicy::frames(SECOND * 5));
        loop {
            let received = socket.recv_timeout(SECOND * 6).await;
            log.note(format!("{:?} {:?}", received.err(), socket.round_trip()));
        }
    });
    let mut conditions = Conditions::default();
    conditions.latency_to_callee = Duration::from_millis(40);
    server.network().set_conditions(conditions);
    server.advance(SECOND * 5);
    assert!(matches!(client.receive(), Some(Received::Ping(_))));
    server.advance(SECOND);
    assert_eq!(log.take(), ["Some(the time for it has passed) Some(40ms)"]);
}

#[test]
fn a_peer_that_does_not_answer_in_time_is_closed_with_1011() {
    let (mut server, mut client, log) = pinging(PingPolicy::frames(SECOND * 10).within(SECOND * 5));
    for _ in 0..3 {
        server.advance(SECOND * 10);
        assert!(
            matches!(client.receive(), Some(Received::Ping(_))),
            "it is answered as it is read"
        );
        server.settle();
        assert_eq!(client.receive(), None);
    }
    server.advance(Duration::from_millis(14_900));
    assert!(log.take().is_empty());
    server.advance(Duration::from_millis(200));
    let rest = client.rest();
    assert!(
        matches!(&rest[..], [Received::Ping(_), Received::Close(Some(CloseCode::INTERNAL), _), ..]),
        "{rest:?}"
    );
    server.settle();
    assert_eq!(log.take(), [format!("closed 1011 {:?} by Local", "")]);
}

#[test]
fn further_pings_give_a_silent_peer_no_more_time() {
    let (mut server, mut client, log) = pinging(PingPolicy::frames(SECOND * 4).within(SECOND * 10));
    server.advance(Duration::from_millis(13_900));
    assert!(log.take().is_empty());
    server.advance(Duration::from_millis(200));
    let closing = |received: &Received| matches!(received, Received::Close(..));
    assert!(client.rest().iter().any(closing));
}

#[test]
fn a_ping_behind_what_waits_declares_nobody_dead() {
    let (mut server, mut client, _log) = logged(async |mut socket, _| {
        socket.recv().await?;
        socket.send_binary(vec![0; 300]).await?;
        socket.start_ping(PingPolicy::frames(SECOND * 4).within(SECOND * 3));
        socket.recv().await.map(drop)
    });
    client.wire().set_window(10);
    client.send_text("go");
    for _ in 0..20 {
        server.advance(SECOND);
        let _ = client.wire().read();
    }
    assert_eq!(server.stats().connections, 1);
}

/// No pong can come within a frame.
#[test]
fn a_large_message_on_its_way_is_a_sign_of_life() {
    let (mut server, client, log) = pinging(PingPolicy::frames(SECOND * 4).within(SECOND * 3));
    let frame = crate::support::frame(0x81, &[b'x'; 20]);
    for byte in frame {
        client.wire().write(&[byte]);
        server.advance(SECOND);
    }
    assert_eq!(log.take(), [format!("Text {}", "x".repeat(20))]);
    assert_eq!(server.stats().connections, 1);
}

#[test]
fn a_ping_to_one_who_does_not_read_grows_nothing() {
    let (mut server, client, _log) = pinging(PingPolicy::text("ping", SECOND));
    client.wire().set_window(0);
    server.advance(SECOND * 25);
    assert_eq!(server.stats().connections, 1);
    server.advance(SECOND * 10);
    assert_eq!(server.stats().connections, 0, "the write stall ends it");
}

#[test]
fn the_task_of_a_policy_ends_with_its_connection() {
    let (mut server, mut client, log) = pinging(PingPolicy::text("ping", SECOND * 3600));
    assert_eq!(server.stats().tasks, 2);
    client.send_close(None, "");
    server.settle();
    assert_eq!((server.stats().tasks, log.take().len()), (0, 1));
}

#[test]
fn the_keepalive_of_the_server_works_without_any_policy() {
    let (mut server, mut client, log) = logged(async |mut socket, log| {
        let error = socket.recv().await.expect_err("nothing is ever sent");
        log.note(describe(&error));
        Ok(())
    });
    server.advance(SECOND * 20);
    assert!(matches!(client.receive(), Some(Received::Ping(_))));
    server.advance(SECOND * 41);
    assert_eq!(log.take().len(), 1, "the next ping was not answered");
    assert!(!client.rest().contains(&close_frame(1000)));
}
