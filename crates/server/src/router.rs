//! Paths with parameters: which pattern a request's path fits, and what its parameters are.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Patterns such as `/ws/{version}/productos`, the most specific first.
///
/// A path is split at its slashes and then percent-decoded, once; so `%2F` is a character of a segment and no separator,
/// and `%252F` stays `%2F`. Where two patterns fit, a literal segment goes before a parameter, from left to right.
#[derive(Debug)]
pub(crate) struct Router<T> {
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    pattern: Pattern,
    target: T,
}

/// A path that holds an invalid escape, or whose bytes are no UTF-8: 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidPath;

impl<T> Router<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The target of this pattern; made by `new` if the pattern is.
    pub(crate) fn entry(
        &mut self,
        pattern: &str,
        new: impl FnOnce() -> T,
    ) -> Result<&mut T, InvalidPattern> {
        let pattern = Pattern::parse(pattern)?;
        let position =
            match self.entries.binary_search_by(|entry| entry.pattern.rank().cmp(pattern.rank())) {
                Ok(position) if self.entries[position].pattern == pattern => position,
                Ok(_) => return Err(InvalidPattern::Ambiguous),
                Err(position) => {
                    self.entries.insert(position, Entry { pattern, target: new() });
                    position
                }
            };
        Ok(&mut self.entries[position].target)
    }

    /// What the path leads to, with the parameters in it; `None`: nothing (404).
    pub(crate) fn find(&self, path: &str) -> Result<Option<(&T, Params)>, InvalidPath> {
        let segments = split(path).map(decode).collect::<Result<Vec<_>, _>>()?;
        Ok(self.entries.iter().find_map(|entry| {
            let params = entry.pattern.fit(&segments)?;
            Some((&entry.target, params))
        }))
    }
}

/// A path with its parameters.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    segments: Vec<Segment>,
    names: Arc<[Box<str>]>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(Box<str>),
    Parameter,
}

/// What is wrong with the pattern of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidPattern {
    /// It does not begin with a slash.
    NoSlash,
    /// A brace stands elsewhere than around the name of a parameter that fills its segment, or the name is empty.
    Brace,
    /// Two parameters have the same name.
    RepeatedName,
    /// Another route has the same path with other names of parameters.
    Ambiguous,
    /// Another route of the same kind has the same path.
    Taken,
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoSlash => "the path of a route begins with a slash",
            Self::Brace => "braces stand around a parameter that fills its segment",
            Self::RepeatedName => "two parameters of a route have the same name",
            Self::Ambiguous => "two routes differ only in the names of their parameters",
            Self::Taken => "two routes have the same path",
        })
    }
}

impl std::error::Error for InvalidPattern {}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self, InvalidPattern> {
        if !pattern.starts_with('/') {
            return Err(InvalidPattern::NoSlash);
        }
        let mut names: Vec<Box<str>> = Vec::new();
        let mut segments = Vec::new();
        for segment in split(pattern) {
            let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
            else {
                if segment.contains(['{', '}']) {
                    return Err(InvalidPattern::Brace);
                }
                segments.push(Segment::Literal(segment.into()));
                continue;
            };
            if name.is_empty() || name.contains(['{', '}']) {
                return Err(InvalidPattern::Brace);
            }
            if names.iter().any(|other| **other == *name) {
                return Err(InvalidPattern::RepeatedName);
            }
            names.push(name.into());
            segments.push(Segment::Parameter);
        }
        Ok(Self { segments, names: names.into() })
    }

    /// Patterns are tried in this order, and two of the same rank fit the same paths.
    fn rank(&self) -> &[Segment] {
        &self.segments
    }

    fn fit(&self, segments: &[Cow<'_, str>]) -> Option<Params> {
        if segments.len() != self.segments.len() {
            return None;
        }
        let fits = |(own, other): (&Segment, &Cow<'_, str>)| match own {
            Segment::Literal(literal) => **literal == **other,
            // An empty segment names nothing.
            Segment::Parameter => !other.is_empty(),
        };
        if !self.segments.iter().zip(segments).all(fits) {
            return None;
        }
        let is_parameter = |(own, _): &(&Segment, _)| matches!(own, Segment::Parameter);
        let values = self.segments.iter().zip(segments).filter(is_parameter);
        let values = values.map(|(_, value)| Box::from(value.as_ref())).collect();
        Some(Params { names: Arc::clone(&self.names), values })
    }
}

