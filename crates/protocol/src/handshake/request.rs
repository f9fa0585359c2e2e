use super::error::HandshakeError;
use super::head::{HEADER_LINES_USUAL, HeadLimits, Headers, Once, RawHead, content_length};
use super::head::{REQUEST_LINE_REST_MAX, WHOLE_BYTES_MAX};
use super::header::{is_token, matches_lower};
use super::negotiate::{EXTENSIONS_HEADER, ExtensionTally, SUBPROTOCOL_HEADER, lists_token};
use super::url::Authority;
use core::fmt;
use core::mem::MaybeUninit;

/// The well-formed head of an HTTP request. It borrows the bytes that were received and owns
/// nothing.
#[derive(Clone, Copy)]
pub struct Request<'b> {
    method: &'b str,
    target: &'b str,
    /// ASCII.
    host: &'b [u8],
    /// ASCII.
    origin: Option<&'b [u8]>,
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
        let resource = self.resource();
        match resource.split_once('?').map_or(resource, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// What follows the question mark, if there is one, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// The target without scheme and authority: empty, or a path, a query, or both.
    fn resource(&self) -> &'b str {
        split_absolute(self.target).map_or(self.target, |[_, _, resource]| resource)
    }

    /// All header lines in their order, each as its name and its value. A value need not be UTF-8.
    #[must_use]
    pub const fn headers(&self) -> Headers<'b> {
        self.headers
    }

    /// The value of the first header line of that name, which is compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers().next_named(name.as_bytes())
    }

    /// The host with its port, if any, that the request is for: from the target if that is
    /// absolute, else from the Host header. Empty for an HTTP/1.0 request that names none.
    #[must_use]
    pub const fn host(&self) -> &'b str {
        text(self.host)
    }

    /// The Origin header, which browsers send: visible ASCII and spaces, as it was sent.
    #[must_use]
    pub const fn origin(&self) -> Option<&'b str> {
        match self.origin {
            Some(origin) => Some(text(origin)),
            None => None,
        }
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
            .field("host", &self.host());
        request.finish_non_exhaustive()
    }
}

/// ASCII as text, which it is.
const fn text(ascii: &[u8]) -> &str {
    match core::str::from_utf8(ascii) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// What the lines of a head say about the message and about the upgrade, gathered one by one.
#[derive(Debug, Default)]
pub(super) struct Signals<'b> {
    pub(super) version: HttpVersion,
    pub(super) upgrade: bool,
    pub(super) connection: bool,
    pub(super) has_body: bool,
    pub(super) key: Once<&'b [u8]>,
    pub(super) websocket_version: Once<&'b [u8]>,
    pub(super) has_subprotocols: bool,
    pub(super) extensions: ExtensionTally,
    host: Once<&'b [u8]>,
    origin: Once<&'b [u8]>,
    content_length: Once<u64>,
    transfer_encoding: bool,
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
/// it asks for. `signals` are those of a head of which nothing was read.
pub(super) fn read<'b>(
    raw: RawHead<'b>,
    target_bytes_max: usize,
    signals: &mut Signals<'b>,
) -> Result<Request<'b>, HandshakeError> {
    let line = RequestLine::split(raw.start_line, target_bytes_max)?;
    let authority = check_target(line.target)?;
    let headers = raw.visit_headers(|name, value| signals.visit(name, value))?;
    signals.finish(line, authority, headers, raw.end)
}

/// Reads a head that is all that has come, as nearly every head is, in one pass. `None` says
/// nothing: whatever is out of the ordinary is left to the search and [`read`], where each rule has
/// its fault. What is read here is read the same there.
#[inline]
pub(super) fn read_whole<'b>(
    received: &'b [u8],
    limits: &HeadLimits,
    signals: &mut Signals<'b>,
) -> Option<Request<'b>> {
    // The parser would pass over empty lines.
    if matches!(received, [b'\r' | b'\n', ..])
        || !received.ends_with(b"\r\n\r\n")
        || received.len() > limits.head_bytes_max.min(WHOLE_BYTES_MAX)
    {
        return None;
    }
    let mut lines = [MaybeUninit::uninit(); HEADER_LINES_USUAL];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(received, &mut lines).ok()?;
    let line = RequestLine::parsed(&parsed)?;
    // A bare LF is a line end for the parser: so there must be a CR LF where the request line ends,
    // and before each name.
    let (start_line, rest) = received.split_at_checked(line.len())?;
    if status != httparse::Status::Complete(received.len())
        || !start_line.ends_with(b"\r\n")
        || line.target.len() > limits.target_bytes_max
        || start_line.len() > limits.target_bytes_max.saturating_add(REQUEST_LINE_REST_MAX)
        || parsed.headers.len() > limits.header_lines_max
    {
        return None;
    }
    let authority = check_target(line.target).ok()?;
    for header in &*parsed.headers {
        let offset = received.element_offset(header.name.as_bytes().first()?)?;
        if !received.get(..offset)?.ends_with(b"\r\n") {
            return None;
        }
        signals.visit(header.name, header.value).ok()?;
    }
    signals.finish(line, authority, Headers::new(rest), received.len()).ok()
}

