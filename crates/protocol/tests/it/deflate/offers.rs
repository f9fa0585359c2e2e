//! Offers and responses (RFC 7692, sections 5 and 7.1).

use sockeye_protocol::handshake::{
    Acceptance, ClientHandshake, ClientRequest, HandshakeError, HeadLimits, Reply, ServerHandshake,
    Url,
};
use sockeye_protocol::{Deflate, DeflateConfig, Outbox, WindowBits};

use super::deflating;

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

fn with(change: impl FnOnce(&mut DeflateConfig)) -> DeflateConfig {
    let mut config = deflating();
    change(&mut config);
    config
}

/// What a server that wants `config` answers to `offers`.
fn answer(config: &DeflateConfig, offers: &str) -> Option<String> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {offers}\r\n\r\n"
    );
    let head = ServerHandshake::new(HeadLimits::default()).receive(request.as_bytes());
    let head = head.expect("a request").expect("whole");
    let upgrade = head.upgrade().expect("an upgrade");
    let acceptance = Acceptance { deflate: upgrade.deflate(config), ..Acceptance::default() };
    let mut outbox = Outbox::new();
    upgrade.accept(&acceptance, &mut outbox).expect("acceptable");
    let response = outbox.chunks().collect::<Vec<_>>().concat();
    let response = String::from_utf8(response).expect("ASCII");
    let line = response.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    assert_eq!(line.is_some(), acceptance.deflate.is_some());
    line.map(|line| line.strip_prefix("permessage-deflate").expect("the name").to_owned())
}

/// What a client that offered `config` makes of an answer.
fn check(config: Option<&DeflateConfig>, answer: &str) -> Result<Option<Deflate>, HandshakeError> {
    let mut request = ClientRequest::new(&Url::parse("ws://a/").expect("a URL"));
    if let Some(config) = config {
        request = request.deflate(*config);
    }
    let mut outbox = Outbox::new();
    let nonce = *b"the sample nonce";
    let mut handshake = ClientHandshake::start(&request, nonce, HeadLimits::default(), &mut outbox);
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{answer}\r\n"
    );
    match handshake.receive(response.as_bytes())? {
        Some(Reply::Switched(switched)) => Ok(switched.deflate),
        other => panic!("{other:?}"),
    }
}

fn check_parameters(config: &DeflateConfig, parameters: &str) -> Result<Deflate, HandshakeError> {
    let line = format!("Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n");
    check(Some(config), &line).map(|agreed| agreed.expect("answered"))
}

fn offer(config: &DeflateConfig) -> String {
    let request = ClientRequest::new(&Url::parse("ws://a/").expect("a URL")).deflate(*config);
    let mut outbox = Outbox::new();
    let _ = ClientHandshake::start(&request, [0; 16], HeadLimits::default(), &mut outbox);
    let request = outbox.chunks().collect::<Vec<_>>().concat();
    let request = String::from_utf8(request).expect("ASCII");
    let line = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    line.expect("offered").to_owned()
}

#[test]
fn pmd_01_02_03_05_10_17_ext_02_06_invalid_offers_are_declined() {
    let values =
        ["0", "7", "16", "08", "8.0", "+8", "-1", "1", "010", "15x", "x", "1e1", "255", "264"];
    let mut offers: Vec<String> = vec![
        "; x".into(),
        "; x=1".into(),
        "; server_no_context_takeovers".into(),
        "; Server_No_Context_Takeover".into(),
        "; server_no_context_takeover=1".into(),
        "; client_no_context_takeover=true".into(),
        "; server_max_window_bits".into(),
        "; server_no_context_takeover; server_no_context_takeover".into(),
        "; client_no_context_takeover; client_no_context_takeover".into(),
        "; server_max_window_bits=10; server_max_window_bits=10".into(),
        "; client_max_window_bits; client_max_window_bits=10".into(),
        "; client_max_window_bits; client_max_window_bits".into(),
        "; server_no_context_takeover; x".into(),
    ];
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        offers.extend(values.iter().map(|value| format!("; {name}={value}")));
        offers.push(format!("; {name}={}", "1".repeat(1000)));
    }
    for parameters in &offers {
        assert_eq!(answer(&deflating(), &format!("permessage-deflate{parameters}")), None);
        // PMD-05: the next offer counts.
        let offers = format!("permessage-deflate{parameters}, x, permessage-deflate");
        assert_eq!(answer(&deflating(), &offers).as_deref(), Some(""), "{parameters}");
    }
    for name in ["permessage-deflat", "x-webkit-deflate-frame", "Permessage-Deflate"] {
        assert_eq!(answer(&deflating(), name), None, "EXT-06 {name}");
    }
}