/// The parameters of one request's path, decoded.
#[derive(Debug, Default)]
pub(crate) struct Params {
    names: Arc<[Box<str>]>,
    values: Box<[Box<str>]>,
}

impl Params {
    pub(crate) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The parameter of this name, which a mistake in the program is the only reason not to have.
    #[track_caller]
    pub(crate) fn expect(&self, name: &str) -> &str {
        match self.find(name) {
            Some(value) => value,
            None => panic!("the route's path has no parameter {name:?}, only {:?}", self.names),
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        let position = self.names.iter().position(|other| **other == *name)?;
        self.values.get(position).map(AsRef::as_ref)
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// RFC 3986 section 2.1. A percent sign without two digits is an error, as is what is no UTF-8 afterwards.
fn decode(segment: &str) -> Result<Cow<'_, str>, InvalidPath> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    loop {
        match rest {
            [] => break,
            [b'%', high, low, tail @ ..] => {
                let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                    return Err(InvalidPath);
                };
                decoded.push(high << 4 | low);
                rest = tail;
            }
            [b'%', ..] => return Err(InvalidPath),
            [byte, tail @ ..] => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| InvalidPath)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(patterns: &[&'static str]) -> Router<&'static str> {
        let mut router = Router::new();
        for pattern in patterns {
            router.entry(pattern, || *pattern).expect("a valid pattern");
        }
        router
    }

    #[test]
    fn threat_h13_a_path_finds_the_most_specific_pattern_and_its_parameters() {
        let router = router(&["/", "/a/{x}", "/{y}/b", "/a/b", "/ws/{version}/productos", "/a/"]);
        let cases = [
            ("/", Some("/"), &[][..]),
            ("/a/b", Some("/a/b"), &[]),
            ("/a/c", Some("/a/{x}"), &[("x", "c")]),
            ("/z/b", Some("/{y}/b"), &[("y", "z")]),
            ("/a/", Some("/a/"), &[]),
            ("/z/", None, &[]),
            ("/a", None, &[]),
            ("/a/b/c", None, &[]),
            ("//b", None, &[]),
            ("/A/b", Some("/{y}/b"), &[("y", "A")]),
            ("/ws/v1/productos", Some("/ws/{version}/productos"), &[("version", "v1")]),
            ("/ws/a%2Fb/productos", Some("/ws/{version}/productos"), &[("version", "a/b")]),
            ("/ws/%252F/productos", Some("/ws/{version}/productos"), &[("version", "%2F")]),
            ("/ws/%C3%B1/pr%6Fductos", Some("/ws/{version}/productos"), &[("version", "ñ")]),
            ("/ws/../productos", Some("/ws/{version}/productos"), &[("version", "..")]),
        ];
        for (path, expected, params) in cases {
            let found = router.find(path).expect("a valid path");
            assert_eq!(found.as_ref().map(|(target, _)| **target), expected, "{path}");
            for (name, value) in params {
                assert_eq!(
                    found.as_ref().and_then(|(_, found)| found.find(name)),
                    Some(*value),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn threat_h13_an_escape_that_is_none_is_an_error_wherever_it_stands() {
        let router = router(&["/{x}"]);
        for path in [
            "/%",
            "/%4",
            "/%4g",
            "/%+1",
            "/a%",
            "/%ff",
            "/%C3",
            "/%C3%28",
            "/no/such/%zz",
            "/%ED%A0%80",
        ] {
            assert!(router.find(path).is_err(), "{path}");
        }
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        let mut router = router(&["/a/{x}"]);
        let cases = [
            ("a", InvalidPattern::NoSlash),
            ("", InvalidPattern::NoSlash),
            ("/{", InvalidPattern::Brace),
            ("/a{x}", InvalidPattern::Brace),
            ("/{}", InvalidPattern::Brace),
            ("/{{x}}", InvalidPattern::Brace),
            ("/{x}/{x}", InvalidPattern::RepeatedName),
            ("/a/{y}", InvalidPattern::Ambiguous),
        ];
        for (pattern, expected) in cases {
            assert_eq!(router.entry(pattern, || "").err(), Some(expected), "{pattern}");
        }
        assert_eq!(router.entry("/a/{x}", || "new").ok().copied(), Some("/a/{x}"));
    }
}
