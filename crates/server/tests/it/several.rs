//! Sockets of several servers on one thread, in the hands of one task.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sockeye::testing::{Received, TestClient, TestServer};
use sockeye::{CloseCode, Socket};

use crate::support::{Log, close_frame, describe, frame, server};

/// A server whose route gave its socket away, its client, and the socket.
fn given_away() -> (TestServer, TestClient, Socket) {
    let place = Arc::new(Mutex::new(None));
    let given = Arc::clone(&place);
    let mut server = server(async move |socket| {
        *given.lock().expect("no panic") = Some(socket);
        Ok(())
    });
    let client = server.connect("/");
    let socket = place.lock().expect("no panic").take().expect("the route has run");
    (server, client, socket)
}

#[test]
fn a_route_that_passes_messages_on_to_another_servers_socket_gives_them_to_that() {
    let (mut other, mut others_client, upstream) = given_away();
    let upstream = Mutex::new(Some(upstream));
    let log = Log::default();
    let noted = log.clone();
    let mut server = server(async move |mut socket: Socket| {
        let mut upstream = upstream.lock().expect("no panic").take().expect("one client");
        let message = socket.recv().await?;
        upstream.send(message).await?;
        upstream.send_text("b").await?;
        assert_eq!(upstream.inbox_len(), 0);
        // What is at hand is not for this one.
        noted.note(upstream.try_recv().map_or_else(|error| describe(&error), |_| "one".into()));
        noted.note(socket.recv().await?.to_string());
        drop(upstream);
        socket.recv().await?;
        socket.send_text("the end").await
    });
    let mut client = server.connect("/");
    client.wire().write(&[frame(0x81, b"a"), frame(0x81, b"own")].concat());
    server.settle();
    other.settle();
    assert_eq!(log.take(), ["timeout", "own"]);
    let [a, b] = ["a", "b"].map(|text| Received::Text(text.into()));
    assert_eq!(others_client.rest(), [a, b, close_frame(CloseCode::NORMAL.as_u16())]);
    assert_eq!(client.receive(), None);
    client.send_text("c");
    server.settle();
    assert_eq!(client.texts(), ["the end"]);
}

thread_local! {
    /// A server that turns while a task of another one is polled, as if it were on another thread.
    static OTHER: RefCell<Option<TestServer>> = const { RefCell::new(None) };
}

/// Another loop sends what it finds in the queue whenever it looks there, so nothing may be kept from it.
#[test]
fn what_a_task_says_for_a_socket_of_another_loop_is_with_that_at_once() {
    let (other, mut others_client, upstream) = given_away();
    OTHER.set(Some(other));
    let turn_other =
        || OTHER.with_borrow_mut(|other| other.as_mut().expect("it is there").settle());
    let upstream = Mutex::new(Some(upstream));
    let mut server = server(async move |_socket: Socket| {
        let upstream = upstream.lock().expect("no panic").take().expect("one client");
        sockeye::sleep(Duration::from_secs(1)).await;
        upstream.send_text("a").await?;
        upstream.send_uncompressed("b").await?;
        turn_other();
        upstream.send("c").await?;
        upstream.handle().close(CloseCode::NORMAL, "")?;
        turn_other();
        Ok(())
    });
    let _client = server.connect("/");
    server.advance(Duration::from_secs(1));
    server.settle();
    turn_other();
    let [a, b, c] = ["a", "b", "c"].map(|text| Received::Text(text.into()));
    let rest = others_client.rest();
    OTHER.set(None);
    assert_eq!(rest, [a, b, c, close_frame(CloseCode::NORMAL.as_u16())]);
}

#[test]
fn no_two_sockets_have_one_identifier() {
    let sockets = [given_away(), given_away(), given_away()];
    let [one, two, three] = sockets.each_ref().map(|(_, _, socket)| socket.id());
    assert!(one != two && two != three && three != one);
    let handles = sockets.each_ref().map(|(server, _, _)| server.socket(two).is_some());
    assert_eq!(handles, [false, true, false]);
}
