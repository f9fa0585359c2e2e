//! A request's head gets the same verdict whole and byte by byte; whatever is accepted, httparse
//! accepts and reads the same; an upgrade is answered with the key that tungstenite computes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{
    Acceptance, HandshakeError, Head, HeadLimits, Response, ServerHandshake,
};

fn verdict<'b>(
    prefixes: impl Iterator<Item = &'b [u8]>,
) -> Result<Option<Head<'b>>, HandshakeError> {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    prefixes.map(|prefix| handshake.receive(prefix)).find_map(Result::transpose).transpose()
}

fn describe(verdict: &Result<Option<Head<'_>>, HandshakeError>) -> String {
    let head = match verdict {
        Ok(Some(head)) => head,
        other => return format!("{other:?}"),
    };
    let headers = head.request().headers().collect::<Vec<_>>();
    format!("{:?} {headers:?} {:?}", head.head_len(), head.upgrade().err())
}

fuzz_target!(|data: &[u8]| {
    let whole = verdict(std::iter::once(data));
    assert_eq!(describe(&whole), describe(&verdict((0..=data.len()).map(|len| &data[..len]))));
    let head = match whole {
        Ok(Some(head)) => head,
        Ok(None) => return,
        Err(error) => return assert!((400..600).contains(&Response::from(error).status())),
    };
    compare(data, &head);
    if let Head::Upgrade(upgrade) = head {
        let mut outbox = Outbox::new();
        upgrade.accept(&Acceptance::default(), &mut outbox).expect("acceptable");
        let answer = outbox.chunks().collect::<Vec<_>>().concat();
        let key = head.request().header("sec-websocket-key").expect("an upgrade has a key");
        let accept = tungstenite::handshake::derive_accept_key(key);
        assert!(String::from_utf8_lossy(&answer).contains(&format!("Accept: {accept}\r\n")));
    }
});

/// What httparse reads of the same bytes.
fn compare(data: &[u8], head: &Head<'_>) {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(data);
    // RFC 9110, section 2.5: a later minor version is read as the latest that is known; httparse
    // knows none.
    if parsed == Err(httparse::Error::Version) {
        return;
    }
    let ours = head.request();
    assert_eq!(parsed, Ok(httparse::Status::Complete(head.head_len())));
    assert_eq!((request.method, request.path), (Some(ours.method()), Some(ours.target())));
    let theirs = request.headers.iter().map(|header| (header.name, header.value));
    assert!(ours.headers().eq(theirs), "{:?}", request.headers);
}
