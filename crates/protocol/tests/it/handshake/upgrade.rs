//! What makes a request an upgrade (RFC 6455 section 4.2.1), and the answer to it (section 4.2.2).

use super::*;
use sockeye_protocol::handshake::HandshakeError as Error;

fn accepted(request: &[u8], acceptance: &Acceptance) -> Result<String, Error> {
    let mut outbox = Outbox::new();
    head_of(request).upgrade()?.accept(acceptance, &mut outbox)?;
    Ok(drain(&outbox))
}

#[test]
fn hss_03_the_method_is_get() {
    for method in ["POST", "get", "Get", "HEAD", "PUT", "OPTIONS", "CONNECT", "GETS"] {
        let line = format!("{method} /chat HTTP/1.1");
        check(method, &upgrade_of(&line, "Host", &[b"h"]), &Faulty(Error::Method));
        check(method, &head(&line, &[b"Host: h"]), &Plain);
    }
    assert_eq!(Error::Method.status(), 405);
}

#[test]
fn hss_06_upgrade_lists_websocket() {
    for values in [
        &[&b"websocket"[..]][..],
        &[b"WebSocket"],
        &[b"WEBSOCKET"],
        &[b"h2c, websocket"],
        &[b"websocket,h2c"],
        &[b"h2c", b"websocket"],
        &[b",, websocket ,"],
        &[b"h2c\t,\twebsocket"],
        &[b"\xff, websocket"],
    ] {
        check("listed", &upgrade_with("Upgrade", values), &Upgrade);
    }
    for values in [
        &[][..],
        &[&b""[..]],
        &[b"h2c"],
        &[b"websocket/13"],
        &[b"xwebsocket"],
        &[b"websocketx"],
        &[b"web socket"],
        &[b"websocket h2c"],
        &[b"web", b"socket"],
        &[b"\"websocket\""],
        &[b"websocket;"],
        &[b"\xffwebsocket"],
    ] {
        check("not listed", &upgrade_with("Upgrade", values), &Plain);
    }
    let plain = upgrade_with("Upgrade", &[]);
    let error = head_of(&plain).upgrade().expect_err("no upgrade was asked for");
    assert_eq!((error, error.status()), (Error::UpgradeRequired, 426));
}

#[test]
fn hss_07_connection_lists_upgrade() {
    for values in [
        &[&b"Upgrade"[..]][..],
        &[b"upgrade"],
        &[b"UPGRADE"],
        &[b"keep-alive, Upgrade"],
        &[b"Upgrade,close"],
        &[b"keep-alive", b"Upgrade"],
        &[b", ,upgrade"],
        &[b"\xff, upgrade"],
    ] {
        check("listed", &upgrade_with("Connection", values), &Upgrade);
    }
    for values in [
        &[][..],
        &[&b""[..]],
        &[b"keep-alive"],
        &[b"xUpgrade"],
        &[b"Upgradex"],
        &[b"Up grade"],
        &[b"\"Upgrade\""],
        &[b"close Upgrade"],
        &[b"upgrade\xff"],
        &[b"up", b"grade"],
    ] {
        check("not listed", &upgrade_with("Connection", values), &Faulty(Error::Connection));
    }
}

