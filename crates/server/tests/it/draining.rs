//! A server that shuts down: connections are closed, and routes clean up behind them.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sockeye::testing::TestServer;
use sockeye::{BlockingSocket, DrainPlan, Server, Socket, connect_blocking};

use crate::support::{Log, describe};
use crate::tcp::serve;

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// A server whose route takes five seconds to clean up, and a task that never ends.
fn slow_to_clean_up() -> (TestServer, Log) {
    let log = Log::default();
    let own = log.clone();
    let builder = Server::builder().route("/", async move |mut socket: Socket| {
        sockeye::spawn(std::future::pending::<()>());
        own.note(describe(&socket.recv().await.expect_err("nothing is sent")));
        for _ in 0..10 {
            sockeye::sleep(SECOND / 2).await;
        }
        own.note("clean");
        Ok(())
    });
    (TestServer::new(builder).expect("a valid route"), log)
}

#[test]
fn a_drain_waits_for_routes_that_clean_up_and_for_no_other_task() {
    let (mut server, log) = slow_to_clean_up();
    let mut client = server.connect("/");
    let draining = server.drain(DrainPlan::within(SECOND * 10));
    server.settle();
    client.rest();
    server.advance(SECOND * 4);
    assert_eq!(
        (log.take(), draining.try_report()),
        (vec!["closed 1001 \"\" by Local".into()], None)
    );
    server.advance(SECOND * 2);
    assert_eq!(log.take(), ["clean"]);
    let report = draining.try_report().expect("the route has returned");
    assert_eq!((report.closed_cleanly, report.unfinished), (1, 0));
    assert!(report.took >= SECOND * 5 && report.took < SECOND * 6, "{:?}", report.took);
}

#[test]
fn a_route_that_cleans_up_for_too_long_is_counted_and_dropped() {
    let (mut server, log) = slow_to_clean_up();
    let mut client = server.connect("/");
    let draining = server.drain(DrainPlan::within(SECOND * 3));
    server.settle();
    client.rest();
    server.advance(SECOND * 4);
    let report = draining.try_report().expect("the deadline has passed");
    assert_eq!((report.closed_cleanly, report.cut, report.unfinished), (1, 0, 1));
    drop(server);
    assert_eq!(log.take().len(), 1);
}

/// Whatever woke it: nothing can be sent behind a Close frame, whether or not the peer has answered that.
#[test]
fn a_route_that_only_sends_learns_of_a_drain_before_its_peer_answers() {
    let log = Log::default();
    let own = log.clone();
    let builder = Server::builder().route("/", async move |socket: Socket| {
        loop {
            sockeye::sleep(SECOND).await;
            let sent = socket.send_text("tick").await;
            own.note(sent.map_or_else(|error| describe(&error), |()| "sent".into()));
        }
    });
    let mut server = TestServer::new(builder).expect("a valid route");
    let client = server.connect("/");
    server.advance(SECOND);
    let _draining = server.drain(DrainPlan::within(SECOND * 10));
    server.settle();
    server.advance(SECOND);
    assert_eq!(log.take(), ["sent", "closed 1006 \"\" by Local, not clean"]);
    drop(client);
}

#[test]
fn a_shutdown_waits_for_what_a_route_does_on_another_thread() {
    let (done, ended) = mpsc::channel();
    let (server, url) = serve(async move |mut socket| {
        socket.send_text("ready").await?;
        let error = socket.recv().await.expect_err("the server closes");
        let done = done.clone();
        sockeye::spawn_blocking(|| thread::sleep(Duration::from_millis(100))).await?;
        sockeye::sleep(Duration::from_millis(100)).await;
        let _ = done.send(error.close_code());
        Ok(())
    });
    let mut client = connect_blocking(&url).expect("the server is there");
    client.recv().expect("it is ready");
    let waiting = server.clone();
    let waiter = thread::spawn(move || waiting.wait());
    let report = server.shutdown(PATIENCE);
    assert_eq!((report.open, report.unfinished), (1, 0));
    assert!(ended.try_recv().is_ok(), "the route has cleaned up before the shutdown returned");
    waiter.join().expect("no panic");
}

#[test]
fn a_shutdown_waits_for_blocking_routes_but_not_beyond_its_deadline() {
    let (proceed, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let (done, ended) = mpsc::channel();
    let builder = Server::builder()
        .route_blocking("/slow", move |mut socket: BlockingSocket| {
            socket.send_text("ready")?;
            let _ = socket.recv();
            thread::sleep(Duration::from_millis(200));
            let _ = done.send(());
            Ok(())
        })
        .route_blocking("/stuck", move |socket: BlockingSocket| {
            socket.send_text("ready")?;
            let _ = gate.lock().expect("no panic").recv();
            Ok(())
        });
    let server = builder.bind("127.0.0.1:0").expect("a port is free");
    let url = format!("ws://{}", server.local_addr().expect("it listens over TCP"));
    let mut slow = connect_blocking(&format!("{url}/slow")).expect("the server is there");
    slow.recv().expect("it is ready");
    let mut stuck = connect_blocking(&format!("{url}/stuck")).expect("the server is there");
    stuck.recv().expect("it is ready");
    let report = server.shutdown(SECOND);
    assert_eq!((report.open, report.closed_cleanly, report.unfinished), (2, 2, 1));
    assert!(ended.try_recv().is_ok(), "the slow one was waited for");
    drop(proceed);
}
