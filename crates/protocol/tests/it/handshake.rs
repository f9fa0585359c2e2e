//! The opening handshake: tables of named heads, each shown whole, byte by byte and cut at every
//! byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod begun;
mod catalogue;
mod client;
mod clients;
mod grammar;
mod hostile;
mod interop;
mod negotiate;
mod property;
mod refusals;
mod replies;
mod request;
mod response;
mod upgrade;
mod url;
mod whole;

use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    Acceptance, BodyMode, ClientHandshake, ClientRequest, HandshakeError, Head, HeadLimits, Header,
    Reply, Response, ServerHandshake, Url,
};

/// The request of RFC 6455 section 1.2, in header lines.
const UPGRADE: [(&str, &str); 5] = [
    ("Host", "server.example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Incomplete,
    Malformed(HandshakeError),
    Plain,
    Faulty(HandshakeError),
    Upgrade,
}

use Verdict::{Faulty, Incomplete, Malformed, Plain, Upgrade};

/// Checks that a request gets the verdict, however its bytes are cut, and that it is answered.
fn check(name: &str, request: &[u8], verdict: &Verdict) {
    check_limited(name, request, HeadLimits::default(), verdict);
}

fn check_limited(name: &str, request: &[u8], limits: HeadLimits, verdict: &Verdict) {
    let bytes = request.escape_ascii();
    assert_eq!(receive(limits, request, [request.len()]), *verdict, "{name}: {bytes}");
    assert_eq!(receive(limits, request, 0..=request.len()), *verdict, "{name}, by bytes: {bytes}");
    if request.len() < 2048 {
        for cut in 0..request.len() {
            let cut_verdict = receive(limits, request, [cut, request.len()]);
            assert_eq!(cut_verdict, *verdict, "{name}, cut at {cut}: {bytes}");
        }
    }
    match verdict {
        Malformed(error) | Faulty(error) => {
            assert_eq!(written(&Response::from(*error)), answers::answer_to(*error), "{name}");
        }
        Plain | Upgrade => {
            let mut handshake = ServerHandshake::new(limits);
            let head = handshake.receive(request).unwrap().expect("the verdict says so");
            assert_eq!(answer(&head), expected_answer(&head), "{name}");
        }
        Incomplete => {}
    }
}

/// What a server that takes every upgrade answers.
fn answer(head: &Head<'_>) -> String {
    let mut outbox = Outbox::new();
    match head.upgrade() {
        Ok(upgrade) => upgrade.accept(&Acceptance::default(), &mut outbox).unwrap(),
        Err(error) => Response::from(error).write(BodyMode::Whole, &mut outbox),
    }
    drain(&outbox)
}

/// The same, put together without our own code (RFC 6455 section 4.2.2).
fn expected_answer(head: &Head<'_>) -> String {
    let Ok(upgrade) = head.upgrade() else {
        return answers::answer_to(HandshakeError::UpgradeRequired).into();
    };
    let key = upgrade.request().header("Sec-WebSocket-Key").expect("an upgrade has a key");
    let accept = tungstenite::handshake::derive_accept_key(key);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

fn receive(limits: HeadLimits, request: &[u8], ends: impl IntoIterator<Item = usize>) -> Verdict {
    let mut handshake = ServerHandshake::new(limits);
    for end in ends {
        match handshake.receive(&request[..end]) {
            Ok(None) => {}
            Ok(Some(Head::Upgrade(_))) => return Upgrade,
            Ok(Some(Head::Plain(_))) => return Plain,
            Ok(Some(Head::Faulty(_, error))) => return Faulty(error),
            Ok(Some(_)) => unreachable!("no other kind of head exists"),
            Err(error) => return Malformed(error),
        }
    }
    Incomplete
}

/// The head of a complete request.
fn head_of(request: &[u8]) -> Head<'_> {
    let received = ServerHandshake::new(HeadLimits::default()).receive(request);
    received.expect("the head is well-formed").expect("the head is complete")
}

/// A head of the start line and the lines, each of which gets its CR LF, and so does the whole.
fn head(start_line: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut head = start_line.as_bytes().to_vec();
    for line in lines {
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(line);
    }
    head.extend_from_slice(b"\r\n\r\n");
    head
}

/// A GET of `/chat` that names its host, with one more line.
fn get_with(line: &[u8]) -> Vec<u8> {
    head("GET /chat HTTP/1.1", &[b"Host: server.example.com", line])
}

/// An upgrade in which the lines of one name are replaced by these, or to which they are added.
fn upgrade_with(name: &str, values: &[&[u8]]) -> Vec<u8> {
    upgrade_of("GET /chat HTTP/1.1", name, values)
}

fn upgrade_of(request_line: &str, name: &str, values: &[&[u8]]) -> Vec<u8> {
    let kept = UPGRADE.iter().filter(|(kept, _)| *kept != name);
    let mut lines: Vec<_> = kept.map(|(name, value)| format!("{name}: {value}").into()).collect();
    lines.extend(values.iter().map(|value| [name.as_bytes(), b": ", value].concat()));
    head(request_line, &lines.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn drain(outbox: &Outbox) -> String {
    let bytes = outbox.chunks().collect::<Vec<_>>().concat();
    String::from_utf8(bytes).expect("what is sent is text")
}

fn written(response: &Response) -> String {
    let mut outbox = Outbox::new();
    response.write(BodyMode::Whole, &mut outbox);
    drain(&outbox)
}

fn header(name: &'static str, value: &'static str) -> Header {
    Header::new(name, value).expect("the header is valid")
}

fn client_request(url: &str) -> ClientRequest {
    ClientRequest::new(&Url::parse(url).expect("the URL is valid"))
}

/// A client with the nonce of the RFC's example, and what it sends.
fn start(request: &ClientRequest, limits: HeadLimits) -> (ClientHandshake, String) {
    let mut outbox = Outbox::new();
    let handshake = ClientHandshake::start(request, *b"the sample nonce", limits, &mut outbox);
    (handshake, drain(&outbox))
}

/// What a client makes of a response, in one word and its details, however the bytes are cut.
fn reply(name: &str, request: &ClientRequest, response: &[u8]) -> Result<String, HandshakeError> {
    let bytes = response.escape_ascii();
    let whole = reply_cut(request, response, [response.len()]);
    let by_bytes = reply_cut(request, response, 0..=response.len());
    assert_eq!(by_bytes, whole, "{name}, by bytes: {bytes}");
    if response.len() < 2048 {
        for cut in 0..response.len() {
            let cut_reply = reply_cut(request, response, [cut, response.len()]);
            assert_eq!(cut_reply, whole, "{name}, cut at {cut}: {bytes}");
        }
    }
    whole
}

fn reply_cut(
    request: &ClientRequest,
    response: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<String, HandshakeError> {
    let (mut handshake, _) = start(request, HeadLimits::default());
    for end in ends {
        match handshake.receive(&response[..end])? {
            None => {}
            Some(Reply::Switched(switched)) => {
                let subprotocol = switched.subprotocol.as_deref().unwrap_or("none");
                return Ok(format!("switched after {}, {subprotocol}", switched.head_len));
            }
            Some(Reply::Refused(refusal)) => {
                let (status, reason) = (refusal.status(), refusal.reason());
                return Ok(format!("refused {status} {reason:?}, body {:?}", refusal.body_len()));
            }
        }
    }
    Ok("incomplete".into())
}
