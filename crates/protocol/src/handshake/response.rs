use super::error::HandshakeError;
use super::header::Header;
use crate::outbox::Outbox;
use alloc::vec::Vec;
use bytes::Bytes;

/// An HTTP response other than 101: the refusal of an upgrade, or the answer to a plain request.
///
/// It always closes the connection and always says how long its body is. Nothing of the request is
/// repeated in it unless the application puts it there.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<Header>,
    body: Bytes,
}

impl Response {
    /// A response without a body. A status outside 200 to 599 is none that ends a request, and
    /// becomes 500.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        let status = if matches!(status, 200..=599) { status } else { 500 };
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// Sets the body and adds its Content-Type, a constant of the program such as `text/html;
    /// charset=utf-8`.
    ///
    /// # Panics
    /// If the content type could not stand in a header line.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a caller's mistake in a constant of his program")]
    pub fn body(mut self, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.headers.push(
            Header::new("Content-Type", content_type).expect("a content type is visible ASCII"),
        );
        self.body = body.into();
        self
    }

    /// The status code, 200 to 599.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header lines that were added.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Appends the response to the outbox. Afterwards the connection must be closed, lingering
    /// until the peer has read it. The body is shared with the outbox, not copied, where that is
    /// worth while.
    pub fn write(&self, mode: BodyMode, outbox: &mut Outbox) {
        let len = FIXED_LEN_MAX + self.headers.iter().map(Header::line_len).sum::<usize>();
        outbox.append_with(len, |head| self.write_head(head));
        if mode == BodyMode::Whole && self.has_body() {
            outbox.append_shared(self.body.clone());
        }
    }

    /// These two have no body, and no length either (RFC 9110 section 8.6).
    const fn has_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    fn write_head(&self, head: &mut Vec<u8>) {
        let mut digits = [0; DIGITS_MAX];
        head.extend_from_slice(b"HTTP/1.1 ");
        head.extend_from_slice(decimal(self.status.into(), &mut digits));
        head.extend_from_slice(b" ");
        head.extend_from_slice(reason(self.status).as_bytes());
        // Whoever names an Upgrade also names it as an option of the connection (RFC 9110 section
        // 7.8).
        head.extend_from_slice(match self.status {
            426 => UPGRADE_REQUIRED,
            _ => b"\r\nConnection: close\r\n",
        });
        for header in &self.headers {
            header.write(head);
        }
        if self.has_body() {
            head.extend_from_slice(b"Content-Length: ");
            head.extend_from_slice(decimal(self.body.len() as u64, &mut digits));
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
    }
}

impl From<HandshakeError> for Response {
    /// The answer to a failed handshake: its status, and its description as the body.
    fn from(error: HandshakeError) -> Self {
        let mut response = Self::new(error.status());
        if error == HandshakeError::Method {
            response.headers.extend(Header::new("Allow", "GET"));
        }
        response.headers.extend(Header::new("Content-Type", "text/plain"));
        response.body = Bytes::from_static(error.description().as_bytes());
        response
    }
}

/// Whether the body goes out with the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// Head and body.
    Whole,
    /// The head of the same response without its body, which is what a HEAD request asks for.
    HeadOnly,
}

impl BodyMode {
    /// The mode that answers a request of this method.
    #[must_use]
    pub fn for_method(method: &str) -> Self {
        if method == "HEAD" { Self::HeadOnly } else { Self::Whole }
    }
}

const UPGRADE_REQUIRED: &[u8] = b"\r\nConnection: close, Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\n";
/// Room for the status line and the header lines that every response has.
const FIXED_LEN_MAX: usize = 192;
/// The digits of the greatest u64.
const DIGITS_MAX: usize = 20;

fn decimal(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut start = DIGITS_MAX;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

/// A constant phrase; an unknown status goes without one, which is legal (RFC 9112 section 4).
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
