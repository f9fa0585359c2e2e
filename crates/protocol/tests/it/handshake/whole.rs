//! A head that comes whole is read in one pass, one that comes in pieces is searched first; nobody
//! can tell which it was.

use super::*;
use crate::zero_copy::allocated_by;
use proptest::prelude::*;

/// All that can be asked about what a fresh handshake makes of `request`, after it was shown the
/// first `shown` bytes.
fn seen(limits: HeadLimits, request: &[u8], shown: usize) -> String {
    let mut handshake = ServerHandshake::new(limits);
    let first = if shown == 0 { Ok(None) } else { handshake.receive(&request[..shown]) };
    let result = match first {
        Ok(None) => handshake.receive(request),
        early => early,
    };
    let Ok(Some(head)) = &result else {
        return format!("{result:?}");
    };
    let request = head.request();
    let parts = (request.path(), request.query(), request.origin(), head.head_len());
    let headers: Vec<_> = request.headers().collect();
    let Ok(upgrade) = head.upgrade() else {
        return format!("{head:?} {parts:?} {headers:?}");
    };
    let subprotocols: Vec<_> = upgrade.subprotocols().collect();
    let offers: Vec<_> = upgrade.extension_offers().collect();
    format!("{head:?} {parts:?} {headers:?} {subprotocols:?} {offers:?} {}", answer(head))
}

fn assert_same(limits: HeadLimits, request: &[u8]) {
    let whole = seen(limits, request, 0);
    let shown = request.len().min(1);
    assert_eq!(seen(limits, request, shown), whole, "{limits:?}: {}", request.escape_ascii());
}

/// Limits around what the request needs, each one too small, just enough, and one more.
fn assert_same_at_limits(request: &[u8], target_len: usize, lines: usize) {
    let around = |need: usize| [need.saturating_sub(1), need, need + 1];
    let usual = HeadLimits::default();
    assert_same(usual, request);
    for head_bytes_max in around(request.len()) {
        assert_same(HeadLimits { head_bytes_max, ..usual }, request);
    }
    for target_bytes_max in around(target_len) {
        assert_same(HeadLimits { target_bytes_max, ..usual }, request);
    }
    for header_lines_max in around(lines) {
        assert_same(HeadLimits { header_lines_max, ..usual }, request);
    }
}

#[test]
fn hss_01_every_request_of_the_tables_is_read_the_same_both_ways() {
    for request in catalogue::requests() {
        assert_same_at_limits(&request, "/chat".len(), UPGRADE.len());
        // What follows the head decides nothing.
        for behind in ["\u{81}", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            assert_same(HeadLimits::default(), &[&request, behind.as_bytes()].concat());
        }
    }
}

#[test]
fn hss_01_damage_to_any_byte_is_seen_both_ways() {
    let request = upgrade_with("Sec-WebSocket-Extensions", &[b"permessage-deflate"]);
    for at in 0..request.len() {
        for byte in *b"\0\t\n\r #:A\x7f\x80" {
            let mut changed = request.clone();
            changed[at] = byte;
            assert_same(HeadLimits::default(), &changed);
            changed[at] = request[at];
            changed.insert(at, byte);
            assert_same(HeadLimits::default(), &changed);
        }
    }
}

#[test]
fn http_01_empty_lines_before_the_first_are_seen_both_ways() {
    let request_line = "GET /chat HTTP/1.0\r\n";
    for end in ["\r\n", "\n"] {
        for count in 0..=2 * request_line.len() {
            // As long as the request line, they end where it would.
            for last in ["", "\r\n"] {
                for lines in ["", "Host: h\r\n"] {
                    let before = [&end.repeat(count), last].concat();
                    let request = [&before, request_line, lines, "\r\n"].concat();
                    assert_same(HeadLimits::default(), request.as_bytes());
                }
            }
        }
    }
}

#[test]
fn http_18_the_number_of_lines_is_the_same_both_ways() {
    for lines in [0, 1, 26, 27, 28, 33, 95, 96, 255] {
        let strangers = vec![&b"1"[..]; lines];
        let request = upgrade_with("X-Stranger", &strangers);
        assert_same_at_limits(&request, "/chat".len(), UPGRADE.len() + lines);
    }
}

#[test]
fn http_06_the_length_of_the_first_line_is_the_same_both_ways() {
    for target_len in [1, 2, 36, 4000, 8191, 8192, 8193] {
        for method in ["GET", &"M".repeat(49), &"M".repeat(50), &"M".repeat(51), &"M".repeat(64)] {
            let target = format!("/{}", "a".repeat(target_len - 1));
            let request = upgrade_of(&format!("{method} {target} HTTP/1.1"), "X", &[]);
            assert_same_at_limits(&request, target_len, UPGRADE.len());
        }
    }
}