#[test]
fn pmd_04_11_13_14_18_20_21_22_24_26_ext_04_07_offers_that_are_accepted() {
    let full = deflating();
    let narrow = with(|config| {
        config.own_window_max = bits(11);
        config.peer_window_max = bits(10);
    });
    let frugal = DeflateConfig::default();
    let rows: &[(&str, &DeflateConfig, &str, Option<&str>)] = &[
        ("bare", &full, "", Some("")),
        ("PMD-11", &full, "; server_no_context_takeover", Some("; server_no_context_takeover")),
        ("PMD-14", &full, "; client_no_context_takeover", Some("; client_no_context_takeover")),
        (
            "PMD-13, PMD-24",
            &frugal,
            "",
            Some("; server_no_context_takeover; client_no_context_takeover"),
        ),
        ("PMD-18", &full, "; server_max_window_bits=15", Some("; server_max_window_bits=15")),
        ("PMD-18", &full, "; server_max_window_bits=9", Some("; server_max_window_bits=9")),
        (
            "PMD-18 quoted",
            &full,
            "; server_max_window_bits=\"12\"",
            Some("; server_max_window_bits=12"),
        ),
        (
            "PMD-18 smaller",
            &narrow,
            "; server_max_window_bits=15; client_max_window_bits",
            Some("; server_max_window_bits=11; client_max_window_bits=10"),
        ),
        (
            "PMD-18 as small",
            &narrow,
            "; server_max_window_bits=10; client_max_window_bits=9",
            Some("; server_max_window_bits=10; client_max_window_bits=9"),
        ),
        ("PMD-04, PMD-22 no window of 256", &full, "; server_max_window_bits=8", None),
        ("PMD-21 hint", &full, "; client_max_window_bits", Some("")),
        ("PMD-21 value", &full, "; client_max_window_bits=8", Some("; client_max_window_bits=8")),
        ("PMD-21 value", &full, "; client_max_window_bits=15", Some("")),
        ("PMD-20, PMD-26 may not ask", &narrow, "", None),
        ("PMD-20", &full, "; server_max_window_bits=10", Some("; server_max_window_bits=10")),
        (
            "all four",
            &full,
            "; client_max_window_bits=12; server_max_window_bits=13; client_no_context_takeover; server_no_context_takeover",
            Some(
                "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=13; client_max_window_bits=12",
            ),
        ),
    ];
    for (name, config, parameters, expected) in rows {
        let answered = answer(config, &format!("permessage-deflate{parameters}"));
        assert_eq!(answered.as_deref(), *expected, "{name}: {parameters}");
    }
    // EXT-04: the first that can be accepted, not the best.
    let offers = "permessage-deflate; server_max_window_bits=8, \
                  permessage-deflate; server_max_window_bits=10, permessage-deflate";
    assert_eq!(answer(&full, offers).as_deref(), Some("; server_max_window_bits=10"));
    assert_eq!(
        answer(&narrow, "permessage-deflate, permessage-deflate; client_max_window_bits")
            .as_deref(),
        Some("; server_max_window_bits=11; client_max_window_bits=10"),
        "PMD-26: the next offer"
    );
    // EXT-07: of several that could be accepted, one is.
    let twice = "permessage-deflate; client_no_context_takeover, permessage-deflate";
    assert_eq!(answer(&full, twice).as_deref(), Some("; client_no_context_takeover"));
}

#[test]
fn pmd_12_pmd_14_pmd_25_ext_05_offers() {
    assert_eq!(offer(&deflating()), "permessage-deflate; client_max_window_bits");
    assert_eq!(
        offer(&DeflateConfig::default()),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         client_max_window_bits"
    );
    let narrow = with(|config| {
        config.own_window_max = bits(10);
        config.peer_window_max = bits(9);
    });
    assert_eq!(
        offer(&narrow),
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10"
    );
    assert_eq!(offer(&with(|config| config.own_window_min = bits(15))), "permessage-deflate");
    // PMD-20: whoever offers to listen hears no answer but a window that must be refused.
    let crossed = with(|config| {
        config.own_window_max = bits(10);
        config.own_window_min = bits(12);
    });
    assert_eq!(offer(&crossed), "permessage-deflate");
    assert_eq!(check_parameters(&crossed, "").expect("PMD-27").own_window(), bits(10));
}

