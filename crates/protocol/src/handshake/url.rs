use alloc::string::String;
use core::fmt::{self, Write as _};
use core::net::Ipv6Addr;
use core::str::FromStr;

/// A `ws` or `wss` URI, checked and taken apart (RFC 6455 section 3).
///
/// Everything that a request will repeat is ASCII without spaces or control bytes. There is no user
/// name in it, so printing it reveals no password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    is_secure: bool,
    /// As it stands in the authority: in lower case, an IPv6 address in brackets.
    host: String,
    port: u16,
    resource: String,
}

impl Url {
    /// Parses an absolute URI.
    ///
    /// The scheme may be written in any case, a missing port is 80 or 443, a missing path is `/`.
    /// Characters of path and query that a URI cannot hold are percent-encoded as UTF-8; what is
    /// encoded already stays so. The host is lower-cased, and must be ASCII: internationalised
    /// names are not converted.
    ///
    /// # Errors
    /// [`UrlError`] says which part was refused; a fragment and a user name are refused as well.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_secure = match scheme {
            scheme if scheme.eq_ignore_ascii_case("ws") => false,
            scheme if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let Authority { host_len, port } = Authority::parse(authority.as_bytes())?;
        let (host, _) = authority.split_at_checked(host_len).ok_or(UrlError::Host)?;
        Ok(Self {
            is_secure,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or_else(|| default_port(is_secure)),
            resource: encode_resource(resource)?,
        })
    }

    /// Whether the connection must be made with TLS: the scheme is `wss`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The host to connect to: a name or an address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port to connect to, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the request asks for: the path, at least `/`, and the query with its question mark.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What the Host header says: the host, an IPv6 address in brackets, and the port unless it is
    /// the default.
    #[must_use]
    #[expect(clippy::expect_used, reason = "writing to a string never fails")]
    pub fn authority(&self) -> String {
        let mut authority = self.host.clone();
        if self.port != default_port(self.is_secure) {
            write!(authority, ":{}", self.port).expect("a string takes what is written");
        }
        authority
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(formatter, "{scheme}://{}{}", self.authority(), self.resource)
    }
}

/// Which part of a URI was refused. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `ws://` nor `wss://`.
    Scheme,
    /// A fragment (`#...`) has no meaning here; a `#` in the path is written `%23`.
    Fragment,
    /// User names and passwords in URIs are not supported.
    UserInfo,
    /// The host is missing or holds characters that no host has.
    Host,
    /// The host is not ASCII: internationalised names must be given in their `xn--` form.
    HostNotAscii,
    /// The port is no number from 1 to 65535.
    Port,
    /// The path or query holds a space, a control character or a backslash, or a `%` without two
    /// hexadecimal digits.
    Resource,
}

impl fmt::Display for UrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scheme => "the scheme is neither ws:// nor wss://",
            Self::Fragment => "a WebSocket URI has no fragment, write # as %23",
            Self::UserInfo => "user names in a WebSocket URI are not supported",
            Self::Host => "the host is missing or malformed",
            Self::HostNotAscii => "the host is not ASCII, give its xn-- form",
            Self::Port => "the port is not a number from 1 to 65535",
            Self::Resource => "the path or query holds a character that must be percent-encoded",
        })
    }
}

impl core::error::Error for UrlError {}

/// A host with an optional port, as it stands in a URI or in a Host header. All of it is ASCII.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority {
    /// An IPv6 address counts its brackets.
    host_len: usize,
    port: Option<u16>,
}

impl Authority {
    /// Takes letters, digits, `-`, `.`, `_` and `~` for a name; or an IPv6 address in brackets.
    #[inline]
    pub(super) fn parse(text: &[u8]) -> Result<Self, UrlError> {
        // What else may stand there has names of its own, which only a refusal needs.
        Self::split(text).map_err(|error| match error {
            _ if text.contains(&b'@') => UrlError::UserInfo,
            UrlError::Host if !text.is_ascii() => UrlError::HostNotAscii,
            error => error,
        })
    }

    #[inline]
    fn split(text: &[u8]) -> Result<Self, UrlError> {
        let host_len = match text {
            [b'[', bracketed @ ..] => {
                // Two brackets are one byte each.
                address_len(bracketed).ok_or(UrlError::Host)? + 2
            }
            _ => text.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(text.len()),
        };
        if host_len == 0 {
            return Err(UrlError::Host);
        }
        let port = match text.get(host_len..) {
            // RFC 3986 section 3.2.3 allows the colon without a number.
            Some([] | [b':']) => None,
            Some([b':', digits @ ..]) => Some(parse_port(digits).ok_or(UrlError::Port)?),
            _ => return Err(UrlError::Host),
        };
        Ok(Self { host_len, port })
    }
}

/// The length of an IPv6 address that a bracket follows.
fn address_len(text: &[u8]) -> Option<usize> {
    let len = text.iter().position(|byte| *byte == b']')?;
    let address = core::str::from_utf8(text.get(..len)?).ok()?;
    address.parse::<Ipv6Addr>().is_ok().then_some(len)
}

fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES.get(usize::from(byte)).is_some_and(|is_name| *is_name)
}

/// For each byte whether it may stand in a name.
#[expect(clippy::indexing_slicing, reason = "a byte is less than the length")]
static NAME_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        bytes[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    bytes
};

/// Digits only, at least one of them not zero.
fn parse_port(digits: &[u8]) -> Option<u16> {
    let port = digits.iter().try_fold(0_u32, |port, digit| match digit {
        b'0'..=b'9' => Some(port * 10 + u32::from(digit - b'0')).filter(|port| *port <= 0xFFFF),
        _ => None,
    })?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

const fn default_port(is_secure: bool) -> u16 {
    if is_secure { 443 } else { 80 }
}

/// Path and query as they are sent: never empty, beginning with a slash, and ASCII.
#[expect(clippy::expect_used, reason = "writing to a string never fails")]
fn encode_resource(text: &str) -> Result<String, UrlError> {
    let mut resource = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        resource.push('/');
    }
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        match byte {
            b'%' if !begins_with_two_digits(after) => return Err(UrlError::Resource),
            // A backslash is a slash to some readers, and a character to others.
            0..=b' ' | 0x7f | b'\\' => return Err(UrlError::Resource),
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                write!(resource, "%{byte:02X}").expect("a string takes what is written");
            }
            _ => resource.push(char::from(*byte)),
        }
        rest = after;
    }
    Ok(resource)
}

fn begins_with_two_digits(text: &[u8]) -> bool {
    matches!(text, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}
