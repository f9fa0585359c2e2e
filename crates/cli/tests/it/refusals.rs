//! Requests that are no upgrade, or a bad one: what HTTP says to them.

use crate::running::Running;
use crate::wire::{Wire, upgrade};

/// Sends one request and returns the response's head and body.
fn ask(server: &Running, request: &str) -> (String, String) {
    let mut wire = Wire::connect(server.address);
    wire.send(request.as_bytes());
    wire.response()
}

fn has_line(head: &str, line: &str) -> bool {
    head.lines().any(|one| one.eq_ignore_ascii_case(line))
}

#[test]
fn hss_31_each_fault_has_its_status() {
    let server = Running::start(&[]);
    let good = upgrade(server.address, "/echo", "");
    let cases = [
        ("no upgrade", format!("GET /echo HTTP/1.1\r\nHost: {}\r\n\r\n", server.address), 426),
        ("unknown path", upgrade(server.address, "/nowhere", ""), 404),
        (
            "unknown path without upgrade",
            "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            404,
        ),
        ("wrong method", good.replace("GET", "POST"), 405),
        (
            "wrong method on the page",
            format!("DELETE / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address),
            405,
        ),
        ("another version", good.replace("Version: 13", "Version: 8"), 426),
        ("short key", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), 400),
        ("no key", good.replace("Sec-WebSocket-Key", "X-Key"), 400),
        (
            "foreign origin",
            upgrade(server.address, "/echo", "Origin: https://elsewhere.example\r\n"),
            403,
        ),
        ("body", upgrade(server.address, "/echo", "Content-Length: 1\r\n"), 400),
        ("no host", good.replace("Host:", "X-Host:"), 400),
        ("no request at all", "Hello, server\r\n\r\n".to_owned(), 400),
        ("too many headers", upgrade(server.address, "/echo", &"X: y\r\n".repeat(200)), 431),
    ];
    for (name, request, status) in cases {
        let (head, _) = ask(&server, &request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {head}");
        assert!(has_line(&head, "Connection: close") || status == 426, "{name}: {head}");
        assert_eq!(has_line(&head, "Sec-WebSocket-Version: 13"), status == 426, "{name}: {head}");
        assert_eq!(head.contains("\r\nAllow: GET"), status == 405, "{name}: {head}");
    }
}

#[test]
fn hss_16_the_servers_own_origin_and_none_at_all_are_welcome() {
    let server = Running::start(&[]);
    let own = format!("Origin: http://{}\r\n", server.address);
    for more in ["", own.as_str()] {
        let mut wire = Wire::connect(server.address);
        wire.send(upgrade(server.address, "/echo", more).as_bytes());
        assert!(wire.head().starts_with("HTTP/1.1 101 "), "{more}");
    }
}

#[test]
fn hss_27_nothing_behind_a_refused_upgrade_is_read_as_a_request() {
    let server = Running::start(&[]);
    let (bad, page) =
        (upgrade(server.address, "/nowhere", ""), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = ask(&server, &format!("{bad}{page}"));
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(!body.contains("HTTP/1.1"), "{body}");
}
