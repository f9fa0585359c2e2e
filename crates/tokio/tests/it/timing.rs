//! Deadlines come when they are due, whatever came before and whoever waits. Time is tokio's paused clock.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use sockeye_tokio::{Config, Error, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::coop;
use tokio::time::{Instant, sleep, timeout};

use crate::ending::beside_bytes;
use crate::wire::poll_once;

const HOUR: Duration = Duration::from_secs(3600);

/// The next frame that the server says, which is a ping with eight bytes.
async fn ping(peer: &mut DuplexStream) -> [u8; 8] {
    let mut frame = [0; 10];
    let came = timeout(HOUR, peer.read_exact(&mut frame)).await;
    came.expect("a ping comes").expect("the connection is open");
    let [0x89, 8, payload @ ..] = frame else { panic!("{frame:x?} is no ping") };
    payload
}

/// A pong can bring the next deadline nearer than that of the pong was.
#[tokio::test(start_paused = true)]
async fn pings_come_on_time_though_a_pong_may_take_longer() {
    let mut config = Config::default();
    config.ping_after = Some(Duration::from_secs(10));
    config.pong_within = Duration::from_secs(60);
    let (mut peer, mut server) = beside_bytes(config);
    let server = tokio::spawn(async move {
        while let Some(message) = server.recv().await {
            message?;
        }
        Ok::<(), Error>(())
    });
    for _ in 0..5 {
        let began = Instant::now();
        let payload = ping(&mut peer).await;
        let took = began.elapsed();
        assert!(took > Duration::from_secs(9) && took < Duration::from_millis(10_100), "{took:?}");
        peer.write_all(b"\x8A\x88\0\0\0\0").await.expect("room");
        peer.write_all(&payload).await.expect("room");
    }
    drop(peer);
    assert!(server.await.expect("no panic").is_err(), "it ends without a Close");
}

/// The timer wakes the task that waits, and not the one that waited first.
#[tokio::test(start_paused = true)]
async fn a_deadline_wakes_the_task_that_came_last() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    assert!(poll_once(server.recv()).is_pending());
    assert!(poll_once(server.recv()).is_pending());
    let server = tokio::spawn(async move { server.recv().await });
    let began = Instant::now();
    ping(&mut peer).await;
    assert!(began.elapsed() < Duration::from_millis(20_100));
    server.abort();
}

/// A task whose budget is spent gets no timer; it has one as soon as it has budget again.
#[tokio::test(start_paused = true)]
async fn a_task_without_budget_does_not_miss_its_deadline() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    let server = tokio::spawn(async move {
        let mut is_spent = false;
        let received = poll_fn(|context| {
            while !is_spent && coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(context);
            }
            is_spent = true;
            server.poll_recv(context)
        });
        received.await
    });
    let began = Instant::now();
    ping(&mut peer).await;
    assert!(began.elapsed() < Duration::from_millis(20_100));
    server.abort();
}

/// A ping whose pong has not come before a rest is forgotten with the rest.
#[tokio::test(start_paused = true)]
async fn a_pong_that_is_awaited_has_its_time_after_a_rest() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    assert!(timeout(Duration::from_secs(25), server.recv()).await.is_err());
    ping(&mut peer).await;
    peer.write_all(b"\x81\x81\0\0\0\0a").await.expect("room");
    assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("a"));
    sleep(Duration::from_secs(90)).await;
    let began = Instant::now();
    let received = server.recv().await.expect("the error");
    assert!(matches!(received, Err(Error::TimedOut(_))), "{received:?}");
    let took = began.elapsed();
    // Another ping after 20 s, early by up to a sixteenth, and 20 s for its pong.
    assert!(took > Duration::from_millis(38_700), "{took:?}");
}

/// Where nothing was awaited a rest ends with a ping, which has its time.
#[tokio::test(start_paused = true)]
async fn a_rest_is_followed_by_a_ping_and_not_by_the_end() {
    let (mut peer, mut server) = beside_bytes(Config::default());
    for _ in 0..3 {
        peer.write_all(b"\x81\x81\0\0\0\0a").await.expect("room");
        assert_eq!(server.recv().await.expect("open").expect("well"), Message::text("a"));
        sleep(Duration::from_secs(90)).await;
    }
    let began = Instant::now();
    let received = server.recv().await.expect("the error");
    assert!(matches!(received, Err(Error::TimedOut(_))), "{received:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(20) && took < Duration::from_millis(40_100), "{took:?}");
    ping(&mut peer).await;
}
