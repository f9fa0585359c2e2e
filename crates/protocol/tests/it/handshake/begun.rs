//! From a head to a connection at once: `ServerHandshake::answer` and `Switched::connection`.

use std::sync::Arc;

use sockeye_protocol::handshake::{
    Acceptance, Answered, ClientHandshake, ClientRequest, HeadLimits, Reply, Response,
    ServerHandshake, Upgrade, Url,
};
use sockeye_protocol::{Buffers, Config, Connection, Event, Instant, Outbox, Output, Role};

/// Answers what a client with `offered` asks for, cut at every byte, and lets the client read it.
fn begin(
    offered: &Config,
    wanted: Config,
    accept: fn(&Upgrade<'_>) -> Result<Acceptance, Response>,
) -> (Answered, Vec<u8>, Option<Connection>) {
    let url = Url::parse("ws://server.example/chat").expect("a URL");
    let request = ClientRequest::new(&url).subprotocol("chat").expect("a token").offering(offered);
    let mut outbox = Outbox::new();
    let limits = HeadLimits::default();
    let mut client = ClientHandshake::start(&request, [7; 16], limits, &mut outbox);
    let received = outbox.chunks().collect::<Vec<_>>().concat();

    let (wanted, mut buffers) = (Arc::new(wanted), Buffers::default());
    let mut outbox = Outbox::new();
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    let mut server = ServerHandshake::new(HeadLimits::default());
    for cut in 0..received.len() {
        assert!(server.answer(&received[..cut], &wanted, &mut output, accept).is_none());
    }
    let answered = server.answer(&received, &wanted, &mut output, accept).expect("it is whole");
    let answer = outbox.chunks().collect::<Vec<_>>().concat();
    let connection = match client.receive(&answer).expect("a good answer").expect("it is whole") {
        Reply::Switched(switched) => {
            assert_eq!(switched.head_len, answer.len());
            let lines = answer.split(|byte| *byte == b'\n').count();
            // Beside the status line, the empty line, and what follows the last line's end.
            assert_eq!(switched.headers(&answer).count(), lines - 3);
            assert!(switched.headers(&answer).any(|(name, _)| name == "Sec-WebSocket-Accept"));
            assert_eq!(switched.headers(&[]).count(), 0);
            Some(switched.connection(Arc::new(offered.clone()), Instant::ZERO))
        }
        Reply::Refused(_) => None,
    };
    if let Answered::Open { head_len, .. } = answered {
        assert_eq!(head_len, received.len());
    }
    (answered, answer, connection)
}

#[test]
fn what_is_accepted_begins() {
    let mut wanted = Config::default();
    wanted.message_bytes_max = 7;
    let (answered, answer, client) = begin(&Config::default(), wanted, |upgrade| {
        assert_eq!(upgrade.request().path(), "/chat");
        Ok(Acceptance { subprotocol: Some("chat".into()), ..Acceptance::default() })
    });
    let Answered::Open { connection, .. } = answered else { panic!("{answered:?}") };
    assert_eq!(connection.role(), Role::Server);
    assert_eq!(connection.config().message_bytes_max, 7);
    assert!(connection.is_open());
    assert!(answer.windows(28).any(|text| text == b"Sec-WebSocket-Protocol: chat"));
    assert_eq!(client.expect("it switched").role(), Role::Client);
}

#[test]
fn what_is_refused_is_answered_so() {
    let config = Config::default;
    let (answered, answer, client) = begin(&config(), config(), |_| Err(Response::new(403)));
    assert!(matches!(answered, Answered::Refused { status: 403 }), "{answered:?}");
    assert!(answer.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
    assert!(client.is_none());

    // Our own fault, of which nothing of a 101 may be seen.
    let (answered, answer, _) = begin(&config(), config(), |_| {
        Ok(Acceptance { subprotocol: Some("other".into()), ..Acceptance::default() })
    });
    assert!(matches!(answered, Answered::Refused { status: 500 }), "{answered:?}");
    assert!(answer.starts_with(b"HTTP/1.1 500 "));
}

/// What each says to the other, from one outbox to the other's events.
fn say(from: &mut Connection, to: &mut Connection, text: &str) -> (usize, String) {
    struct Key;
    impl sockeye_protocol::MaskKeys for Key {
        fn next_key(&mut self) -> [u8; 4] {
            [1, 2, 3, 4]
        }
    }
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let (mask_keys, now) = (&mut Key, Instant::ZERO);
    let mut output = Output { outbox: &mut outbox, mask_keys, buffers: &mut buffers, now };
    from.send_text(text, &mut output).expect("room");
    let mut bytes = output.outbox.chunks().collect::<Vec<_>>().concat();
    let len = bytes.len();
    match to.receive(&mut &mut bytes[..], &mut output) {
        Ok(Some(Event::Text(text))) => (len, text.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn compression_is_what_both_configurations_want() {
    let text = "the same again and again, ".repeat(40);
    for (offers, wants) in [(true, true), (true, false), (false, true), (false, false)] {
        let config = |compresses: bool| {
            let mut config = Config::default();
            config.ping_after = None;
            #[cfg(feature = "deflate")]
            {
                config.deflate = compresses.then(sockeye_protocol::DeflateConfig::default);
            }
            let _ = compresses;
            config
        };
        let (answered, _, client) =
            begin(&config(offers), config(wants), |_| Ok(Acceptance::default()));
        let Answered::Open { connection: mut server, .. } = answered else { panic!("refused") };
        let mut client = client.expect("it switched");
        let is_agreed = offers && wants && cfg!(feature = "deflate");
        for (len, heard) in
            [say(&mut server, &mut client, &text), say(&mut client, &mut server, &text)]
        {
            assert_eq!(heard, text);
            assert_eq!(len < text.len() / 2, is_agreed, "{len} bytes, {offers} and {wants}");
        }
    }
}
