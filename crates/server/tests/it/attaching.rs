//! What a guard attaches to a request, and until when it lives.

use std::sync::Arc;
use std::time::Duration;

use sockeye::testing::{Received, TestServer};
use sockeye::{
    BlockingSocket, Client, CloseCode, Event, Handler, Message, Peer, Request, Response, Server,
    ServerBuilder, Socket,
};

use crate::support::{Log, close_frame, frame, request};

const PATIENCE: Duration = Duration::from_secs(10);

/// Tells when it is dropped; one whose name is `bomb` panics then.
struct User {
    name: String,
    log: Log,
}

impl Drop for User {
    fn drop(&mut self) {
        self.log.note(format!("{} is gone", self.name));
        assert_ne!(self.name, "bomb", "as the test wants it");
    }
}

/// What was attached besides.
struct Tenant(u32);

struct Greeter(Option<Arc<User>>);

impl Handler for Greeter {
    fn open(&mut self, peer: &mut Peer<'_>) {
        peer.send_text(&greeting(self.0.as_deref())).expect("room");
    }

    fn event(&mut self, _peer: &mut Peer<'_>, _event: Event<'_>) {}
}

fn greeting(user: Option<&User>) -> String {
    format!("hello, {}", user.map_or("whoever you are", |user| &user.name))
}

/// Without a guard.
fn routes() -> ServerBuilder {
    Server::builder()
        .route("/async", async |mut socket: Socket| {
            let user = socket.attached::<User>();
            socket.send_text(&greeting(user.as_deref())).await?;
            while socket.recv().await.is_ok() {
                // What it holds does not keep it from receiving.
                let tenant = user.as_ref().and_then(|_| socket.attached::<Tenant>());
                socket.send_text(&format!("{:?}", tenant.map(|tenant| tenant.0))).await?;
            }
            Ok(())
        })
        .route_blocking("/blocking", |mut socket: BlockingSocket| {
            socket.send_text(&greeting(socket.attached::<User>().as_deref()))?;
            while socket.recv().is_ok() {}
            Ok(())
        })
        .route_events("/events", |request| match request.query() {
            Some("no") => Err(Response::new(410)),
            _ => Ok(Greeter(request.attached())),
        })
}

/// Attaches who the header or else the query names.
fn guarded(log: &Log) -> ServerBuilder {
    let log = log.clone();
    routes().guard(move |request: &Request<'_>| {
        let header = request.header("Authorization").and_then(|value| str::from_utf8(value).ok());
        let name = header.or_else(|| request.query()).ok_or_else(|| Response::new(401))?;
        request.attach(User { name: name.to_owned(), log: log.clone() });
        if name == "eve" { Err(Response::new(403)) } else { Ok(()) }
    })
}

#[test]
fn each_kind_of_route_knows_the_user_that_the_guard_found_in_a_header() {
    let log = Log::default();
    let server = guarded(&log).bind("127.0.0.1:0").expect("a port is free");
    let address = server.local_addr().expect("TCP");
    for path in ["async", "blocking", "events"] {
        let client = Client::new(&format!("ws://{address}/{path}")).header("Authorization", "Ana");
        let mut socket = client.connect_blocking().expect("the guard lets her in");
        assert_eq!(socket.recv_timeout(PATIENCE).expect("a text"), Message::text("hello, Ana"));
        assert!(socket.attached::<User>().is_none(), "this end has asked no guard");
        socket.close(CloseCode::NORMAL, "").expect("a legal code");
    }
    server.shutdown(PATIENCE);
    assert_eq!(log.take(), ["Ana is gone"; 3]);
}

#[test]
fn without_a_guard_or_of_another_type_nothing_is_attached() {
    let mut server = TestServer::new(routes()).expect("valid routes");
    for path in ["/async", "/events", "/async?Ana"] {
        assert_eq!(server.connect(path).texts(), ["hello, whoever you are"], "{path}");
    }
    let builder = routes().guard(|request| {
        request.attach("Ana");
        request.attach(Arc::new(Tenant(7)));
        Ok(())
    });
    let mut server = TestServer::new(builder).expect("valid routes");
    for path in ["/async", "/events", "/async?Ana"] {
        assert_eq!(server.connect(path).texts(), ["hello, whoever you are"], "{path}");
    }
}

#[test]
fn values_of_several_types_lie_side_by_side_and_the_latest_of_each_holds() {
    let log = Log::default();
    let own = log.clone();
    let builder = routes().guard(move |request| {
        for (number, name) in (1..).zip(["Ana", "Berta"]) {
            request.attach(Tenant(number));
            request.attach(User { name: name.into(), log: own.clone() });
            assert_eq!(request.attached::<User>().map(|user| user.name.clone()), Some(name.into()));
        }
        Ok(())
    });
    let mut server = TestServer::new(builder).expect("valid routes");
    let mut client = server.connect("/async?token");
    assert_eq!(log.take(), ["Ana is gone"]);
    client.send_text("my tenant?");
    server.settle();
    assert_eq!(client.texts(), ["hello, Berta", "Some(2)"]);
}

#[test]
fn what_was_attached_to_a_request_that_is_refused_is_dropped_with_it() {
    let log = Log::default();
    let builder = guarded(&log).blocking_routes_max(0);
    let mut server = TestServer::new(builder).expect("valid routes");
    // By the guard, by the route, and for want of a thread.
    for (path, status, name) in
        [("/async?eve", 403, "eve"), ("/events?no", 410, "no"), ("/blocking?Ana", 503, "Ana")]
    {
        let answer = server.respond(&request(path));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert_eq!(log.take(), [format!("{name} is gone")], "{path}");
    }
    assert!(server.respond(&request("/async")).starts_with("HTTP/1.1 401 "));
    assert!(log.take().is_empty());
}

#[test]
fn what_was_attached_lives_as_long_as_its_socket_or_a_handle() {
    let log = Log::default();
    let mut server = TestServer::new(guarded(&log)).expect("valid routes");
    for path in ["/async?Ana", "/events?Ana"] {
        let mut client = server.connect(path);
        assert_eq!(client.texts(), ["hello, Ana"]);
        server.advance(Duration::from_secs(10));
        assert!(log.take().is_empty(), "{path}");
        client.send_close(Some(CloseCode::NORMAL), "");
        server.settle();
        assert_eq!(client.rest(), [close_frame(1000), Received::End]);
        assert_eq!(log.take(), ["Ana is gone"], "{path}");
    }
    let mut client = server.connect("/async?Berta");
    let handle = server.sockets().pop().expect("it is open");
    client.send_close(None, "");
    server.settle();
    assert!(log.take().is_empty());
    assert_eq!(handle.attached::<User>().map(|user| user.name.clone()), Some("Berta".into()));
    drop(handle);
    assert_eq!(log.take(), ["Berta is gone"]);
}

#[test]
fn a_user_that_panics_when_it_is_dropped_costs_nobody_else_anything() {
    let log = Log::default();
    let mut server = TestServer::new(guarded(&log)).expect("valid routes");
    let mut other = server.connect("/async?Ana");
    assert_eq!(other.texts(), ["hello, Ana"]);
    for path in ["/async?bomb", "/events?bomb"] {
        let client = server.connect(path);
        client.wire().write(&frame(0x88, b"\x03\xe8"));
        server.settle();
        assert_eq!(log.take(), ["bomb is gone"], "{path}");
        other.send_text("my tenant?");
        server.settle();
        assert_eq!(other.receive(), Some(Received::Text("None".into())), "{path}");
    }
    server.settle();
    assert_eq!((server.stats().connections, server.stats().tasks), (1, 1));
}
