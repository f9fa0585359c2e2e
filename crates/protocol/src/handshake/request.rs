use super::error::HandshakeError;
use super::head::{Headers, Once, RawHead, content_length};
use super::header::is_token;
use super::negotiate::{EXTENSIONS_HEADER, ExtensionTally, SUBPROTOCOL_HEADER, lists_token};
use super::url::Authority;
use core::fmt;

/// The well-formed head of an HTTP request. It borrows the bytes that were received and owns
/// nothing.
#[derive(Clone, Copy)]
pub struct Request<'b> {
    method: &'b str,
    target: &'b str,
    /// The target without scheme and authority: empty, or a path, a query, or both.
    resource: &'b str,
    host: &'b str,
    origin: Option<&'b str>,
    headers: Headers<'b>,
    head_len: usize,
}

impl<'b> Request<'b> {
    /// The method, as it was sent: methods are case-sensitive.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The request target as it was sent: visible ASCII, either a path with an optional query or an
    /// absolute URI.
    #[must_use]
    pub const fn target(&self) -> &'b str {
        self.target
    }

    /// The path, beginning with a slash, not decoded, without the query.
    #[must_use]
    pub fn path(&self) -> &'b str {
        match self.resource.split_once('?').map_or(self.resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the question mark, if there is one, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.resource.split_once('?').map(|(_, query)| query)
    }

    /// All header lines in their order, each as its name and its value. A value need not be UTF-8.
    #[must_use]
    pub const fn headers(&self) -> Headers<'b> {
        self.headers
    }

    /// The value of the first header line of that name, which is compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().next_named(name)
    }

    /// The host with its port, if any, that the request is for: from the target if that is
    /// absolute, else from the Host header. Empty for an HTTP/1.0 request that names none.
    #[must_use]
    pub const fn host(&self) -> &'b str {
        self.host
    }

    /// The Origin header, which browsers send: visible ASCII and spaces, as it was sent.
    #[must_use]
    pub const fn origin(&self) -> Option<&'b str> {
        self.origin
    }

    /// How many of the received bytes are the head.
    #[must_use]
    pub const fn head_len(&self) -> usize {
        self.head_len
    }
}

impl fmt::Debug for Request<'_> {
    /// Names what was asked for, escaped; not the headers, which hold cookies.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut request = formatter.debug_struct("Request");
        request
            .field("method", &self.method)
            .field("target", &self.target)
            .field("host", &self.host);
        request.finish_non_exhaustive()
    }
}

/// What a request says about the upgrade, beside what [`Request`] tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals<'b> {
    pub(super) version: HttpVersion,
    pub(super) upgrade: bool,
    pub(super) connection: bool,
    pub(super) has_body: bool,
    pub(super) key: Once<&'b [u8]>,
    pub(super) websocket_version: Once<&'b [u8]>,
    pub(super) has_subprotocols: bool,
    pub(super) extensions: ExtensionTally,
}

/// The versions of HTTP that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum HttpVersion {
    /// HTTP/1.0, in which an Upgrade means nothing (RFC 9110 section 7.8).
    #[default]
    Http10,
    /// HTTP/1.1, or a later minor version, which is read as it.
    Http11,
}

impl HttpVersion {
    /// Reads `HTTP/1.x`; another major version is refused for itself, anything else as `malformed`.
    pub(super) const fn parse(text: &[u8]) -> Result<Self, HandshakeError> {
        match text {
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Self::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                Err(HandshakeError::HttpVersion)
            }
            _ => Err(HandshakeError::StartLine),
        }
    }
}

/// Reads the head of a request and checks all that makes it a well-formed one (RFC 9112), whatever
/// it asks for.
pub(super) fn read<'b>(
    raw: RawHead<'b>,
    target_bytes_max: usize,
) -> Result<(Request<'b>, Signals<'b>), HandshakeError> {
    let [method, target, version] = split_request_line(raw.start_line)?;
    if target.len() > target_bytes_max {
        return Err(HandshakeError::TargetTooLong);
    }
    let version = HttpVersion::parse(version)?;
    if !is_token(method) {
        return Err(HandshakeError::StartLine);
    }
    let method = core::str::from_utf8(method).map_err(|_| HandshakeError::StartLine)?;
    let (target, authority, resource) = split_target(target)?;

    let mut signals = Signals { version, ..Signals::default() };
    let mut fields = Fields::default();
    let headers = raw.visit_headers(|name, value| visit(&mut signals, &mut fields, name, value))?;
    signals.has_body = fields.body()?;
    let host = match fields.host {
        Once::One(host) => host,
        Once::Repeated => return Err(HandshakeError::HostRepeated),
        Once::Absent if version == HttpVersion::Http10 => "",
        Once::Absent => return Err(HandshakeError::HostMissing),
    };
    let origin = match fields.origin {
        Once::One(origin) => Some(origin),
        Once::Repeated => return Err(HandshakeError::Origin),
        Once::Absent => None,
    };
    let host = authority.unwrap_or(host);
    Ok((Request { method, target, resource, host, origin, headers, head_len: raw.end }, signals))
}

