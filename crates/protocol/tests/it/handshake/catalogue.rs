//! Requests as programs of all kinds send them, each with its exact verdict and the whole answer.
//! How a case is read; the cases are in `clients` and `hostile`.

use super::*;

/// How the bytes of a case come about.
pub(super) enum Asked {
    /// A request line and header lines.
    Head(&'static str, &'static [&'static str]),
    /// The request of RFC 6455 section 1.2 with another request line.
    Line(&'static str),
    /// The same with one more line.
    With(&'static str),
    /// The same with other lines of this name, or with none.
    Instead(&'static str, &'static [&'static str]),
    /// These bytes and nothing else.
    Bytes(&'static [u8]),
}

/// The rows of the conformance matrix that a case belongs to, its name, its bytes, and what becomes
/// of it.
pub(super) type Case = (&'static str, &'static str, Asked, Verdict);

const REQUEST_LINE: &str = "GET /chat HTTP/1.1";

fn bytes_of(asked: &Asked) -> Vec<u8> {
    let bytes = |values: &'static [&'static str]| -> Vec<&[u8]> {
        values.iter().map(|value| value.as_bytes()).collect()
    };
    match asked {
        Asked::Head(line, lines) => head(line, &bytes(lines)),
        Asked::Line(line) => upgrade_of(line, "X", &[]),
        Asked::With(line) => {
            let lines = UPGRADE.map(|(name, value)| format!("{name}: {value}"));
            let lines = lines.iter().map(String::as_bytes).chain([line.as_bytes()]);
            head(REQUEST_LINE, &lines.collect::<Vec<_>>())
        }
        Asked::Instead(name, values) => upgrade_of(REQUEST_LINE, name, &bytes(values)),
        Asked::Bytes(bytes) => bytes.to_vec(),
    }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    clients::CASES.iter().chain(hostile::CASES).chain(grammar::CASES)
}

/// The bytes of every case.
pub(super) fn requests() -> impl Iterator<Item = Vec<u8>> {
    cases().map(|(_, _, asked, _)| bytes_of(asked))
}

#[test]
fn hss_01_at_least_a_hundred_and_twenty_requests_are_judged_and_answered() {
    for (rows, name, asked, verdict) in cases() {
        check(&format!("{name} ({rows})"), &bytes_of(asked), verdict);
    }
    let names: std::collections::BTreeSet<_> = cases().map(|(_, name, ..)| name).collect();
    let requests: std::collections::BTreeSet<_> = requests().collect();
    assert_eq!((names.len(), requests.len()), (cases().count(), cases().count()), "all differ");
    assert!(requests.len() >= 120, "{} requests", requests.len());
    let accepted = cases().filter(|(.., verdict)| *verdict == Upgrade).count();
    assert!(accepted >= 40 && cases().count() - accepted >= 80, "{accepted} are accepted");
}
