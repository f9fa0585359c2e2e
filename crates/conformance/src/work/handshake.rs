//! Opening handshakes, in both roles.

use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    ClientHandshake, ClientRequest, HeadLimits, ServerHandshake, Url,
};

use super::case::Case;

const fn case(
    name: &'static str,
    unit: &'static str,
    units: usize,
    prepare: fn(usize) -> Box<dyn FnMut()>,
) -> Case {
    Case { name, unit, units, prepare }
}

pub(super) const CASES: &[Case] = &[
    case("request-byte-by-byte", "byte", 2000, |len| request("Cookie", &"x".repeat(len), 1)),
    case("request-lines", "line", 7, request_lines),
    case("request-lines-byte-by-byte", "byte", 2000, request_line_bytes),
    case("response-byte-by-byte", "byte", 2000, response),
    case("subprotocols-of-commas", "byte", 2000, |len| subprotocols(&",".repeat(len))),
    case("subprotocols-of-spaces", "byte", 2000, |len| subprotocols(&spaced(len))),
    case("subprotocols-of-one-letter", "byte", 2000, |len| subprotocols(&"a,".repeat(len / 2))),
    case("extensions-of-commas", "byte", 2000, |len| extensions(&",".repeat(len))),
    case("extensions-of-semicolons", "byte", 2000, |len| extensions(&repeated("a", ";", len))),
    case("extensions-of-quotes", "byte", 2000, |len| extensions(&repeated("a;b=", "\"", len))),
    case("extensions-in-one-quote", "byte", 2000, |len| extensions(&repeated("a;b=\"", "c", len))),
    case("extensions-escaped", "byte", 2000, |len| extensions(&repeated("a;b=\"", "\\c", len))),
    case("extensions-of-spaces", "byte", 2000, |len| extensions(&repeated("a", " ;", len))),
    case("offers-of-compression", "byte", 2000, offers),
    case("connection-of-commas", "byte", 2000, |len| request("Connection", &",".repeat(len), 4096)),
    case("target", "byte", 2000, target),
    case("url", "byte", 2000, url),
];

const LIMITS: HeadLimits =
    HeadLimits { head_bytes_max: 1 << 24, target_bytes_max: 1 << 24, header_lines_max: 256 };

const UPGRADE: &str = "Host: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn head(target: &str, lines: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\n{UPGRADE}{lines}\r\n").into_bytes()
}

/// Shows a head as it grows, a step at a time; every list in it is read to its end.
fn reading(head: Vec<u8>, step: usize) -> Box<dyn FnMut()> {
    Box::new(move || {
        let mut handshake = ServerHandshake::new(LIMITS);
        let ends = (step..head.len()).step_by(step).chain([head.len()]);
        let mut done = false;
        for end in ends {
            match handshake.receive(&head[..end]) {
                Ok(None) => {}
                Ok(Some(head)) => {
                    if let Ok(upgrade) = head.upgrade() {
                        std::hint::black_box(upgrade.subprotocols().count());
                        std::hint::black_box(upgrade.deflate(&sockeye::DeflateConfig::default()));
                    }
                    done = true;
                }
                // Too much of what it is: the answer is an error, and no work is left.
                Err(_) => done = true,
            }
        }
        assert!(done, "the head is complete");
    })
}

fn request(name: &str, value: &str, step: usize) -> Box<dyn FnMut()> {
    reading(head("/", &format!("{name}: {value}\r\n")), step)
}

fn request_lines(count: usize) -> Box<dyn FnMut()> {
    let count = count.min(LIMITS.header_lines_max - 5);
    reading(head("/", &"a: 1\r\n".repeat(count)), usize::MAX >> 1)
}

fn request_line_bytes(len: usize) -> Box<dyn FnMut()> {
    let lines = 64;
    let line = format!("a: {}\r\n", "1".repeat((len / lines).saturating_sub(5)));
    reading(head("/", &line.repeat(lines)), 1)
}

fn subprotocols(value: &str) -> Box<dyn FnMut()> {
    request("Sec-WebSocket-Protocol", value, 4096)
}

fn extensions(value: &str) -> Box<dyn FnMut()> {
    request("Sec-WebSocket-Extensions", value, 4096)
}

fn spaced(len: usize) -> String {
    format!("a{}b", " ".repeat(len))
}

fn repeated(start: &str, unit: &str, len: usize) -> String {
    format!("{start}{}", unit.repeat(len / unit.len()))
}

fn offers(len: usize) -> Box<dyn FnMut()> {
    let offer = "permessage-deflate; server_max_window_bits=9; client_max_window_bits, ";
    extensions(&format!("{}permessage-deflate", offer.repeat(len / offer.len())))
}

fn target(len: usize) -> Box<dyn FnMut()> {
    reading(head(&format!("/{}?{}", "%61/".repeat(len / 8), "x".repeat(len / 2)), ""), 1)
}

fn url(len: usize) -> Box<dyn FnMut()> {
    let text = format!("ws://example.com/{}?{}", "é/".repeat(len / 6), "x".repeat(len / 2));
    Box::new(move || drop(Url::parse(&text).expect("a URL")))
}

fn response(len: usize) -> Box<dyn FnMut()> {
    let url = Url::parse("ws://example.com/").expect("a URL");
    let request = ClientRequest::new(&url);
    let answer = format!("HTTP/1.1 404 Not Found\r\nX: {}\r\n\r\n", "x".repeat(len)).into_bytes();
    Box::new(move || {
        let nonce = *b"the sample nonce";
        let mut handshake = ClientHandshake::start(&request, nonce, LIMITS, &mut Outbox::new());
        let last = answer.len();
        for end in 1..last {
            assert!(matches!(handshake.receive(&answer[..end]), Ok(None)));
        }
        assert!(matches!(handshake.receive(&answer), Ok(Some(_))));
    })
}
