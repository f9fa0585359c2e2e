//! Which answer a request gets, and what a route knows of it.

use sockeye::testing::{Received, TestServer};
use sockeye::{Event, Handler, Header, Peer, Response, Server, ServerBuilder, Socket, html, plain};

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

struct Silent;

impl Handler for Silent {
    fn event(&mut self, _peer: &mut Peer<'_>, _event: Event<'_>) {}
}

fn builder() -> ServerBuilder {
    Server::builder()
        .route("/socket", async |socket: Socket| socket.send_text("hi").await)
        .get("/page", |_| html("<p>hi"))
        .route("/both/{name}", async |socket: Socket| socket.send_text(socket.param("name")).await)
        .get("/both/{name}", |request| plain(request.param("name").to_owned()))
        .route_events("/events", |request| {
            if request.query() == Some("no") { Err(Response::new(410)) } else { Ok(Silent) }
        })
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: test:9001\r\n{headers}\r\n").into_bytes()
}

/// The status of the answer.
#[track_caller]
fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|status| status.parse().ok()).expect("an answer")
}

#[test]
fn hss_18_31_each_fault_has_its_status_and_the_first_in_order_is_told() {
    let wrong_version = UPGRADE.replace(": 13", ": 8");
    let bad_key = UPGRADE.replace("ZQ==", "Z");
    let foreign = format!("{UPGRADE}Origin: https://evil.example\r\n");
    let body = format!("{UPGRADE}Content-Length: 3\r\n");
    let cases: [(&str, &str, u16, &str); 26] = [
        ("GET /none", "", 404, ""),
        ("POST /none", "", 404, ""),
        ("GET /none", UPGRADE, 404, ""),
        ("GET /none", &foreign, 404, ""),
        ("GET /soc%6Bet", UPGRADE, 101, ""),
        ("GET /socket%", UPGRADE, 400, ""),
        ("GET /%ff", UPGRADE, 400, ""),
        ("POST /socket", "", 405, "Allow: GET\r\n"),
        ("HEAD /socket", "", 405, "Allow: GET\r\n"),
        ("POST /socket", UPGRADE, 405, "Allow: GET\r\n"),
        ("get /socket", UPGRADE, 405, "Allow: GET\r\n"),
        ("DELETE /page", "", 405, "Allow: GET, HEAD\r\n"),
        ("GET /socket", "", 426, "Sec-WebSocket-Version: 13\r\n"),
        ("GET /socket", &wrong_version, 426, "Sec-WebSocket-Version: 13\r\n"),
        ("GET /both/x", &wrong_version, 426, "Sec-WebSocket-Version: 13\r\n"),
        ("GET /socket", &bad_key, 400, ""),
        ("GET /socket", &body, 400, ""),
        ("GET /page", UPGRADE, 400, ""),
        ("GET /socket", &foreign, 403, ""),
        ("GET /socket", &format!("{UPGRADE}Origin: http://test:9001\r\n"), 101, ""),
        ("GET /socket", &format!("{UPGRADE}Origin: http://test\r\n"), 403, ""),
        ("GET /socket", &format!("{UPGRADE}Origin: null\r\n"), 403, ""),
        ("GET /socket", UPGRADE, 101, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        ("GET /events?no", UPGRADE, 410, ""),
        ("GET /events", UPGRADE, 101, ""),
        ("GET /page", "", 200, "Content-Type: text/html; charset=utf-8\r\n"),
    ];
    let mut server = TestServer::new(builder()).expect("valid routes");
    for (line, headers, expected, containing) in cases {
        let answer = server.respond(&request(line, headers));
        assert_eq!(status(&answer), expected, "{line} {headers}: {answer}");
        assert!(answer.contains(containing), "{line}: {answer}");
    }
}

#[test]
fn the_same_path_serves_a_body_and_a_socket() {
    let mut server = TestServer::new(builder()).expect("valid routes");
    let answer = server.respond(&request("GET /both/a%2Fb?x", ""));
    assert!(answer.ends_with("\r\n\r\na/b"), "{answer}");
    let answer = server.respond(&request("HEAD /both/abc", ""));
    assert!(answer.contains("Content-Length: 3\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let mut client = server.connect("/both/%C3%B1");
    assert_eq!(client.receive(), Some(Received::Text("ñ".into())));
}

#[test]
fn nothing_behind_a_refused_upgrade_is_read_as_another_request() {
    let mut server = TestServer::new(builder()).expect("valid routes");
    let both = [request("GET /none", UPGRADE), request("GET /page", "")].concat();
    let answer = server.respond(&both);
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[test]
fn hss_16_29_30_sec_06_threat_h9_h10_an_allow_list_is_exact_and_a_guard_answers_what_it_likes() {
    let builder = builder().allow_origin("https://app.example").guard(|request| {
        match request.header("Authorization") {
            Some(b"Bearer 1234") => Ok(()),
            Some(_) => {
                Err(Response::new(307).header(Header::new("Location", "/login").expect("valid")))
            }
            None => Err(Response::new(401)
                .header(Header::new("WWW-Authenticate", "Bearer").expect("valid"))),
        }
    });
    let mut server = TestServer::new(builder).expect("valid routes");
    let cases = [
        ("", 401),
        ("Authorization: Bearer 1\r\n", 307),
        ("Authorization: Bearer 1234\r\n", 101),
        ("Origin: https://app.example\r\nAuthorization: Bearer 1234\r\n", 101),
        ("Origin: https://app.example.evil\r\nAuthorization: Bearer 1234\r\n", 403),
        ("Origin: http://app.example\r\n", 403),
    ];
    for (headers, expected) in cases {
        let answer = server.respond(&request("GET /socket", &format!("{UPGRADE}{headers}")));
        assert_eq!(status(&answer), expected, "{headers}");
    }
    assert_eq!(status(&server.respond(&request("GET /page", ""))), 200, "a page is not guarded");
}

#[test]
fn a_refusal_says_what_is_wrong_in_constant_words() {
    let mut server = TestServer::new(builder()).expect("valid routes");
    let foreign = format!("{UPGRADE}Origin: https://evil.example\r\n");
    let cases = [
        ("GET /none", "", "no such path"),
        ("GET /%zz", "", "the path is not valid"),
        ("GET /page", UPGRADE, "this path has no WebSocket"),
        ("GET /socket", &foreign, "pages of this origin are not let in"),
        ("POST /socket", "", "this path does not take the method"),
    ];
    for (line, headers, text) in cases {
        let answer = server.respond(&request(line, headers));
        assert!(answer.ends_with(&format!("\r\n\r\n{text}\n")), "{line}: {answer}");
        assert!(answer.contains("Content-Type: text/plain\r\n"), "{line}: {answer}");
    }
    let answer = server.respond(&request("HEAD /socket", ""));
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn a_parameter_that_the_path_does_not_have_is_named() {
    let log = crate::support::Log::default();
    let own = log.clone();
    let builder = Server::builder()
        .route("/{a}/{b}", async |socket: Socket| socket.send_text(socket.param("zzz")).await)
        .on_error(move |error| own.note(error.to_string()));
    TestServer::new(builder).expect("a valid route").connect("/1/2");
    let expected =
        r#"the route panicked: the route's path has no parameter "zzz", only ["a", "b"]"#;
    assert_eq!(log.take(), [expected]);
}

#[test]
fn any_origin_may_be_let_in_under_a_name_that_warns() {
    let mut server = TestServer::new(builder().dangerous_allow_any_origin()).expect("valid routes");
    let answer = server
        .respond(&request("GET /socket", &format!("{UPGRADE}Origin: https://evil.example\r\n")));
    assert_eq!(status(&answer), 101);
}

#[test]
fn hss_19_20_the_first_subprotocol_of_the_clients_that_we_speak_is_chosen() {
    let builder =
        Server::builder().subprotocol("v1").subprotocol("v2").route("/", async |socket: Socket| {
            let chosen = format!("{:?}", socket.subprotocol());
            socket.send_text(&chosen).await
        });
    let mut server = TestServer::new(builder).expect("a valid route");
    let cases = [
        ("Sec-WebSocket-Protocol: v3, v2, v1\r\n", Some("v2")),
        ("Sec-WebSocket-Protocol: V1\r\n", None),
        ("", None),
    ];
    for (headers, expected) in cases {
        let answer = server.respond(&request("GET /", &format!("{UPGRADE}{headers}")));
        assert_eq!(status(&answer), 101);
        let header = expected.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        assert_eq!(
            header.is_some(),
            answer.to_ascii_lowercase().contains("sec-websocket-protocol")
        );
        assert!(answer.contains(&header.unwrap_or_default()), "{answer}");
        assert!(answer.contains(&format!("{expected:?}")), "{answer}");
    }
}

#[test]
fn a_function_that_panics_costs_one_request_and_no_more() {
    let builder = builder().get("/panic", |request| plain(request.param("none").to_owned()));
    let mut server = TestServer::new(builder).expect("valid routes");
    assert_eq!(status(&server.respond(&request("GET /panic", ""))), 500);
    assert_eq!(status(&server.respond(&request("GET /page", ""))), 200);
}

#[test]
fn mistakes_in_paths_are_told_when_the_server_is_made() {
    let nothing = async |_: Socket| Ok(());
    let cases = [
        (Server::builder().route("socket", nothing), "socket: "),
        (Server::builder().route("/{a", nothing), "/{a: "),
        (
            Server::builder().route("/a", nothing).route("/a", nothing),
            "/a: two routes have the same path",
        ),
        (Server::builder().get("/a", |_| plain("")).get("/a", |_| plain("")), "/a: two routes"),
        (
            Server::builder().route("/{a}", nothing).get("/{b}", |_| plain("")),
            "/{b}: two routes differ",
        ),
    ];
    for (builder, expected) in cases {
        let error = TestServer::new(builder).expect_err("a mistake").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn mistakes_in_limits_and_names_are_told_as_well_and_the_first_of_them() {
    let cases = [
        (Server::builder().subprotocol("a b"), "\"a b\": a subprotocol is "),
        (Server::builder().subprotocol(""), "\"\": a subprotocol is "),
        (Server::builder().allow_origin("nonsense"), "\"nonsense\": an origin is "),
        (Server::builder().threads(0), "a server has one thread at least"),
        (Server::builder().threads(0).subprotocol("a b"), "a server has one thread at least"),
    ];
    for (builder, expected) in cases {
        let error = builder.bind("127.0.0.1:0").expect_err("a mistake").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = Server::builder().start().expect_err("no address").to_string();
    assert!(error.starts_with("the server has no address"), "{error}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound");
    let error = Server::builder().bind(address).expect_err("it is taken");
    assert!(error.to_string().starts_with(&format!("{address}: ")), "{error}");
    assert!(
        matches!(error, sockeye::Error::Io(error) if error.kind() == std::io::ErrorKind::AddrInUse)
    );
    // The system gives such an address to nobody, so only listening at it fails.
    let error = Server::builder().bind("192.0.2.1:1").expect_err("it is not ours");
    assert!(error.to_string().starts_with("192.0.2.1:1: "), "{error}");
}

#[test]
fn a_route_with_a_socket_knows_the_query() {
    let builder = Server::builder()
        .route("/{room}", async |socket: Socket| {
            let told = format!("{} {:?}", socket.param("room"), socket.query());
            socket.send_text(&told).await
        })
        .route("/", async |socket: Socket| {
            socket.send_text(socket.query().unwrap_or("none")).await
        });
    let mut server = TestServer::new(builder).expect("valid routes");
    let cases = [
        ("/lobby", "lobby None"),
        ("/lobby?token=a%20b&x", "lobby Some(\"token=a%20b&x\")"),
        ("/lobby?", "lobby Some(\"\")"),
        ("/?token=c", "token=c"),
        ("/", "none"),
    ];
    for (target, expected) in cases {
        assert_eq!(server.connect(target).texts(), [expected], "{target}");
    }
}
