//! Whatever arrives, and however it is cut.

use super::*;
use proptest::prelude::*;

/// Bytes that look like a head often enough to get past the first checks.
fn head_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET /chat HTTP/1.1\r\n".to_vec()),
        Just(b"HTTP/1.1 101 Switching Protocols\r\n".to_vec()),
        Just(b"Host: h\r\n".to_vec()),
        Just(b"Upgrade: websocket\r\n".to_vec()),
        Just(b"Connection: Upgrade\r\n".to_vec()),
        Just(b"Sec-WebSocket-Version: 13\r\n".to_vec()),
        Just(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n".to_vec()),
        Just(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n".to_vec()),
        Just(b"Sec-WebSocket-Protocol: ".to_vec()),
        Just(b"Sec-WebSocket-Extensions: ".to_vec()),
        Just(b"Content-Length: ".to_vec()),
        Just(b"\r\n".to_vec()),
        "[ -~]{0,8}".prop_map(String::into_bytes),
        "[a;=\", \\\\]{0,12}\r\n".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// A whole head, of which a few bytes were changed, added or removed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let offer = &b"a; b=\"c\", permessage-deflate; client_max_window_bits"[..];
    let request = upgrade_with("Sec-WebSocket-Extensions", &[offer]);
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    proptest::collection::vec(change, 1..4).prop_map(move |changes| {
        let mut request = request.clone();
        for (index, byte, kind) in changes {
            let at = index.index(request.len());
            match kind {
                0 => request[at] = byte,
                1 => request.insert(at, byte),
                _ => {
                    request.remove(at);
                }
            }
        }
        request
    })
}

fn walk(bytes: &[u8]) {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let Ok(Some(head)) = handshake.receive(bytes) else { return };
    assert!(head.head_len() <= bytes.len());
    let request = head.request();
    assert!(request.path().starts_with('/'));
    assert!(request.headers().all(|(name, _)| request.header(name).is_some()));
    let Ok(upgrade) = head.upgrade() else { return };
    let acceptance = Acceptance {
        subprotocol: upgrade.subprotocols().last().map(|last| last.to_string().into()),
        ..Default::default()
    };
    for offer in upgrade.extension_offers() {
        assert!(offer.parameters().all(|(name, _)| !name.is_empty()));
    }
    let mut outbox = Outbox::new();
    upgrade.accept(&acceptance, &mut outbox).expect("an offered subprotocol can be accepted");
    assert_eq!(drain(&outbox).matches("\r\n\r\n").count(), 1);
}

proptest! {
    #[test]
    fn hdr_16_no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        walk(&bytes);
        let _ = reply_cut(&client_request("ws://h"), &bytes, [bytes.len()]);
    }

    #[test]
    fn hss_01_any_cut_the_same_verdict(bytes in head_like(), cut in any::<prop::sample::Index>()) {
        walk(&bytes);
        let whole = receive(HeadLimits::default(), &bytes, [bytes.len()]);
        let cut = cut.index(bytes.len() + 1);
        prop_assert_eq!(&receive(HeadLimits::default(), &bytes, [cut, bytes.len()]), &whole);
        prop_assert_eq!(&receive(HeadLimits::default(), &bytes, 0..=bytes.len()), &whole);
    }

    #[test]
    fn hss_01_any_limits_the_same_verdict_for_any_cut(
        bytes in head_like(), head_bytes_max in 0..400_usize, target_bytes_max in 0..40_usize,
        header_lines_max in 0..12_usize,
    ) {
        let limits = HeadLimits { head_bytes_max, target_bytes_max, header_lines_max };
        let whole = receive(limits, &bytes, [bytes.len()]);
        prop_assert_eq!(&receive(limits, &bytes, 0..=bytes.len()), &whole);
    }

    #[test]
    fn hss_01_damaged_requests(bytes in damaged()) {
        walk(&bytes);
        let whole = receive(HeadLimits::default(), &bytes, [bytes.len()]);
        prop_assert_eq!(&receive(HeadLimits::default(), &bytes, 0..=bytes.len()), &whole);
    }

    #[test]
    fn hsc_27_any_cut_the_same_reply(bytes in head_like(), cut in any::<prop::sample::Index>()) {
        let request = client_request("ws://h").subprotocol("a").unwrap();
        let whole = reply_cut(&request, &bytes, [bytes.len()]);
        let cut = cut.index(bytes.len() + 1);
        prop_assert_eq!(&reply_cut(&request, &bytes, [cut, bytes.len()]), &whole);
        prop_assert_eq!(&reply_cut(&request, &bytes, 0..=bytes.len()), &whole);
    }

    #[test]
    fn uri_05_no_text_panics(text in "(ws|wss|WS)://\\PC{0,40}") {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn hss_25_our_client_and_our_server_agree(nonce in any::<[u8; 16]>()) {
        let mut outbox = Outbox::new();
        let request = client_request("ws://h/p").subprotocol("a").unwrap();
        let mut client = ClientHandshake::start(&request, nonce, HeadLimits::default(), &mut outbox);
        let sent = drain(&outbox);
        let head = head_of(sent.as_bytes());
        let mut answers = Outbox::new();
        head.upgrade().expect("our request is valid").accept(&Default::default(), &mut answers).unwrap();
        let answer = drain(&answers);
        let switched = matches!(client.receive(answer.as_bytes()), Ok(Some(Reply::Switched(_))));
        prop_assert!(switched, "{}", answer);
    }
}
