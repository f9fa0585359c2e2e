//! A path leads where a search through all patterns, segment by segment, says that it does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_fuzz::Choices;

// The router is private to the server's crate, uses std alone, and is included as it stands: so it
// needs no door in the product, and nothing above it is built.
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/server/src/router.rs"]
mod router;

use router::Router;

/// Segments of which patterns and paths are made, so that they meet.
const SEGMENTS: [&str; 16] = [
    "", "a", "b", "{x}", "{y}", "..", ".", "%61", "%2F", "%252F", "%", "%C3%B1", "ñ", "%FF", "%00",
    "A",
];

fn path(choices: &mut Choices<'_>) -> String {
    (0..choices.below(4)).map(|_| format!("/{}", choices.one_of(&SEGMENTS))).collect()
}

/// The segment decoded; `None` if it cannot be.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut parts = segment.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits =
            part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).ok()
}

/// What is left of `pattern` fits what is left of the path; literals count before parameters.
fn fits(pattern: &[&str], path: &[String]) -> Option<Vec<bool>> {
    if pattern.len() != path.len() {
        return None;
    }
    pattern
        .iter()
        .zip(path)
        .map(|(own, other)| match own.starts_with('{') {
            true => (!other.is_empty()).then_some(true),
            false => (own == other).then_some(false),
        })
        .collect()
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let (mut router, mut patterns) = (Router::new(), Vec::new());
    for _ in 0..choices.below(8) {
        let pattern = path(&mut choices);
        if let Ok(target) = router.entry(&pattern, || pattern.clone()) {
            assert_eq!(*target, pattern, "two patterns lead to one target");
            patterns.push(pattern);
        }
    }
    let path = match choices.coin() {
        true => path(&mut choices),
        false => String::from_utf8_lossy(choices.rest()).into_owned(),
    };
    let split = |path: &str| {
        path.strip_prefix('/').unwrap_or(path).split('/').map(str::to_owned).collect::<Vec<_>>()
    };
    let segments: Option<Vec<String>> =
        split(&path).iter().map(|segment| decoded(segment)).collect();
    let found = router.find(&path);
    assert_eq!(found.is_err(), segments.is_none(), "{path}");
    let (Ok(found), Some(segments)) = (found, segments) else { return };
    let expected = patterns.iter().filter_map(|pattern| {
        let own = split(pattern);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        Some((fits(&own, &segments)?, pattern))
    });
    let expected = expected.min().map(|(_, pattern)| pattern);
    assert_eq!(found.as_ref().map(|(target, _)| *target), expected, "{path}");
    if let (Some((_, params)), Some(pattern)) = (found, expected) {
        for (own, value) in split(pattern).iter().zip(&segments) {
            if let Some(name) = own.strip_prefix('{').and_then(|own| own.strip_suffix('}')) {
                assert_eq!(params.expect(name), value);
            }
        }
    }
});