/// Method, target and version, between which stands exactly one space each (RFC 9112 section 3).
#[derive(Clone, Copy, Debug)]
struct RequestLine<'b> {
    method: &'b str,
    target: &'b str,
    version: HttpVersion,
}

impl<'b> RequestLine<'b> {
    fn split(line: &'b [u8], target_bytes_max: usize) -> Result<Self, HandshakeError> {
        let mut parts = line.split(|&byte| byte == b' ');
        let [Some(method), Some(target), Some(version), None] =
            [parts.next(), parts.next(), parts.next(), parts.next()]
        else {
            return Err(HandshakeError::StartLine);
        };
        if target.len() > target_bytes_max {
            return Err(HandshakeError::TargetTooLong);
        }
        let version = HttpVersion::parse(version)?;
        if !is_token(method) {
            return Err(HandshakeError::StartLine);
        }
        let method = core::str::from_utf8(method).map_err(|_| HandshakeError::StartLine)?;
        let target = core::str::from_utf8(target).map_err(|_| HandshakeError::Target)?;
        Ok(Self { method, target, version })
    }

    fn parsed(request: &httparse::Request<'_, 'b>) -> Option<Self> {
        let version = match request.version? {
            0 => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        };
        Some(Self { method: request.method?, target: request.path?, version })
    }

    /// The bytes of the line and its CR LF.
    const fn len(&self) -> usize {
        self.method.len() + self.target.len() + "  HTTP/1.1\r\n".len()
    }
}

impl<'b> Signals<'b> {
    #[inline(always)]
    fn visit(&mut self, name: &str, value: &'b [u8]) -> Result<(), HandshakeError> {
        let name = name.as_bytes();
        // Most names are told apart by their length alone.
        match name.len() {
            4 if matches_lower(name, b"host") => self.host.put(check_host(value)?),
            6 if matches_lower(name, b"origin") => self.origin.put(check_origin(value)?),
            7 if matches_lower(name, b"upgrade") => {
                self.upgrade |= lists_token(value, b"websocket");
            }
            10 if matches_lower(name, b"connection") => {
                self.connection |= lists_token(value, b"upgrade");
            }
            14 if matches_lower(name, b"content-length") => {
                self.content_length.put(content_length(value)?);
            }
            17 if matches_lower(name, b"transfer-encoding") => self.transfer_encoding = true,
            17 if matches_lower(name, b"sec-websocket-key") => self.key.put(value),
            21 if matches_lower(name, b"sec-websocket-version") => {
                self.websocket_version.put(value);
            }
            22 if matches_lower(name, SUBPROTOCOL_HEADER) => self.has_subprotocols = true,
            24 if matches_lower(name, EXTENSIONS_HEADER) => self.extensions.add(value),
            _ => {}
        }
        Ok(())
    }

    /// What all lines together must hold. `authority` is the target's, if it has one.
    #[inline(always)]
    fn finish(
        &mut self,
        line: RequestLine<'b>,
        authority: Option<&'b str>,
        headers: Headers<'b>,
        head_len: usize,
    ) -> Result<Request<'b>, HandshakeError> {
        let RequestLine { method, target, version } = line;
        self.version = version;
        self.has_body = self.body()?;
        let host = match self.host {
            Once::One(host) => host,
            Once::Repeated => return Err(HandshakeError::HostRepeated),
            Once::Absent if version == HttpVersion::Http10 => b"",
            Once::Absent => return Err(HandshakeError::HostMissing),
        };
        let origin = match self.origin {
            Once::One(origin) => Some(origin),
            Once::Repeated => return Err(HandshakeError::Origin),
            Once::Absent => None,
        };
        let host = authority.map_or(host, str::as_bytes);
        Ok(Request { method, target, host, origin, headers, head_len })
    }

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

