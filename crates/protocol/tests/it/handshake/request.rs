//! Heads as HTTP has them (RFC 9112), before anything is said about an upgrade.

use super::*;
use sockeye_protocol::handshake::HandshakeError as Error;

#[test]
fn http_01_one_empty_line_may_come_first() {
    let request = get_with(b"a: b");
    check("none", &request, &Plain);
    check("one", &[b"\r\n", &request[..]].concat(), &Plain);
    check("two", &[b"\r\n\r\n", &request[..]].concat(), &Malformed(Error::StartLine));
    check("a bare LF", &[b"\n", &request[..]].concat(), &Malformed(Error::LineEnding));
    check("a space", &[b" \r\n", &request[..]].concat(), &Malformed(Error::StartLine));
    let led = [b"\r\n", &request[..]].concat();
    assert_eq!(head_of(&led).head_len(), led.len());
}

#[test]
fn hss_01_another_protocol_is_told_at_its_first_byte() {
    for byte in 0..=255_u8 {
        let http = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~\r\n".contains(&byte);
        let verdict = if http { Incomplete } else { Malformed(Error::StartLine) };
        let verdict = if byte == b'\n' { Malformed(Error::LineEnding) } else { verdict };
        check("alone", &[byte], &verdict);
        check("after an empty line", &[b'\r', b'\n', byte], &verdict);
    }
    check("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &Malformed(Error::StartLine));
    check("nothing", b"", &Incomplete);
}

#[test]
fn a_verdict_is_final() {
    let request = get_with(b"A: b");
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    for behind in ["", "", "GET / HTTP/1.1\r\n\r\n"] {
        let received = [&request[..], behind.as_bytes()].concat();
        let head = handshake.receive(&received).unwrap().expect("the head is complete");
        assert_eq!((head.head_len(), head.request().path()), (request.len(), "/chat"));
    }
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let malformed = [b"GET / HTTP/1.1\nHost: h\r\n\r\n", &request[..]].concat();
    for end in [15, 15, 16, malformed.len()] {
        assert_eq!(handshake.receive(&malformed[..end]).unwrap_err(), Error::LineEnding);
    }
}

#[test]
fn limits_may_be_as_great_as_numbers() {
    let limits = HeadLimits {
        head_bytes_max: usize::MAX,
        target_bytes_max: usize::MAX,
        header_lines_max: usize::MAX,
    };
    check_limited("no limit", &get_with(b"A: b"), limits, &Plain);
}

#[test]
fn http_02_http_03_lines_end_in_cr_lf_only() {
    for (name, request, error) in [
        ("LF only", &b"GET / HTTP/1.1\nHost: h\n\n"[..], Error::LineEnding),
        ("LF after the request line", b"GET / HTTP/1.1\nHost: h\r\n\r\n", Error::LineEnding),
        ("LF after a header", b"GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", Error::LineEnding),
        ("LF for the last line", b"GET / HTTP/1.1\r\nHost: h\r\n\n", Error::LineEnding),
        ("LF twice", b"GET / HTTP/1.1\r\nHost: h\n\n", Error::LineEnding),
        ("CR in the method", b"G\rET / HTTP/1.1\r\nHost: h\r\n\r\n", Error::StartLine),
        ("CR in the target", b"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", Error::Target),
        ("CR in the version", b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", Error::StartLine),
        ("CR in a name", b"GET / HTTP/1.1\r\nHo\rst: h\r\n\r\n", Error::HeaderName),
        ("CR in a value", b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", Error::HeaderValue),
        ("CR CR LF", b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", Error::HeaderValue),
        ("CR at a line's start", b"GET / HTTP/1.1\r\n\rHost: h\r\n\r\n", Error::LineEnding),
    ] {
        check(name, request, &Malformed(error));
    }
}

#[test]
fn http_04_http_08_http_10_whitespace_has_its_places() {
    for (name, line, error) in [
        ("before the colon", &b"A : b"[..], Error::HeaderName),
        ("a tab before the colon", b"A\t: b", Error::HeaderName),
        ("continued with a space", b"A: b\r\n c", Error::HeaderName),
        ("continued with a tab", b"A: b\r\n\tc", Error::HeaderName),
        ("continued with nothing", b"A: b\r\n ", Error::HeaderName),
        ("no colon", b"A", Error::HeaderName),
        ("an empty name", b": b", Error::HeaderName),
        ("brackets", b"(A): b", Error::HeaderName),
        ("a space in the name", b"A B: c", Error::HeaderName),
    ] {
        check(name, &get_with(line), &Malformed(error));
    }
    for line in [&b" Host: h"[..], b"\tHost: h", b" A: b\r\nHost: h"] {
        check("before the first", &head("GET / HTTP/1.1", &[line]), &Malformed(Error::HeaderName));
    }
    for line in [&b"A:b"[..], b"A: b", b"A:\t b \t", b"A:", b"A: ", b"A: b\tc"] {
        check("around a value", &get_with(line), &Plain);
    }
    assert_eq!(head_of(&get_with(b"A:\t b  c\t ")).request().header("a"), Some(&b"b  c"[..]));
}

#[test]
fn http_05_one_space_between_the_parts() {
    for line in [
        "GET  /chat HTTP/1.1",
        "GET /chat  HTTP/1.1",
        " GET /chat HTTP/1.1",
        "GET /chat HTTP/1.1 ",
        "GET\t/chat HTTP/1.1",
        "GET /chat\tHTTP/1.1",
        "GET /chat",
        "GET",
        "GET /chat HTTP/1.1\t",
        "GET /a b HTTP/1.1",
        " ",
        "GET /chat ",
        "/chat HTTP/1.1",
        "HTTP/1.1 200 OK",
        "(GET) / HTTP/1.1",
    ] {
        check(line, &head(line, &[b"Host: h"]), &Malformed(Error::StartLine));
    }
}

#[test]
fn hss_02_http_15_versions() {
    for (version, verdict) in [
        ("HTTP/1.1", Upgrade),
        ("HTTP/1.2", Upgrade),
        ("HTTP/1.9", Upgrade),
        ("HTTP/1.0", Faulty(Error::HttpVersion)),
        ("HTTP/0.9", Malformed(Error::HttpVersion)),
        ("HTTP/2.0", Malformed(Error::HttpVersion)),
        ("HTTP/3.0", Malformed(Error::HttpVersion)),
        ("http/1.1", Malformed(Error::StartLine)),
        ("HTTP/11", Malformed(Error::StartLine)),
        ("HTTP/1.10", Malformed(Error::StartLine)),
        ("HTTP/1", Malformed(Error::StartLine)),
        ("HTTP/1.", Malformed(Error::StartLine)),
        ("HTTP/1.x", Malformed(Error::StartLine)),
        ("HTTP/+1.1", Malformed(Error::StartLine)),
        ("ICAP/1.1", Malformed(Error::StartLine)),
        ("", Malformed(Error::StartLine)),
    ] {
        check(version, &upgrade_of(&format!("GET / {version}"), "Host", &[b"h"]), &verdict);
    }
    assert_eq!(Error::HttpVersion.status(), 505);
    check("an old probe", b"GET /healthz HTTP/1.0\r\n\r\n", &Plain);
    assert_eq!(head_of(b"GET /healthz HTTP/1.0\r\n\r\n").request().host(), "");
    check("the first HTTP", b"GET /\r\n\r\n", &Malformed(Error::StartLine));
}

#[test]
fn hss_04_targets() {
    for (target, verdict) in [
        ("/", Plain),
        ("/a//b", Plain),
        ("/a?b=c&d", Plain),
        ("/?", Plain),
        ("//h/a", Plain),
        ("/%23", Plain),
        ("http://h", Plain),
        ("HTTP://h:80/a", Plain),
        ("https://h/a?b", Plain),
        ("http://[::1]:9?b", Plain),
        ("*", Malformed(Error::Target)),
        ("h:80", Malformed(Error::Target)),
        ("a", Malformed(Error::Target)),
        ("ws://h/", Malformed(Error::Target)),
        ("ftp://h/", Malformed(Error::Target)),
        ("/a#b", Malformed(Error::Target)),
        ("http://h/#", Malformed(Error::Target)),
        ("?a", Malformed(Error::Target)),
        ("http:/h", Malformed(Error::Target)),
        ("", Malformed(Error::Target)),
        ("http://", Malformed(Error::HostInvalid)),
        ("http:///a", Malformed(Error::HostInvalid)),
        ("http://u@h/", Malformed(Error::HostInvalid)),
        ("http://h:x/", Malformed(Error::HostInvalid)),
        ("/\u{fc}", Malformed(Error::Target)),
        ("/\u{7f}", Malformed(Error::Target)),
        ("/\u{1}", Malformed(Error::Target)),
        ("\\", Malformed(Error::Target)),
    ] {
        let request = head(&format!("GET {target} HTTP/1.1"), &[b"Host: server.example.com"]);
        check(target, &request, &verdict);
    }
    check("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &Malformed(Error::Target));
    check("CONNECT", b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", &Malformed(Error::Target));
}

#[test]
fn hss_04_targets_are_taken_apart() {
    for (target, host, path, query) in [
        ("/", "server.example.com", "/", None),
        ("/a/b?c=d?e", "server.example.com", "/a/b", Some("c=d?e")),
        ("/a?", "server.example.com", "/a", Some("")),
        ("//h/a", "server.example.com", "//h/a", None),
        ("http://Other:81", "Other:81", "/", None),
        ("http://other?x", "other", "/", Some("x")),
        ("https://[::1]/a/?x", "[::1]", "/a/", Some("x")),
    ] {
        let request = head(&format!("GET {target} HTTP/1.1"), &[b"Host: server.example.com"]);
        let head = head_of(&request);
        let request = head.request();
        assert_eq!((request.method(), request.target()), ("GET", target));
        assert_eq!(
            (request.host(), request.path(), request.query()),
            (host, path, query),
            "{target}"
        );
    }
}

#[test]
fn hss_05_http_07_host_exactly_once() {
    for value in
        ["h", "h:80", "H.Example", "127.0.0.1:9001", "[::1]", "[::1]:9001", "h:", "a_b~c-d"]
    {
        check(value, &upgrade_with("Host", &[value.as_bytes()]), &Upgrade);
    }
    for value in [
        &b""[..],
        b" ",
        b"u@h",
        b"u:p@h",
        b"h h",
        b"h,h",
        b"h/",
        b"h?",
        b"h\\",
        b"h%20",
        b"h:x",
        b"h:-1",
        b"h:0",
        b"h:65536",
        b"h:+80",
        b"h:80:80",
        b":80",
        b"[::1",
        b"[::1]x",
        b"[x]",
        b"[::1%25eth0]",
        b"::1",
        b"\xff",
        b"h\xfc",
        b"b\xc3\xbccher",
        b"<h>",
        b"\"h\"",
        b"http://h",
    ] {
        let name = value.escape_ascii().to_string();
        check(&name, &upgrade_with("Host", &[value]), &Malformed(Error::HostInvalid));
    }
    check("absent", &upgrade_with("Host", &[]), &Malformed(Error::HostMissing));
    check("twice", &upgrade_with("Host", &[b"h", b"i"]), &Malformed(Error::HostRepeated));
    check("twice the same", &upgrade_with("Host", &[b"h", b"h"]), &Malformed(Error::HostRepeated));
    let absolute = upgrade_of("GET http://h/ HTTP/1.1", "Host", &[]);
    check("absent although the target names it", &absolute, &Malformed(Error::HostMissing));
}

#[test]
fn http_09_names_are_tokens() {
    for byte in 0..=255_u8 {
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let request = get_with(&[b'A', byte, b'B', b':', b'c']);
        let verdict = receive(HeadLimits::default(), &request, [request.len()]);
        // A second colon ends the name, a line end leaves a name without a colon.
        assert_eq!(verdict == Plain, token || byte == b':', "{byte:#04x}: {verdict:?}");
    }
}

#[test]
fn http_11_hdr_16_bytes_in_values() {
    for byte in 0..=255_u8 {
        let request = get_with(&[b'A', b':', b' ', b'b', byte, b'c']);
        let verdict = receive(HeadLimits::default(), &request, [request.len()]);
        assert_eq!(verdict == Plain, byte == b'\t' || byte >= b' ' && byte != 0x7f, "{byte:#04x}");
        for name in UPGRADE.map(|(name, _)| name).into_iter().chain([
            "Origin",
            "Content-Length",
            "Transfer-Encoding",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        ]) {
            for value in [&[byte][..], &[b'a', byte], &[byte, b'a']] {
                let request = upgrade_with(name, &[value]);
                let verdict = receive(HeadLimits::default(), &request, [request.len()]);
                assert_ne!(verdict, Incomplete, "{name}: {}", value.escape_ascii());
                let fits = value.is_ascii() && !value.iter().any(u8::is_ascii_control);
                assert!(
                    verdict != Upgrade || fits || value.contains(&b'\t'),
                    "{name}: {}",
                    value.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn http_12_http_13_lengths_are_plain() {
    for value in [
        "1,2",
        "1, 1",
        "+1",
        "-1",
        "0x1",
        "1 1",
        "18446744073709551616",
        "",
        "one",
        "1\u{660}",
        "\u{661}",
    ] {
        let request = get_with(format!("Content-Length: {value}").as_bytes());
        check(value, &request, &Malformed(Error::ContentLength));
    }
    for lines in
        ["Content-Length: 0\r\nContent-Length: 0", "Content-Length: 1\r\ncontent-length: 2"]
    {
        check(lines, &get_with(lines.as_bytes()), &Malformed(Error::ContentLength));
    }
    for lines in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "transfer-encoding: x\r\ncontent-length: 1",
    ] {
        check(lines, &get_with(lines.as_bytes()), &Malformed(Error::ContentLength));
    }
    for lines in
        ["Content-Length: 0", "Content-Length: 18446744073709551615", "Transfer-Encoding: chunked"]
    {
        check(lines, &get_with(lines.as_bytes()), &Plain);
    }
}

#[test]
fn http_17_an_expectation_is_not_waited_for() {
    check("Expect", &upgrade_with("Expect", &[b"100-continue"]), &Upgrade);
}

#[test]
fn hss_10_an_origin_stands_alone() {
    for (value, origin) in
        [("https://a.example", "https://a.example"), ("null", "null"), (" a b ", "a b")]
    {
        let request = upgrade_with("Origin", &[value.as_bytes()]);
        assert_eq!(head_of(&request).request().origin(), Some(origin));
    }
    assert_eq!(head_of(&upgrade_with("Host", &[b"h"])).request().origin(), None);
    for values in [&[&b"a"[..], b"a"][..], &[b""], &[b"\xff"], &[b"a\tb"], &[b"b\xc3\xbc"]] {
        check("bad", &upgrade_with("Origin", values), &Malformed(Error::Origin));
    }
}

#[test]
fn hss_10_every_byte_of_an_origin_is_looked_at() {
    for len in 1..=50 {
        for at in 0..len {
            for (byte, fits) in [(b'!', true), (b'~', true), (b'\t', false), (0x80, false)] {
                // What stands at an end is trimmed if it is whitespace.
                if byte == b'\t' && (at == 0 || at == len - 1) {
                    continue;
                }
                let mut origin = vec![b'a'; len];
                origin[at] = byte;
                let request = upgrade_with("Origin", &[&origin]);
                let verdict = if fits { Upgrade } else { Malformed(Error::Origin) };
                for ends in [&[request.len()][..], &[1, request.len()]] {
                    let ends = ends.iter().copied();
                    assert_eq!(
                        receive(HeadLimits::default(), &request, ends),
                        verdict,
                        "{at} of {len}"
                    );
                }
            }
        }
    }
}

#[test]
fn http_06_the_target_has_a_limit() {
    let limits = HeadLimits { target_bytes_max: 100, ..HeadLimits::default() };
    for (len, verdict) in [
        (99, Plain),
        (100, Plain),
        (101, Malformed(Error::TargetTooLong)),
        (9000, Malformed(Error::TargetTooLong)),
    ] {
        let target = format!("/{}", "a".repeat(len - 1));
        let request = head(&format!("GET {target} HTTP/1.1"), &[b"Host: h"]);
        check_limited(&len.to_string(), &request, limits, &verdict);
    }
    assert_eq!(Error::TargetTooLong.status(), 414);
    // A request line that never ends is not waited for.
    check_limited("endless", &[b'A'; 200], limits, &Malformed(Error::TargetTooLong));
}

#[test]
fn hss_32_the_head_has_a_limit() {
    let request = get_with(&[b"A: ".as_slice(), &[b'b'; 100]].concat());
    let limited = |head_bytes_max| HeadLimits { head_bytes_max, ..HeadLimits::default() };
    check_limited("exact", &request, limited(request.len()), &Plain);
    for head_bytes_max in [0, 1, 2, 20, request.len() - 1] {
        let too_large = Malformed(Error::HeadTooLarge);
        check_limited(&head_bytes_max.to_string(), &request, limited(head_bytes_max), &too_large);
    }
    let followed = [&request[..], &[0; 100]].concat();
    check_limited("with frames behind it", &followed, limited(request.len()), &Plain);
    assert_eq!(head_of(&followed).head_len(), request.len());
    assert_eq!(Error::HeadTooLarge.status(), 431);
}

#[test]
fn http_18_repeated_lines_are_counted() {
    for (max, lines, verdict) in [
        (100, 99, Plain),
        (100, 100, Malformed(Error::TooManyHeaders)),
        (100, 200, Malformed(Error::TooManyHeaders)),
        (0, 0, Malformed(Error::TooManyHeaders)),
        (31, 31, Malformed(Error::TooManyHeaders)),
        (33, 32, Plain),
        (1000, 255, Plain),
        (1000, 256, Malformed(Error::TooManyHeaders)),
    ] {
        let limits = HeadLimits { header_lines_max: max, ..HeadLimits::default() };
        let lines = vec![&b"a: 1"[..]; lines];
        let request = head("GET / HTTP/1.1", &[&[&b"Host: h"[..]], &lines[..]].concat());
        check_limited(&format!("{} of {max}", lines.len() + 1), &request, limits, &verdict);
    }
    assert_eq!(Error::TooManyHeaders.status(), 431);
}

#[test]
fn hdr_14_headers_are_found_in_any_case_and_kept_in_order() {
    let request = get_with(b"X-A: 1\r\nx-b: 2\r\nX-a: \xff");
    let head = head_of(&request);
    let request = head.request();
    let headers: Vec<_> = request.headers().collect();
    assert_eq!(headers[1..], [("X-A", &b"1"[..]), ("x-b", b"2"), ("X-a", b"\xff")]);
    assert_eq!(request.header("x-A"), Some(&b"1"[..]));
    assert_eq!(request.header("X-B"), Some(&b"2"[..]));
    assert_eq!(request.header("X-C"), None);
}

#[test]
fn the_debug_form_names_no_header() {
    let shown = format!("{:?}", head_of(&get_with(b"Cookie: secret")));
    assert!(shown.contains("/chat") && !shown.contains("secret"), "{shown}");
}
