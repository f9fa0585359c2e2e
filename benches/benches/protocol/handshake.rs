//! The opening handshake: request bytes to response bytes, the check of a response, and a refusal.
//!
//! "parts" is the bare work by hand: httparse, SHA-1, base64, and putting the answer together,
//! without any check. The hostile head is as long as Sockeye takes one, in few lines, since two of
//! the peers stop at their number, and its last value has a control byte. soketto stops at 8 KiB.
//! fastwebsockets leaves the handshake to an HTTP library, and the clients of tokio-websockets and
//! soketto draw a nonce that no prepared response answers.

use std::hint::black_box;
use std::io::Write as _;

use base64::Engine as _;
use criterion::{BenchmarkGroup, Criterion};
use sha1::{Digest as _, Sha1};
use sockeye_benches::pages::{Paged, UNALIGNED};
use sockeye_benches::{BROWSER_REQUEST, MINIMAL_REQUEST};
use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, Head, HeadLimits, Reply, ServerHandshake, Url,
};

use crate::endpoints::{ACCEPTING_PEERS, Wire, client_request, connect};
use crate::measure::{CpuTime, Row};

const NONCE: [u8; 16] = *b"the sample nonce";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
Upgrade: websocket\r\n\
Connection: Upgrade\r\n\
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub(crate) fn bench(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("handshake");
    for (name, request) in [("minimal", MINIMAL_REQUEST), ("browser's", BROWSER_REQUEST)] {
        accept(&mut group, name, request);
    }
    check_response(&mut group);
    refuse(&mut group);
    group.finish();
}

fn accept(group: &mut BenchmarkGroup<'_, CpuTime>, name: &str, request: &[u8]) {
    let mut row = Row::new(group, format!("accept, {name} request"), 1, request.len());
    let mut buffer = Paged::new(request.len(), &UNALIGNED);
    let mut outbox = Outbox::new();
    let acceptance = Acceptance::default();
    row.bench("sockeye", || {
        let received = buffer.next_place();
        received.copy_from_slice(black_box(request));
        match ServerHandshake::new(HeadLimits::default()).receive(received) {
            Ok(Some(Head::Upgrade(upgrade))) => {
                upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(outbox.len(), RESPONSE.len());
        outbox.advance(RESPONSE.len());
    });
    let wire = Wire::new(request.to_vec());
    for (name, accept) in ACCEPTING_PEERS {
        row.bench(name, || assert!(accept(black_box(&wire)).expect("accepted") >= 97));
    }
    row.bench("parts", || {
        let received = buffer.next_place();
        received.copy_from_slice(black_box(request));
        assert_eq!(sum_of_parts(received), RESPONSE.len());
    });
}

fn check_response(group: &mut BenchmarkGroup<'_, CpuTime>) {
    let mut row = Row::new(group, "client, response checked".to_owned(), 1, RESPONSE.len());
    let request = ClientRequest::new(&Url::parse("ws://example.com/chat").expect("a URL"));
    let mut buffer = Paged::new(RESPONSE.len(), &UNALIGNED);
    let mut outbox = Outbox::new();
    row.bench("sockeye", || {
        let limits = HeadLimits::default();
        let mut handshake = ClientHandshake::start(&request, NONCE, limits, &mut outbox);
        outbox.advance(outbox.len());
        let received = buffer.next_place();
        received.copy_from_slice(black_box(RESPONSE));
        assert!(matches!(handshake.receive(received), Ok(Some(Reply::Switched(_)))));
    });
    let (request, response) = (client_request(), Wire::new(RESPONSE.to_vec()));
    row.bench("tungstenite", || assert_eq!(connect(&request, black_box(&response)), 101));
    row.bench("parts", || {
        let received = buffer.next_place();
        received.copy_from_slice(black_box(RESPONSE));
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Response::new(&mut headers);
        assert!(parsed.parse(received).expect("a response").is_complete());
        let accept = value(parsed.headers, "sec-websocket-accept");
        assert_eq!(accept, accept_key(&base64_of::<24>(&NONCE)));
    });
}

fn refuse(group: &mut BenchmarkGroup<'_, CpuTime>) {
    let request = hostile_head(HeadLimits::default().head_bytes_max);
    let mut row = Row::new(group, "refuse, head of 16 KiB".to_owned(), 1, request.len());
    let mut buffer = Paged::new(request.len(), &UNALIGNED);
    row.bench("sockeye", || {
        let received = buffer.next_place();
        received.copy_from_slice(black_box(&request));
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        assert!(handshake.receive(received).is_err());
    });
    let wire = Wire::new(request.clone());
    for (name, accept) in ACCEPTING_PEERS {
        row.bench(name, || assert!(accept(black_box(&wire)).is_none()));
    }
    row.bench("httparse", || {
        let received = buffer.next_place();
        received.copy_from_slice(black_box(&request));
        let mut headers = [httparse::EMPTY_HEADER; 100];
        assert!(httparse::Request::new(&mut headers).parse(received).is_err());
    });
}

/// A request of `len` bytes whose last value has a control byte.
fn hostile_head(len: usize) -> Vec<u8> {
    const LINE: usize = 1000;
    let mut head = MINIMAL_REQUEST[..MINIMAL_REQUEST.len() - 2].to_vec();
    while head.len() + 2 * LINE < len {
        head.extend_from_slice(b"X-Filler: ");
        head.resize(head.len() + LINE, b'a');
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"X-Filler: ");
    head.resize(len - 5, b'a');
    head.extend_from_slice(b"\x01\r\n\r\n");
    assert_eq!(head.len(), len);
    head
}

/// The bare work of an upgrade: parse, hash, encode, put the answer together.
fn sum_of_parts(request: &[u8]) -> usize {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut headers);
    assert!(parsed.parse(request).expect("a request").is_complete());
    let accept = accept_key(value(parsed.headers, "sec-websocket-key"));
    let mut answer = [0; 160];
    let mut target = &mut answer[..];
    let parts: [&[u8]; 3] = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        &accept,
        b"\r\n\r\n",
    ];
    let written = parts.iter().map(|part| target.write(part).expect("room")).sum();
    black_box(&answer);
    written
}

fn value<'b>(headers: &[httparse::Header<'b>], name: &str) -> &'b [u8] {
    let mut headers = headers.iter();
    headers.find(|header| header.name.eq_ignore_ascii_case(name)).expect("the header").value
}

fn accept_key(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64_of(&digest.finalize())
}

fn base64_of<const LEN: usize>(bytes: &[u8]) -> [u8; LEN] {
    let mut encoded = [0; LEN];
    let engine = base64::engine::general_purpose::STANDARD;
    assert_eq!(engine.encode_slice(bytes, &mut encoded), Ok(LEN));
    encoded
}
