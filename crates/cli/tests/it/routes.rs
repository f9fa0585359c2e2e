//! What each route of `sockeye serve` does.

use crate::running::Running;
use crate::wire::{BINARY, CLOSE, CONTINUATION, FIN, Frame, PING, PONG, TEXT, Wire, frame};

fn page(server: &Running, path: &str) -> (String, String) {
    let mut wire = Wire::connect(server.address);
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).as_bytes());
    let (head, body) = wire.response();
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    let length =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    assert_eq!(length.parse(), Ok(body.len()), "{path}");
    (head, body)
}

#[test]
fn the_page_is_whole_and_asks_nobody_else() {
    let server = Running::start(&[]);
    let (head, body) = page(&server, "/");
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n"), "{head}");
    for panel in ["echo", "dialogue", "ticker", "chat", "products", "figures"] {
        assert!(body.contains(&format!("data-panel=\"{panel}\"")), "{panel}");
    }
    assert!(
        body.contains("new WebSocket(") && body.contains("color-scheme"),
        "script and style are in it"
    );
    // What it says to type works in a fresh clone.
    assert!(body.contains("<code>cargo run --release -- connect "), "the footer");
    // The one address in it is the name of SVG's vocabulary, which nobody fetches.
    let addresses = body.matches("http://").count() + body.matches("https://").count();
    assert_eq!(addresses, body.matches("http://www.w3.org/2000/svg").count());
}

#[test]
fn health_and_metrics_are_plain_text() {
    let server = Running::start(&[]);
    assert_eq!(page(&server, "/healthz").1, "ok\n");
    let mut wire = Wire::open(server.address, "/echo");
    wire.send_text("counted");
    wire.text();
    let value = |body: &str, name: &str| -> f64 {
        let line = body
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("no {name}: {body}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    };
    // The echo may come before the turn that counted it has ended.
    let (head, body) = (0..1000)
        .map(|_| page(&server, "/metrics"))
        .find(|(_, body)| value(body, "sockeye_messages_sent_total") >= 1.0)
        .expect("what was sent is counted");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
    let value = |name| value(&body, name);
    assert!(value("sockeye_connections") >= 1.0);
    assert!(value("sockeye_messages_received_total") >= 1.0);
    assert!(value("sockeye_bytes_received_total") >= 13.0);
    assert!(value("sockeye_bytes_sent_total") >= 9.0);
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().expect("split yields one");
        assert!(body.contains(&format!("# TYPE {name} ")), "{line} has no type");
    }
}

#[test]
fn the_three_echoes_keep_type_and_order() {
    let server = Running::start(&[]);
    for path in ["/echo", "/echo/async", "/echo/blocking"] {
        let mut wire = Wire::open(server.address, path);
        let sent = [
            frame(FIN | TEXT, "né".as_bytes()),
            frame(FIN | BINARY, &[0, 255]),
            frame(FIN | TEXT, b""),
        ]
        .concat();
        wire.send(&sent);
        assert_eq!(wire.text(), "né");
        assert_eq!(wire.frame(), Some(Frame { opcode: BINARY, payload: vec![0, 255] }));
        assert_eq!(wire.text(), "");
        wire.send(
            &[frame(TEXT, b"in "), frame(FIN | PING, b"p"), frame(FIN | CONTINUATION, b"pieces")]
                .concat(),
        );
        assert_eq!(wire.frame(), Some(Frame { opcode: PONG, payload: b"p".to_vec() }));
        assert_eq!(wire.text(), "in pieces");
        wire.send(&frame(FIN | CLOSE, &[&4000_u16.to_be_bytes()[..], b"done"].concat()));
        assert_eq!(wire.closed().0, 4000, "{path}");
    }
}

#[test]
fn the_greeter_says_hello_to_every_message() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/connect");
    for _ in 0..2 {
        wire.send_text("anything");
        assert_eq!(wire.text(), "Hello!");
    }
}

