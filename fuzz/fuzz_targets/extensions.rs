//! Any offer is answered within what was offered, and any answer is taken only if it keeps to our
//! offer, as a reading of RFC 7692, section 7.1, that is not ours has it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::{Choices, deflate_config};
use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HeadLimits, Reply, ServerHandshake, Url,
};
use sockeye_protocol::{DeflateConfig, Outbox};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The parameters of one element, by name, if it is a permessage-deflate without a fault.
#[derive(Default)]
struct Element {
    server_no_context: bool,
    client_no_context: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: named without a value.
    client_bits: Option<Option<u8>>,
}

impl Element {
    fn parse(element: &str) -> Option<Self> {
        let mut parts = element.split(';').map(|part| part.trim_matches([' ', '\t']));
        if parts.next() != Some("permessage-deflate") {
            return None;
        }
        let mut read = Self::default();
        let mut seen = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value.replace(['"', '\\'], ""))),
                None => (part, None),
            };
            let bits = match value.as_deref() {
                None => None,
                Some(value) => Some((8..=15_u8).find(|bits| bits.to_string() == value)?),
            };
            match (name, bits) {
                ("server_no_context_takeover", None) => read.server_no_context = true,
                ("client_no_context_takeover", None) => read.client_no_context = true,
                ("server_max_window_bits", Some(bits)) => read.server_bits = Some(bits),
                ("client_max_window_bits", bits) => read.client_bits = Some(bits),
                _ => return None,
            }
            if seen.contains(&name.to_owned()) {
                return None;
            }
            seen.push(name.to_owned());
        }
        Some(read)
    }

    /// The first element of a list that `fits`.
    fn first(list: &str, fits: impl Fn(&Self) -> bool) -> Option<Self> {
        list.split(',')
            .filter_map(|element| Self::parse(element.trim_matches([' ', '\t'])))
            .find(fits)
    }
}

fn line<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A server that is offered `value`.
fn offered(value: &str, config: &DeflateConfig) {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Extensions: {value}\r\n\r\n"
    );
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let Ok(Some(head)) = handshake.receive(request.as_bytes()) else { return };
    let Ok(upgrade) = head.upgrade() else { return };
    let deflate = upgrade.deflate(config);
    let mut outbox = Outbox::new();
    let acceptance = Acceptance { deflate, ..Acceptance::default() };
    upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
    let answer = String::from_utf8(outbox.chunks().collect::<Vec<_>>().concat()).expect("ASCII");
    let (min, max) = (config.own_window_min.bits(), config.own_window_max.bits());
    let peer_max = config.peer_window_max.bits();
    let offer = Element::first(value, |offer| {
        offer.server_bits.unwrap_or(15).min(max) >= min
            && (offer.client_bits.is_some() || peer_max == 15)
    });
    assert_eq!(deflate.is_some(), offer.is_some(), "{value}");
    let (Some(deflate), Some(offer)) = (deflate, offer) else { return };
    let answer = line(&answer, "Sec-WebSocket-Extensions").expect("an answer");
    let answer = Element::parse(answer).expect("a well-formed answer");
    // 7.1.1.1: what was asked for is confirmed. 7.1.2.1: with the same value or a smaller one.
    assert!(answer.server_no_context || !offer.server_no_context);
    assert!(offer.server_bits.is_none_or(|bits| answer.server_bits.is_some_and(|own| own <= bits)));
    // 7.1.2.2: only if it was offered, with a value, and no larger than the hint.
    if let Some(bits) = answer.client_bits {
        let hint = offer.client_bits.expect("offered").unwrap_or(15);
        assert!(bits.expect("a value") <= hint);
    }
    assert_eq!(deflate.own_window().bits(), answer.server_bits.unwrap_or(15));
    assert_eq!(deflate.peer_window().bits(), answer.client_bits.flatten().unwrap_or(15));
    assert_eq!(deflate.keeps_own_context(), !answer.server_no_context);
    assert!(answer.client_no_context || deflate.keeps_peer_context());
}

/// A client that offered `config` and is answered `value`.
fn answered(value: &str, config: &DeflateConfig) {
    let url = Url::parse("ws://a/").expect("a URL");
    let request = ClientRequest::new(&url).deflate(*config);
    let (limits, nonce) = (HeadLimits::default(), *b"the sample nonce");
    let mut outbox = Outbox::new();
    let mut handshake = ClientHandshake::start(&request, nonce, limits, &mut outbox);
    let sent = String::from_utf8(outbox.chunks().collect::<Vec<_>>().concat()).expect("ASCII");
    let offer = line(&sent, "Sec-WebSocket-Extensions").expect("an offer");
    let offer = Element::parse(offer).expect("a well-formed offer");
    let response = format!(
        "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Extensions: {value}\r\n\r\n"
    );
    let Ok(Some(Reply::Switched(switched))) = handshake.receive(response.as_bytes()) else {
        return;
    };
    let deflate = switched.deflate.expect("a list of extensions has one");
    let answer = Element::first(value, |_| true).expect("a well-formed answer");
    assert!(answer.server_no_context || !offer.server_no_context);
    assert!(answer.server_bits.unwrap_or(15) <= offer.server_bits.unwrap_or(15));
    if let Some(bits) = answer.client_bits {
        let hint = offer.client_bits.expect("offered").unwrap_or(15);
        assert!(bits.expect("a value") <= hint);
    }
    assert!(deflate.own_window().bits() <= answer.client_bits.flatten().unwrap_or(15));
    assert_eq!(deflate.peer_window().bits(), answer.server_bits.unwrap_or(15));
    assert!(!deflate.keeps_own_context() || !answer.client_no_context);
    assert!(deflate.keeps_peer_context() || answer.server_no_context);
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let config = deflate_config(&mut choices);
    let Ok(value) = std::str::from_utf8(choices.rest()) else { return };
    if value.is_ascii() && !value.contains(|character: char| character.is_ascii_control()) {
        offered(value, &config);
        answered(value, &config);
    }
});