/// The usual most of the time, one of the others else.
fn mostly(usual: &'static str, odd: &'static [&'static str]) -> impl Strategy<Value = String> {
    let odd = prop::sample::select(odd).prop_map(String::from);
    prop_oneof![24 => Just(usual.to_owned()), 1 => odd]
}

fn line_end() -> impl Strategy<Value = String> {
    mostly("\r\n", &["\n", "\r", "\r\r\n", "\r\n ", "\r\n\t", "\n\r\n", "\r\n\r\n", ""])
}

fn line() -> impl Strategy<Value = String> {
    let known = UPGRADE.map(|(name, value)| format!("{name}: {value}")).to_vec();
    let known = prop::sample::select(known);
    let other = prop::sample::select(vec![
        "Origin: http://h",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Extensions: permessage-deflate; =",
        "hOST: h",
        "A:",
        "A:\t b \t",
        "A : b",
        "A",
        " a: b",
        ": b",
        "A: \u{fc}",
        "A: \u{1}",
    ]);
    prop_oneof![1 => known, 3 => other.prop_map(String::from)]
}

/// A request of which every part may be odd, with its target's length and the number of its lines.
fn odd_request() -> impl Strategy<Value = (Vec<u8>, usize, usize)> {
    let before = mostly("", &["\r\n", "\n", "\r", "\r\n\r\n", " "]);
    let method = mostly("GET", &["POST", "get", "", "G(T", "\u{fc}"]);
    let space = || mostly(" ", &["  ", "\t", ""]);
    let target = mostly("/chat", &["http://h:1/a?b", "HTTP://", "*", "/a#b", "/\u{fc}", "/\u{1}"]);
    let version =
        mostly("HTTP/1.1", &["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "http/1.1"]);
    let known = UPGRADE.map(|(name, value)| format!("{name}: {value}")).to_vec();
    let known = prop_oneof![8 => Just(known.clone()), 1 => prop::sample::subsequence(known, 0..5)];
    let more = prop_oneof![
        8 => proptest::collection::vec(line(), 0..3),
        1 => proptest::collection::vec(Just("a: 1".to_owned()), 24..32),
    ];
    let lines = (known, more).prop_map(|(known, more)| [known, more].concat()).prop_shuffle();
    let ends = proptest::collection::vec(line_end(), 1 + 5 + 31);
    let last = mostly("\r\n", &["\n", "", "\r", "\r\n\x01", "\r\n\r\n"]);
    let first_line = (before, method, space(), target, space(), version);
    (first_line, lines, ends, last).prop_map(
        |((before, method, space, target, other_space, version), lines, ends, last)| {
            let mut request = [&before, &method, &space, &target, &other_space, &version]
                .map(String::as_str)
                .concat();
            for (line, end) in lines.iter().zip(&ends) {
                request.push_str(end);
                request.push_str(line);
            }
            request.push_str(&ends[ends.len() - 1]);
            request.push_str(&last);
            (request.into_bytes(), target.len(), lines.len())
        },
    )
}

proptest! {
    #[test]
    fn hss_01_odd_requests_are_read_the_same_both_ways(
        (request, target_len, lines) in odd_request(),
    ) {
        assert_same_at_limits(&request, target_len, lines);
    }
}

#[test]
fn an_upgrade_allocates_nothing_while_the_outbox_has_room() {
    let offer: &[u8] = b"permessage-deflate; client_max_window_bits";
    let mut outbox = Outbox::new();
    for (round, request) in [
        upgrade_with("X", &[]),
        upgrade_with("X", &[]),
        upgrade_with("Sec-WebSocket-Extensions", &[offer]),
        upgrade_with("X-Stranger", &[&b"1"[..]; 90]),
    ]
    .iter()
    .enumerate()
    {
        for shown in [0, 1] {
            let mut handshake = ServerHandshake::new(HeadLimits::default());
            let acceptance = Acceptance::default();
            let (_, heap) = allocated_by(|| {
                assert!(handshake.receive(&request[..shown]).unwrap().is_none());
                let head = handshake.receive(request).unwrap().expect("the head is complete");
                head.upgrade().unwrap().accept(&acceptance, &mut outbox).unwrap();
                outbox.advance(outbox.len());
            });
            // The first answer makes the room.
            let allocations = u64::from(round == 0 && shown == 0);
            assert_eq!(heap.allocations, allocations, "round {round}, {shown} shown: {heap:?}");
        }
    }
}