#[test]
fn the_dialogue_asks_until_it_is_answered() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/dialogue");
    for (question, answer) in [
        ("What is your name?", ""),
        ("Please, insert your name!", "Ana"),
        ("And your age?", "old"),
        ("Please, insert a valid number", "-"),
        ("Please, insert a valid number", "33"),
    ] {
        assert_eq!(wire.text(), question);
        wire.send_text(answer);
    }
    assert_eq!(wire.text(), "You're Ana, and you are 33 old.");
    let close = wire.frame().expect("a Close frame");
    assert_eq!((close.opcode, &close.payload[..]), (CLOSE, &1000_u16.to_be_bytes()[..]));
    wire.send(&frame(FIN | CLOSE, &close.payload));
    assert_eq!(wire.frame(), None);
}

#[test]
fn the_ticker_ticks() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/ticker");
    let (first, second) = (wire.text(), wire.text());
    for tick in [&first, &second] {
        let time = tick.split(" -> ").nth(1).unwrap_or_else(|| panic!("no time in {tick:?}"));
        assert!(time.len() == 20 && time.ends_with('Z'), "{tick}");
    }
    assert_ne!(first, second);
    wire.send(&frame(FIN | CLOSE, &1000_u16.to_be_bytes()));
    while wire.frame().expect("a Close frame in answer").opcode != CLOSE {}
    assert_eq!(wire.frame(), None);
}

#[test]
fn the_room_hears_everybody_and_tells_newcomers() {
    let server = Running::start(&[]);
    let mut ana = Wire::open(server.address, "/chat");
    ana.send_text("/name Ana");
    while ana.text() != "* guest-1 is now called Ana" {}
    let mut bo = Wire::open(server.address, "/chat");
    bo.send_text("hello");
    for wire in [&mut ana, &mut bo] {
        while wire.text() != "guest-2: hello" {}
    }
    ana.send_text("hi");
    for wire in [&mut ana, &mut bo] {
        assert_eq!(wire.text(), "Ana: hi");
    }
    ana.send_text(&"x".repeat(501));
    assert!(ana.text().starts_with("* "), "too long a line is not passed on");
    let mut late = Wire::open(server.address, "/chat");
    assert_eq!((late.text(), late.text()), ("guest-2: hello".to_owned(), "Ana: hi".to_owned()));
    drop(bo);
    while ana.text() != "* guest-2 has left" {}
}

#[test]
fn products_notify_only_the_subscribers_of_their_version() {
    let server = Running::start(&[]);
    let mut first = Wire::open(server.address, "/ws/v1/productos");
    let mut second = Wire::open(server.address, "/ws/v1/productos");
    let mut other = Wire::open(server.address, "/ws/v2/productos");
    for (command, notice) in [
        ("create Salmon", "created 1 Salmon"),
        ("update 1 Smoked salmon", "updated 1 Smoked salmon"),
        ("create Trout", "created 2 Trout"),
        ("delete 1", "deleted 1"),
    ] {
        first.send_text(command);
        for wire in [&mut first, &mut second] {
            assert_eq!(wire.text(), notice);
        }
    }
    first.send_text("delete 1");
    assert_eq!(first.text(), "error there is no product 1");
    first.send_text("list");
    assert_eq!(first.text(), "product 2 Trout\n");
    // What the other version hears first is its own, and the second subscriber heard nothing that was meant for one.
    other.send_text("create Agua");
    assert_eq!(other.text(), "created 1 Agua");
    second.send_text("list");
    assert_eq!(second.text(), "product 2 Trout\n");
}

#[test]
fn the_slow_route_takes_one_message_a_second_in_order() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/slow");
    wire.send(
        &(0..10_000)
            .flat_map(|number| frame(FIN | TEXT, &[b'0' + (number % 10) as u8]))
            .collect::<Vec<_>>(),
    );
    for expected in ["0", "1", "2"] {
        assert_eq!(wire.text(), expected);
    }
}

#[test]
fn the_figures_come_by_themselves() {
    let server = Running::start(&[]);
    let mut wire = Wire::open(server.address, "/figures");
    let (first, second) = (wire.text(), wire.text());
    for part in [
        "connections",
        "messages_received",
        "messages_sent",
        "bytes_received",
        "bytes_sent",
        "drops",
        "uptime_millis",
    ] {
        assert!(first.contains(&format!("\"{part}\":")), "{first}");
    }
    assert_ne!(first, second);
}