#[test]
fn hss_08_hdr_01_the_key() {
    for value in [
        "dGhlIHNhbXBsZSBub25jZQ==",
        " dGhlIHNhbXBsZSBub25jZQ== ",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "+/+/+/+/+/+/+/+/+/+/+w==",
    ] {
        check(value, &upgrade_with("Sec-WebSocket-Key", &[value.as_bytes()]), &Upgrade);
    }
    for (name, value) in [
        ("empty", &b""[..]),
        ("15 bytes", b"AAAAAAAAAAAAAAAAAAAA"),
        ("17 bytes", b"AAAAAAAAAAAAAAAAAAAAAAA="),
        ("18 bytes", b"AAAAAAAAAAAAAAAAAAAAAAAA"),
        ("no padding", b"dGhlIHNhbXBsZSBub25jZQ"),
        ("half the padding", b"dGhlIHNhbXBsZSBub25jZQ="),
        ("more padding", b"dGhlIHNhbXBsZSBub25jZQ==="),
        ("url-safe", b"-_-_-_-_-_-_-_-_-_-_-w=="),
        ("bits that carry nothing", b"dGhlIHNhbXBsZSBub25jZR=="),
        ("an inner space", b"dGhlIHNhbXBs ZSBub25jZQ=="),
        ("an inner space in 24", b"dGhlIHNhbXBs ZSBub25jQ=="),
        ("another alphabet", b"dGhlIHNhbXBsZSBub25j*Q=="),
        ("padding inside", b"dGhlIHNh==bXBsZSBub25jZQ"),
        ("quoted", b"\"dGhlIHNhbXBsZSBub25jZQ==\""),
        ("obs-text", b"dGhlIHNhbXBsZSBub25j\xffQ=="),
        ("two in one", b"dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        check(name, &upgrade_with("Sec-WebSocket-Key", &[value]), &Faulty(Error::KeyInvalid));
    }
    let key = &b"dGhlIHNhbXBsZSBub25jZQ=="[..];
    let other = &b"AAAAAAAAAAAAAAAAAAAAAA=="[..];
    check("absent", &upgrade_with("Sec-WebSocket-Key", &[]), &Faulty(Error::KeyMissing));
    check("twice", &upgrade_with("Sec-WebSocket-Key", &[key, other]), &Faulty(Error::KeyRepeated));
    check(
        "twice the same",
        &upgrade_with("Sec-WebSocket-Key", &[key, key]),
        &Faulty(Error::KeyRepeated),
    );
}

#[test]
fn hss_09_hss_17_hdr_06_the_version() {
    check("13", &upgrade_with("Sec-WebSocket-Version", &[b" 13 "]), &Upgrade);
    for value in [
        "7", "8", "14", "0", "13, 8", "8, 13", "+13", "013", "13.0", "0x0d", "", "255", "\u{661}3",
        "1 3",
    ] {
        let request = upgrade_with("Sec-WebSocket-Version", &[value.as_bytes()]);
        check(value, &request, &Faulty(Error::Version));
    }
    check("absent", &upgrade_with("Sec-WebSocket-Version", &[]), &Faulty(Error::VersionMissing));
    check(
        "twice",
        &upgrade_with("Sec-WebSocket-Version", &[b"13", b"13"]),
        &Faulty(Error::VersionRepeated),
    );
    assert_eq!(
        (Error::Version.status(), Error::VersionMissing.status(), Error::VersionRepeated.status()),
        (426, 400, 400)
    );
    assert_eq!(
        written(&Response::from(Error::Version)),
        "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: 46\r\n\r\n\
         the WebSocket version is not supported, use 13"
    );
}

#[test]
fn hss_28_an_upgrade_has_no_body() {
    for (name, lines) in [
        ("a length", "Content-Length: 5"),
        ("a coding", "Transfer-Encoding: chunked"),
        ("no coding", "Transfer-Encoding: identity"),
        ("an empty coding", "Transfer-Encoding:"),
    ] {
        let (field, value) = lines.split_once(':').expect("a line has a colon");
        let request = upgrade_with(field, &[value.trim().as_bytes()]);
        check(name, &request, &Faulty(Error::Body));
        check(name, &[&request[..], b"12345"].concat(), &Faulty(Error::Body));
    }
    check("nothing", &upgrade_with("Content-Length", &[b"0"]), &Upgrade);
    check("zeros", &upgrade_with("Content-Length", &[b"000"]), &Upgrade);
}

#[test]
fn faults_are_told_in_order() {
    let key = ("Sec-WebSocket-Key", "x");
    let version = ("Sec-WebSocket-Version", "8");
    let lines = |method: &str, version: &str, key: &str| {
        head(
            &format!("{method} / HTTP/1.1"),
            &[b"Host: h", b"Upgrade: websocket", version.as_bytes(), key.as_bytes()],
        )
    };
    let (bad_version, bad_key) =
        (format!("{}: {}", version.0, version.1), format!("{}: {}", key.0, key.1));
    check("the method", &lines("POST", &bad_version, &bad_key), &Faulty(Error::Method));
    check("the version", &lines("GET", &bad_version, &bad_key), &Faulty(Error::Version));
    let version = "Sec-WebSocket-Version: 13";
    check("the rest", &lines("GET", version, &bad_key), &Faulty(Error::Connection));
}

#[test]
fn hss_13_order_and_strangers_do_not_matter() {
    let mut lines: Vec<String> =
        UPGRADE.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    lines.push("Origin: https://a.example".into());
    let mut permutations = 0;
    permute(&mut lines, 0, &mut |lines| {
        permutations += 1;
        let mixed: Vec<String> = lines
            .iter()
            .enumerate()
            .flat_map(|(index, line)| [line.clone(), format!("X-{index}-{permutations}: {line}")])
            .collect();
        let request =
            head("GET / HTTP/1.1", &mixed.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert_eq!(receive(HeadLimits::default(), &request, [request.len()]), Upgrade, "{mixed:?}");
    });
    assert_eq!(permutations, 720);
}

/// A name that differs from a known one in its last letter only.
pub(super) fn stranger(known: &str) -> String {
    format!("{}~", &known[..known.len() - 1])
}

#[test]
fn hss_13_strangers_with_nearly_a_known_name_do_not_matter() {
    for known in [
        "Host",
        "Origin",
        "Upgrade",
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
    ] {
        check(known, &upgrade_with(&stranger(known), &[b"\xff"]), &Upgrade);
    }
    for (known, value, verdict) in [
        ("Host", "h", Malformed(Error::HostMissing)),
        ("Upgrade", "websocket", Plain),
        ("Connection", "Upgrade", Faulty(Error::Connection)),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", Faulty(Error::KeyMissing)),
        ("Sec-WebSocket-Version", "13", Faulty(Error::VersionMissing)),
    ] {
        let line = format!("{}: {value}", stranger(known));
        let kept = UPGRADE.iter().filter(|(name, _)| *name != known);
        let lines = kept.map(|(name, value)| format!("{name}: {value}")).chain([line]);
        let lines: Vec<_> = lines.map(String::into_bytes).collect();
        let lines: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        check(known, &head("GET / HTTP/1.1", &lines), &verdict);
    }
}

fn permute(lines: &mut Vec<String>, from: usize, visit: &mut dyn FnMut(&[String])) {
    if from == lines.len() {
        return visit(lines);
    }
    for other in from..lines.len() {
        lines.swap(from, other);
        permute(lines, from + 1, visit);
        lines.swap(from, other);
    }
}

#[test]
fn hdr_14_names_in_any_case() {
    for recased in [str::to_lowercase, str::to_uppercase] {
        let lines: Vec<_> = UPGRADE
            .iter()
            .map(|(name, value)| format!("{}: {value}", recased(name)).into_bytes())
            .collect();
        let lines: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        check("recased", &head("GET / HTTP/1.1", &lines), &Upgrade);
    }
}

#[test]
fn hss_22_hss_23_hss_24_hss_25_http_19_the_101() {
    let request = upgrade_with("Host", &[b"h"]);
    assert_eq!(
        accepted(&request, &Acceptance::default()).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    let request = upgrade_with("Sec-WebSocket-Protocol", &[b"chat, superchat"]);
    let mut acceptance =
        Acceptance { subprotocol: Some("superchat".into()), ..Acceptance::default() };
    acceptance.headers = vec![header("Set-Cookie", "a=b"), header("Server", "sockeye")];
    assert_eq!(
        accepted(&request, &acceptance).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: superchat\r\n\
         Set-Cookie: a=b\r\nServer: sockeye\r\n\r\n"
    );
}

#[test]
fn hss_19_hss_20_the_subprotocol_is_one_of_those_offered() {
    let offering = upgrade_with("Sec-WebSocket-Protocol", &[b"chat"]);
    for chosen in ["", "Chat", "cha", "other", "chat, other", "a\r\nb"] {
        for request in [&offering, &upgrade_with("Host", &[b"h"])] {
            let acceptance =
                Acceptance { subprotocol: Some(chosen.into()), ..Acceptance::default() };
            let mut outbox = Outbox::new();
            let head = head_of(request);
            let result = head.upgrade().unwrap().accept(&acceptance, &mut outbox);
            assert_eq!(result, Err(Error::SubprotocolNotOffered), "{chosen:?}");
            assert!(outbox.is_empty(), "{chosen:?}");
        }
    }
    assert_eq!(Error::SubprotocolNotOffered.status(), 500);
    let silent = accepted(&offering, &Acceptance::default()).unwrap();
    assert!(!silent.contains("Protocol:"), "{silent}");
}

#[test]
fn hss_21_ext_01_ext_08_extensions_are_declined_by_silence() {
    for offer in [&b"permessage-deflate; client_max_window_bits"[..], b"foo, bar; a=b"] {
        let request = upgrade_with("Sec-WebSocket-Extensions", &[offer]);
        let answer = accepted(&request, &Acceptance::default()).unwrap();
        assert!(!answer.contains("Extensions"), "{answer}");
    }
}

#[test]
fn hss_27_what_follows_the_head_is_not_looked_at() {
    let request = upgrade_with("Host", &[b"h"]);
    for behind in [&b"\x81\x80\0\0\0\0"[..], b"GET / HTTP/1.1\r\n\r\n", b"\n\n\n", &[0xff; 30_000]]
    {
        let both = [&request[..], behind].concat();
        check("followed", &both, &Upgrade);
        assert_eq!(head_of(&both).head_len(), request.len());
    }
}

#[test]
fn hss_26_the_answer_comes_before_the_first_frame() {
    let request = upgrade_with("Host", &[b"h"]);
    let mut outbox = Outbox::new();
    head_of(&request).upgrade().unwrap().accept(&Acceptance::default(), &mut outbox).unwrap();
    outbox.append(b"frame");
    assert!(drain(&outbox).ends_with("\r\n\r\nframe"));
}