#[test]
fn pmd_06_07_08_09_10_19_20_21_25_ext_01_02_07_09_responses_that_are_refused() {
    let full = deflating();
    let narrow = with(|config| {
        config.own_window_max = bits(10);
        config.peer_window_max = bits(10);
    });
    let silent = with(|config| config.own_window_min = bits(15));
    let frugal = DeflateConfig::default();
    let mut rows: Vec<(&str, &DeflateConfig, String)> = vec![
        ("PMD-06", &full, "; x".into()),
        ("PMD-06", &full, "; x=1".into()),
        ("PMD-08", &full, "; server_no_context_takeover; server_no_context_takeover".into()),
        ("PMD-08", &full, "; client_no_context_takeover; client_no_context_takeover".into()),
        ("PMD-08", &full, "; server_max_window_bits=9; server_max_window_bits=9".into()),
        ("PMD-08", &full, "; client_max_window_bits=9; client_max_window_bits=9".into()),
        ("PMD-10", &full, "; server_no_context_takeover=1".into()),
        ("PMD-10", &full, "; client_no_context_takeover=1".into()),
        ("PMD-19 larger", &narrow, "; server_max_window_bits=11".into()),
        ("PMD-19 absent", &narrow, "; client_max_window_bits=10".into()),
        ("PMD-20", &silent, "; client_max_window_bits=15".into()),
        ("PMD-21 no value", &full, "; client_max_window_bits".into()),
        ("PMD-21 larger", &narrow, "; server_max_window_bits=10; client_max_window_bits=11".into()),
        ("PMD-09 smaller than can be done", &full, "; client_max_window_bits=8".into()),
        ("PMD-25", &frugal, String::new()),
        ("PMD-25", &frugal, "; client_no_context_takeover".into()),
    ];
    for name in ["server_max_window_bits", "client_max_window_bits"] {
        for value in ["0", "7", "16", "08", "012", "1000", "x"] {
            rows.push(("PMD-07", &full, format!("; {name}={value}")));
        }
    }
    rows.push(("PMD-07", &full, "; server_max_window_bits".into()));
    for (name, config, parameters) in &rows {
        let checked = check_parameters(config, parameters);
        assert_eq!(checked, Err(HandshakeError::ExtensionParameters), "{name}: {parameters}");
    }
    assert_eq!(HandshakeError::ExtensionParameters.status(), 502);
    for (name, value) in [
        ("EXT-07", "permessage-deflate, permessage-deflate"),
        ("EXT-09", "x"),
        ("EXT-01", "permessage-deflate, x"),
        ("EXT-01", "Permessage-deflate"),
    ] {
        let checked = check(Some(&full), &format!("Sec-WebSocket-Extensions: {value}\r\n"));
        assert_eq!(checked, Err(HandshakeError::ExtensionNotOffered), "{name}");
    }
    let unasked = check(None, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    assert_eq!(unasked, Err(HandshakeError::ExtensionNotOffered));
}

#[test]
fn pmd_12_pmd_15_pmd_16_pmd_23_pmd_27_ext_08_responses_that_are_accepted() {
    let full = deflating();
    let agreed = check_parameters(&full, "").expect("bare");
    assert!(agreed.keeps_own_context() && agreed.keeps_peer_context());
    assert_eq!((agreed.own_window(), agreed.peer_window()), (bits(15), bits(15)), "PMD-23");
    let agreed = check_parameters(&full, "; server_no_context_takeover").expect("PMD-12");
    assert!(agreed.keeps_own_context() && !agreed.keeps_peer_context());
    let agreed = check_parameters(&full, "; client_no_context_takeover").expect("PMD-16");
    assert!(!agreed.keeps_own_context() && agreed.keeps_peer_context());
    for window in 8..=15 {
        let agreed = check_parameters(&full, &format!("; server_max_window_bits={window}"));
        assert_eq!(agreed.expect("PMD-17").peer_window(), bits(window));
        if window > 8 {
            let agreed = check_parameters(&full, &format!("; client_max_window_bits={window}"));
            assert_eq!(agreed.expect("PMD-21").own_window(), bits(window));
        }
    }
    let hinted = with(|config| config.own_window_max = bits(10));
    assert_eq!(check_parameters(&hinted, "").expect("PMD-27").own_window(), bits(10));
    assert_eq!(check(Some(&full), ""), Ok(None), "EXT-08");
    assert_eq!(check(None, ""), Ok(None));
    // Unasked for, we give up our own context although the server would keep it.
    let agreed = check_parameters(&DeflateConfig::default(), "; server_no_context_takeover");
    assert!(!agreed.expect("PMD-14").keeps_own_context());
    // Who lets the server ask for less than can be done, sends without compression.
    let lax = with(|config| config.own_window_min = bits(8));
    let agreed = check_parameters(&lax, "; client_max_window_bits=8").expect("PMD-22");
    assert_eq!(agreed.own_window(), WindowBits::MIN);
}

#[test]
fn pmd_17_windows_are_8_to_15() {
    for number in 0..=255_u8 {
        let window = WindowBits::new(number);
        assert_eq!(window.is_some(), (8..=15).contains(&number));
        if let Some(window) = window {
            assert_eq!((window.bits(), window.bytes()), (number, 1 << number));
            assert_eq!(window.to_string(), number.to_string());
        }
    }
}