fn check_host(value: &[u8]) -> Result<&[u8], HandshakeError> {
    Authority::parse(value).map_err(|_| HandshakeError::HostInvalid)?;
    Ok(value)
}

/// An origin is compared as it stands, so nothing is made of it but that it is text. Spaces stand
/// between the origins of a list, which RFC 6454 section 7.1 allows.
fn check_origin(value: &[u8]) -> Result<&[u8], HandshakeError> {
    // Sixteen bytes at once, the last of them twice.
    let fits =
        |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    let is_text = match value.last_chunk::<16>() {
        Some(last) => value.as_chunks::<16>().0.iter().all(|chunk| fits(chunk)) && fits(last),
        None => fits(value) && !value.is_empty(),
    };
    if is_text { Ok(value) } else { Err(HandshakeError::Origin) }
}

/// Checks a target and returns its authority if it is absolute (RFC 6455 section 4.2.1, 1.).
fn check_target(target: &str) -> Result<Option<&str>, HandshakeError> {
    // A fragment is no part of a request target, and nothing else that is not visible ASCII.
    if !target.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#') {
        return Err(HandshakeError::Target);
    }
    if target.starts_with('/') {
        return Ok(None);
    }
    let [scheme, authority, _] = split_absolute(target).ok_or(HandshakeError::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HandshakeError::Target);
    }
    Authority::parse(authority.as_bytes()).map_err(|_| HandshakeError::HostInvalid)?;
    Ok(Some(authority))
}

/// Scheme, authority and resource of an absolute target; `None` for a path.
fn split_absolute(target: &str) -> Option<[&str; 3]> {
    if target.starts_with('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://")?;
    let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    Some([scheme, authority, resource])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read_whole(head: &[u8], limits: HeadLimits) -> bool {
        read_whole(head, &limits, &mut Signals::default()).is_some()
    }

    #[test]
    fn the_usual_is_read_in_one_pass_and_nothing_else_is() {
        let usual = HeadLimits::default();
        let request = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
        assert!(is_read_whole(request, usual));
        assert!(is_read_whole(b"POST http://h/ HTTP/1.0\r\nHost: h\r\na:\t b \r\n\r\n", usual));
        assert!(is_read_whole(b"GET / HTTP/1.0\r\n\r\n", usual));
        for head in [
            &b""[..],
            b"G",
            b"GET / HTTP/1.1\r\nHost: h\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\n",
            b"GET / HTTP/1.1\r\nHost: h\n\r\n",
            b"GET / HTTP/1.1\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nA:\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\n\r\n\r\n",
            b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            b"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\r\nGET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\x81",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n A: b\r\n\r\n",
            b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
            b"GET /# HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        ] {
            assert!(!is_read_whole(head, usual), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn limits_are_kept_in_one_pass() {
        let usual = HeadLimits::default();
        let request = b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n";
        let enough =
            HeadLimits { head_bytes_max: request.len(), target_bytes_max: 5, header_lines_max: 2 };
        assert!(is_read_whole(request, enough));
        assert!(!is_read_whole(request, HeadLimits { head_bytes_max: request.len() - 1, ..usual }));
        assert!(!is_read_whole(request, HeadLimits { target_bytes_max: 4, ..usual }));
        assert!(!is_read_whole(request, HeadLimits { header_lines_max: 1, ..usual }));
        let lines = |count| {
            [b"GET / HTTP/1.1\r\nHost: h\r\n", &b"a: 1\r\n".repeat(count)[..], b"\r\n"].concat()
        };
        assert!(is_read_whole(&lines(HEADER_LINES_USUAL - 1), usual));
        assert!(!is_read_whole(&lines(HEADER_LINES_USUAL), usual));
        let long = |len| {
            [b"GET / HTTP/1.1\r\nHost: h\r\na: ", &b"b".repeat(len)[..], b"\r\n\r\n"].concat()
        };
        let len = WHOLE_BYTES_MAX - long(0).len();
        assert!(is_read_whole(&long(len), usual));
        assert!(!is_read_whole(&long(len + 1), usual));
    }
}
