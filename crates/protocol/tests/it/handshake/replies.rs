//! Answers as servers, proxies and impostors give them, each with what a client makes of it.

use super::client::{asking, switch_of, switch_with};
use super::*;
use HandshakeError as Error;

/// How the bytes of an answer come about.
pub(super) enum Answered {
    /// A status line and header lines.
    Head(&'static str, &'static [&'static str]),
    /// The right 101 with another status line.
    Line(&'static str),
    /// The right 101 with one more line.
    With(&'static str, &'static str),
    /// The right 101 with other lines of this name, or with none.
    Instead(&'static str, &'static [&'static str]),
    /// These bytes and nothing else.
    Bytes(&'static [u8]),
}

/// What becomes of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The connection is open, with this subprotocol.
    Switched(Option<&'static str>),
    /// A status, its reason, the length of its body, and its header lines.
    Refused(u16, &'static str, Option<u64>, &'static [(&'static str, &'static str)]),
    Failed(Error),
    Incomplete,
}

use Answered::{Bytes, Head as Whole, Instead, Line, With};
use Outcome::{Failed, Refused, Switched as Opened};

const ACCEPT: &str = "Sec-WebSocket-Accept";
const PROTOCOL: &str = "Sec-WebSocket-Protocol";
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// The rows of the conformance matrix that a case belongs to, its name, its bytes, and what becomes
/// of it.
pub(super) type Case = (&'static str, &'static str, Answered, Outcome);

const CASES: &[Case] = &[
    // A server that agrees.
    (
        "HSC-22 HSC-23 HSC-24",
        "the right answer",
        Line("HTTP/1.1 101 Switching Protocols"),
        Opened(None),
    ),
    (
        "HSC-27",
        "a 101 with another reason",
        Line("HTTP/1.1 101 Web Socket Protocol Handshake"),
        Opened(None),
    ),
    ("HSC-27", "a 101 without a reason", Line("HTTP/1.1 101 "), Opened(None)),
    ("HSC-27", "a 101 without even the space", Line("HTTP/1.1 101"), Opened(None)),
    ("HSC-27", "a later minor version", Line("HTTP/1.2 101 Switching Protocols"), Opened(None)),
    ("HSC-22", "Upgrade in mixed case", Instead("Upgrade", &["WebSocket"]), Opened(None)),
    ("HSC-23", "Connection in lower case", Instead("Connection", &["upgrade"]), Opened(None)),
    (
        "HSC-23",
        "Connection as a list",
        Instead("Connection", &["keep-alive, Upgrade"]),
        Opened(None),
    ),
    (
        "HSC-23",
        "Connection in two lines",
        Instead("Connection", &["keep-alive", "Upgrade"]),
        Opened(None),
    ),
    (
        "HSC-24",
        "spaces around the accept",
        Instead(ACCEPT, &["  s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"]),
        Opened(None),
    ),
    (
        "HDR-14",
        "all names in lower case",
        Whole(
            "HTTP/1.1 101 Switching Protocols",
            &[
                "upgrade: websocket",
                "connection: upgrade",
                "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "date: Sat, 21 Nov 2026 12:00:00 GMT",
                "server: nginx/1.26.2",
            ],
        ),
        Opened(None),
    ),
    ("HSC-26", "the first subprotocol", With(PROTOCOL, "chat"), Opened(Some("chat"))),
    ("HSC-26", "the second subprotocol", With(PROTOCOL, "superchat"), Opened(Some("superchat"))),
    ("HSC-27", "cookies", With("Set-Cookie", "a=b; HttpOnly\r\nSet-Cookie: c=d"), Opened(None)),
    ("HSC-27", "a value that is not ASCII", With("X-Name", "J\u{fc}rgen"), Opened(None)),
    (
        "HDR-02",
        "a key, which is for requests",
        With("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        Opened(None),
    ),
    (
        "HDR-02",
        "a version, which is for refusals",
        With("Sec-WebSocket-Version", "13"),
        Opened(None),
    ),
    // A server that means something else by 101.
    ("HSC-22", "no Upgrade", Instead("Upgrade", &[]), Failed(Error::UpgradeMissing)),
    ("HSC-22", "an empty Upgrade", Instead("Upgrade", &[""]), Failed(Error::UpgradeMissing)),
    ("HSC-22", "an upgrade to HTTP/2", Instead("Upgrade", &["h2c"]), Failed(Error::UpgradeMissing)),
    (
        "HSC-22",
        "more behind the name",
        Instead("Upgrade", &["websocket2"]),
        Failed(Error::UpgradeMissing),
    ),
    (
        "HSC-22",
        "a choice of two",
        Instead("Upgrade", &["websocket, h2c"]),
        Failed(Error::UpgradeMissing),
    ),
    (
        "HSC-22",
        "Upgrade twice",
        Instead("Upgrade", &["websocket", "websocket"]),
        Failed(Error::UpgradeMissing),
    ),
    ("HSC-23", "no Connection", Instead("Connection", &[]), Failed(Error::Connection)),
    ("HSC-23", "an empty Connection", Instead("Connection", &[""]), Failed(Error::Connection)),
    (
        "HSC-23",
        "a connection that is kept",
        Instead("Connection", &["keep-alive"]),
        Failed(Error::Connection),
    ),
    (
        "HSC-23",
        "a connection that is closed",
        Instead("Connection", &["close"]),
        Failed(Error::Connection),
    ),
    (
        "HSC-23",
        "more before the option",
        Instead("Connection", &["xUpgrade"]),
        Failed(Error::Connection),
    ),
    ("HSC-24", "no accept", Instead(ACCEPT, &[]), Failed(Error::Accept)),
    ("HSC-24 HDR-13", "an empty accept", Instead(ACCEPT, &[""]), Failed(Error::Accept)),
    (
        "HSC-24",
        "the accept of another key",
        Instead(ACCEPT, &["ICX+Yqv66kxgM0FcWaLWlFLwTAI="]),
        Failed(Error::Accept),
    ),
    (
        "HSC-24",
        "the key itself",
        Instead(ACCEPT, &["dGhlIHNhbXBsZSBub25jZQ=="]),
        Failed(Error::Accept),
    ),
    (
        "HSC-24",
        "the accept in lower case",
        Instead(ACCEPT, &["s3pplmbitxaq9kygzzhzrbk+xoo="]),
        Failed(Error::Accept),
    ),
    (
        "HSC-24",
        "the accept without its padding",
        Instead(ACCEPT, &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo"]),
        Failed(Error::Accept),
    ),
    (
        "HSC-24",
        "more padding",
        Instead(ACCEPT, &["s3pPLMBiTxaQ9kYGzzhZRbK+xOo=="]),
        Failed(Error::Accept),
    ),
    (
        "HSC-24",
        "the accept in quotes",
        Instead(ACCEPT, &["\"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\""]),
        Failed(Error::Accept),
    ),
    ("HDR-13", "an accept that is no base64", Instead(ACCEPT, &["!!!"]), Failed(Error::Accept)),
    (
        "HDR-04",
        "the accept twice",
        With(ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        Failed(Error::Accept),
    ),
    (
        "HDR-04",
        "another accept behind it",
        With(ACCEPT, "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        Failed(Error::Accept),
    ),
    (
        "HSC-25",
        "compression that nobody asked for",
        With(EXTENSIONS, "permessage-deflate"),
        Failed(Error::ExtensionNotOffered),
    ),
    (
        "HSC-25",
        "an unknown extension",
        With(EXTENSIONS, "x-frobnicate; a=b"),
        Failed(Error::ExtensionNotOffered),
    ),
    ("HDR-09", "extensions without a name", With(EXTENSIONS, ""), Failed(Error::Extensions)),
    (
        "HDR-09",
        "an extension that ends early",
        With(EXTENSIONS, "permessage-deflate;"),
        Failed(Error::Extensions),
    ),
    (
        "HDR-07",
        "a quoted value with a space",
        With(EXTENSIONS, "a; b=\"c d\""),
        Failed(Error::Extensions),
    ),
    (
        "HDR-03",
        "extensions in two lines",
        Instead(EXTENSIONS, &["a", "b"]),
        Failed(Error::Extensions),
    ),
    (
        "HDR-15",
        "more extensions than anybody has",
        With(EXTENSIONS, "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"),
        Failed(Error::TooManyExtensions),
    ),
    ("HSC-26", "another subprotocol", With(PROTOCOL, "mqtt"), Failed(Error::SubprotocolNotOffered)),
    (
        "HSC-26",
        "a subprotocol in upper case",
        With(PROTOCOL, "CHAT"),
        Failed(Error::SubprotocolNotOffered),
    ),
    ("HSC-26", "an empty subprotocol", With(PROTOCOL, ""), Failed(Error::SubprotocolNotOffered)),
    (
        "HDR-12",
        "both subprotocols",
        With(PROTOCOL, "chat, superchat"),
        Failed(Error::SubprotocolNotOffered),
    ),
    (
        "HDR-12",
        "a quoted subprotocol",
        With(PROTOCOL, "\"chat\""),
        Failed(Error::SubprotocolNotOffered),
    ),
    (
        "HDR-05",
        "two subprotocols",
        Instead(PROTOCOL, &["chat", "superchat"]),
        Failed(Error::SubprotocolRepeated),
    ),
    (
        "HDR-05",
        "the same subprotocol twice",
        Instead(PROTOCOL, &["chat", "chat"]),
        Failed(Error::SubprotocolRepeated),
    ),
    ("HSC-27", "an old HTTP", Line("HTTP/1.0 101 Switching Protocols"), Failed(Error::HttpVersion)),
    ("HSC-27", "a length of nothing", With("Content-Length", "0"), Failed(Error::Body)),
    ("HSC-27", "a length", With("Content-Length", "5"), Failed(Error::Body)),
    ("HSC-27", "a coding", With("Transfer-Encoding", "chunked"), Failed(Error::Body)),
];

fn bytes_of(answered: &Answered) -> Vec<u8> {
    match answered {
        Whole(line, lines) => head(line, &lines.iter().map(|l| l.as_bytes()).collect::<Vec<_>>()),
        Line(line) => switch_of(line, "", &[]),
        With(name, value) => switch_and(name, value),
        Instead(name, values) => switch_with(name, values),
        Bytes(bytes) => bytes.to_vec(),
    }
}

/// The right answer with one more line.
fn switch_and(name: &str, value: &str) -> Vec<u8> {
    let mut answer = switch_with("", &[]);
    answer.truncate(answer.len() - 2);
    answer.extend(format!("{name}: {value}\r\n\r\n").bytes());
    answer
}

/// Checks what a client makes of the bytes, shown up to each of these ends in turn.
fn check_shown(
    name: &str,
    answer: &[u8],
    ends: impl IntoIterator<Item = usize>,
    outcome: &Outcome,
) {
    let (mut handshake, _) = start(&asking(), HeadLimits::default());
    for end in ends {
        match (handshake.receive(&answer[..end]), outcome) {
            (Ok(None), _) => continue,
            (Ok(Some(Reply::Switched(switched))), Opened(subprotocol)) => {
                assert_eq!(switched.subprotocol.as_deref(), *subprotocol, "{name}");
                assert_eq!(switched.head_len, answer.len(), "{name}");
            }
            (Ok(Some(Reply::Refused(refusal))), Refused(status, reason, body_len, headers)) => {
                assert_eq!((refusal.status(), refusal.reason()), (*status, *reason), "{name}");
                assert_eq!(refusal.body_len(), *body_len, "{name}");
                assert_eq!(refusal.head_len(), answer.len(), "{name}");
                let expected = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
                assert!(refusal.headers().eq(expected), "{name}");
            }
            (Err(error), Failed(expected)) => assert_eq!(error, *expected, "{name}"),
            (other, _) => panic!("{name}: {other:?} instead of {outcome:?}"),
        }
        return;
    }
    assert_eq!(*outcome, Outcome::Incomplete, "{name}");
}

#[test]
fn hsc_21_hsc_27_at_least_eighty_answers_are_judged() {
    let cases = || CASES.iter().chain(refusals::CASES);
    for (rows, name, answered, outcome) in cases() {
        let (name, answer) = (format!("{name} ({rows})"), bytes_of(answered));
        check_shown(&name, &answer, [answer.len()], outcome);
        check_shown(&name, &answer, 0..=answer.len(), outcome);
        for cut in 0..answer.len() {
            check_shown(&format!("{name}, cut at {cut}"), &answer, [cut, answer.len()], outcome);
        }
    }
    let names: std::collections::BTreeSet<_> = cases().map(|(_, name, ..)| name).collect();
    let answers: std::collections::BTreeSet<_> =
        cases().map(|(_, _, answered, _)| bytes_of(answered)).collect();
    assert_eq!((names.len(), answers.len()), (cases().count(), cases().count()), "all differ");
    assert!(answers.len() >= 80, "{} answers", answers.len());
}