/// The fields that every request is checked for, upgrade or not.
#[derive(Debug, Default)]
struct Fields<'b> {
    host: Once<&'b str>,
    origin: Once<&'b str>,
    content_length: Once<u64>,
    transfer_encoding: bool,
}

impl Fields<'_> {
    /// Whether a body follows; a length that is said twice, or in two ways, is how requests are
    /// smuggled.
    const fn body(&self) -> Result<bool, HandshakeError> {
        match self.content_length {
            Once::Absent => Ok(self.transfer_encoding),
            Once::One(len) if !self.transfer_encoding => Ok(len != 0),
            _ => Err(HandshakeError::ContentLength),
        }
    }
}

fn visit<'b>(
    signals: &mut Signals<'b>,
    fields: &mut Fields<'b>,
    name: &str,
    value: &'b [u8],
) -> Result<(), HandshakeError> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    // Most names are told apart by their length alone.
    match name.len() {
        4 if is("host") => fields.host.put(check_host(value)?),
        6 if is("origin") => fields.origin.put(check_origin(value)?),
        7 if is("upgrade") => signals.upgrade |= lists_token(value, "websocket"),
        10 if is("connection") => signals.connection |= lists_token(value, "upgrade"),
        14 if is("content-length") => fields.content_length.put(content_length(value)?),
        17 if is("transfer-encoding") => fields.transfer_encoding = true,
        17 if is("sec-websocket-key") => signals.key.put(value),
        21 if is("sec-websocket-version") => signals.websocket_version.put(value),
        22 if is(SUBPROTOCOL_HEADER) => signals.has_subprotocols = true,
        24 if is(EXTENSIONS_HEADER) => signals.extensions.add(value),
        _ => {}
    }
    Ok(())
}

fn check_host(value: &[u8]) -> Result<&str, HandshakeError> {
    let host = core::str::from_utf8(value).map_err(|_| HandshakeError::HostInvalid)?;
    Authority::parse(host).map_err(|_| HandshakeError::HostInvalid)?;
    Ok(host)
}

/// An origin is compared as it stands, so nothing is made of it but that it is text. Spaces stand
/// between the origins of a list, which RFC 6454 section 7.1 allows.
fn check_origin(value: &[u8]) -> Result<&str, HandshakeError> {
    match core::str::from_utf8(value) {
        Ok(origin)
            if origin.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !origin.is_empty() =>
        {
            Ok(origin)
        }
        _ => Err(HandshakeError::Origin),
    }
}

/// Method, target and version, between which stands exactly one space each (RFC 9112 section 3).
fn split_request_line(line: &[u8]) -> Result<[&[u8]; 3], HandshakeError> {
    let mut parts = line.split(|&byte| byte == b' ');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(method), Some(target), Some(version), None] => Ok([method, target, version]),
        _ => Err(HandshakeError::StartLine),
    }
}

/// The target, its authority if it is absolute, and its resource (RFC 6455 section 4.2.1, 1.).
fn split_target(target: &[u8]) -> Result<(&str, Option<&str>, &str), HandshakeError> {
    // A fragment is no part of a request target, and nothing else that is not visible ASCII.
    if !target.iter().all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'#') {
        return Err(HandshakeError::Target);
    }
    let target = core::str::from_utf8(target).map_err(|_| HandshakeError::Target)?;
    if target.starts_with('/') {
        return Ok((target, None, target));
    }
    let (scheme, rest) = target.split_once("://").ok_or(HandshakeError::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HandshakeError::Target);
    }
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Authority::parse(authority).map_err(|_| HandshakeError::HostInvalid)?;
    Ok((target, Some(authority), resource))
}
