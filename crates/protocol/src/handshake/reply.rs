use super::error::HandshakeError;
use super::head::{Headers, Once, RawHead, content_length};
use super::header::matches_lower;
#[cfg(feature = "deflate")]
use super::negotiate::answered_extensions;
use super::negotiate::{
    EXTENSIONS_HEADER, ExtensionTally, SUBPROTOCOL_HEADER, list_elements, lists_token,
};
use super::request::HttpVersion;
use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::{self, Deflate, DeflateConfig};
use crate::role::Role;
use crate::time::Instant;
use alloc::string::String;
use alloc::sync::Arc;

/// The answer to a client's request.
#[derive(Clone, Debug)]
pub enum Reply<'b> {
    /// The connection is open.
    Switched(Switched),
    /// The server answered with a status other than 101. The connection must be closed.
    Refused(Refusal<'b>),
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switched {
    /// How many of the received bytes are heads; the frame stream begins behind them.
    pub head_len: usize,
    /// The subprotocol that the server chose among those offered.
    pub subprotocol: Option<String>,
    /// What was agreed on about compression; give it to
    /// [`Connection::set_deflate`](crate::Connection::set_deflate).
    #[cfg(feature = "deflate")]
    pub deflate: Option<Deflate>,
    /// Where the header lines of the answer begin.
    fields_start: usize,
}

impl Switched {
    /// All header lines of the answer, such as cookies, in their order; `received` are the bytes that
    /// the handshake was shown last. A value need not be UTF-8.
    #[must_use]
    pub fn headers<'b>(&self, received: &'b [u8]) -> Headers<'b> {
        Headers::new(received.get(self.fields_start..self.head_len).unwrap_or_default())
    }

    /// The connection that has begun, with the compression that was agreed on. What was received
    /// behind [`head_len`](Self::head_len) belongs to it.
    #[must_use]
    pub fn connection(&self, config: Arc<Config>, now: Instant) -> Connection {
        let connection = Connection::new(Role::Client, config, now);
        #[cfg(feature = "deflate")]
        let connection = connection.deflating(self.deflate.as_ref());
        connection
    }
}

/// An ordinary HTTP response: a redirect, a demand for authentication, an error (RFC 6455 section
/// 4.1).
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'b> {
    status: u16,
    reason: &'b str,
    headers: Headers<'b>,
    head_len: usize,
    body_len: Option<u64>,
}

impl<'b> Refusal<'b> {
    /// The status code, 200 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase. It is empty if it is missing, is not UTF-8, or holds a control character,
    /// which a terminal might obey.
    #[must_use]
    pub const fn reason(&self) -> &'b str {
        self.reason
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

    /// How many of the received bytes are heads; the body begins behind them.
    #[must_use]
    pub const fn head_len(&self) -> usize {
        self.head_len
    }

    /// How many bytes the body has, if the head says so; else it lasts until the connection ends,
    /// or is chunked.
    #[must_use]
    pub const fn body_len(&self) -> Option<u64> {
        self.body_len
    }

    /// The WebSocket versions that the server says it speaks (RFC 6455 section 4.4). Elements that
    /// are no number from 0 to 255, or begin with a needless zero, are passed over.
    pub fn versions(&self) -> impl Iterator<Item = u8> + use<'b> {
        let versions =
            self.headers.filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-version"));
        versions.flat_map(|(_, value)| list_elements(value)).filter_map(|element| match element {
            [b'0', _, ..] | [b'+', ..] => None,
            _ => core::str::from_utf8(element).ok()?.parse().ok(),
        })
    }
}

/// What a client expects of a 101.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'c> {
    pub(super) accept: &'c [u8],
    pub(super) subprotocols: &'c [String],
    #[cfg(feature = "deflate")]
    pub(super) deflate: Option<&'c DeflateConfig>,
}

/// What was agreed on about extensions.
#[derive(Default)]
struct Extensions {
    #[cfg(feature = "deflate")]
    deflate: Option<Deflate>,
}

/// Reads one complete head of a response; `None` if it is an interim one that is followed by
/// another.
pub(super) fn read<'b>(
    raw: RawHead<'b>,
    expected: Expected<'_>,
) -> Result<Option<Reply<'b>>, HandshakeError> {
    let (version, status, reason) = split_status_line(raw.start_line)?;
    let mut fields = Fields::default();
    let headers = raw.visit_headers(|name, value| fields.visit(name, value))?;
    if status == 101 {
        let (subprotocol, _extensions) = fields.check_switch(version, expected)?;
        return Ok(Some(Reply::Switched(Switched {
            head_len: raw.end,
            fields_start: raw.fields_start(),
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate: _extensions.deflate,
        })));
    }
    if status < 200 {
        return Ok(None);
    }
    let body_len = fields.body_len(status)?;
    Ok(Some(Reply::Refused(Refusal { status, reason, headers, head_len: raw.end, body_len })))
}

#[derive(Debug, Default)]
struct Fields<'b> {
    upgrade: Once<&'b [u8]>,
    connection: bool,
    accept: Once<&'b [u8]>,
    subprotocol: Once<&'b [u8]>,
    extensions: Once<&'b [u8]>,
    content_length: Once<&'b [u8]>,
    transfer_encoding: bool,
}

impl<'b> Fields<'b> {
    fn visit(&mut self, name: &str, value: &'b [u8]) -> Result<(), HandshakeError> {
        let name = name.as_bytes();
        match name.len() {
            7 if matches_lower(name, b"upgrade") => self.upgrade.put(value),
            10 if matches_lower(name, b"connection") => {
                self.connection |= lists_token(value, b"upgrade")
            }
            14 if matches_lower(name, b"content-length") => self.content_length.put(value),
            17 if matches_lower(name, b"transfer-encoding") => self.transfer_encoding = true,
            20 if matches_lower(name, b"sec-websocket-accept") => self.accept.put(value),
            22 if matches_lower(name, SUBPROTOCOL_HEADER) => self.subprotocol.put(value),
            24 if matches_lower(name, EXTENSIONS_HEADER) => self.extensions.put(value),
            _ => {}
        }
        Ok(())
    }

    /// The rules of a 101, in the order of RFC 6455 section 4.1. Returns the subprotocol that was
    /// chosen, and what was agreed on about extensions.
    fn check_switch(
        &self,
        version: HttpVersion,
        expected: Expected<'_>,
    ) -> Result<(Option<String>, Extensions), HandshakeError> {
        if version == HttpVersion::Http10 {
            return Err(HandshakeError::HttpVersion);
        }
        // 2. "Upgrade: websocket", and nothing beside it.
        if !matches!(self.upgrade, Once::One(value) if value.eq_ignore_ascii_case(b"websocket")) {
            return Err(HandshakeError::UpgradeMissing);
        }
        // 3. "Upgrade" as one of the connection's options.
        if !self.connection {
            return Err(HandshakeError::Connection);
        }
        // 4. The answer to our key; more than one would leave open which is meant.
        if !matches!(self.accept, Once::One(value) if value == expected.accept) {
            return Err(HandshakeError::Accept);
        }
        // 5. No extension but those offered.
        let extensions = match self.extensions {
            Once::Absent => Extensions::default(),
            Once::One(value) => {
                let mut tally = ExtensionTally::default();
                tally.add(value);
                tally.check()?;
                check_extensions(value, expected)?
            }
            Once::Repeated => return Err(HandshakeError::Extensions),
        };
        // What follows a 101 is the new protocol, never a body (RFC 9110 section 8.6, RFC 9112
        // section 6.1).
        if self.transfer_encoding || !matches!(self.content_length, Once::Absent) {
            return Err(HandshakeError::Body);
        }
        // 6. At most one subprotocol, and one that was offered.
        let subprotocol = match self.subprotocol {
            Once::Absent => None,
            Once::One(value) => {
                let chosen =
                    expected.subprotocols.iter().find(|offered| offered.as_bytes() == value);
                Some(chosen.cloned().ok_or(HandshakeError::SubprotocolNotOffered)?)
            }
            Once::Repeated => return Err(HandshakeError::SubprotocolRepeated),
        };
        Ok((subprotocol, extensions))
    }

    /// The length of the body behind a final response (RFC 9112 section 6.3).
    fn body_len(&self, status: u16) -> Result<Option<u64>, HandshakeError> {
        match self.content_length {
            _ if matches!(status, 204 | 304) => Ok(Some(0)),
            Once::Absent => Ok(None),
            Once::One(value) if !self.transfer_encoding => content_length(value).map(Some),
            _ => Err(HandshakeError::ContentLength),
        }
    }
}

/// Whether a well-formed list of extensions answers what was offered.
#[cfg(feature = "deflate")]
fn check_extensions(value: &[u8], expected: Expected<'_>) -> Result<Extensions, HandshakeError> {
    let mut answered = answered_extensions(value);
    let (Some(config), Some(extension), None) =
        (expected.deflate, answered.next(), answered.next())
    else {
        return Err(HandshakeError::ExtensionNotOffered);
    };
    if extension.name() != deflate::NAME {
        return Err(HandshakeError::ExtensionNotOffered);
    }
    let deflate = config.check(extension.parameter_chars());
    if deflate.is_none() {
        Err(HandshakeError::ExtensionParameters)
    } else {
        Ok(Extensions { deflate })
    }
}

/// Nothing was offered.
#[cfg(not(feature = "deflate"))]
const fn check_extensions(_: &[u8], _: Expected<'_>) -> Result<Extensions, HandshakeError> {
    Err(HandshakeError::ExtensionNotOffered)
}

/// Version, status and reason of `HTTP/1.1 404 Not Found`. The reason may be missing, with the
/// space before it.
fn split_status_line(line: &[u8]) -> Result<(HttpVersion, u16, &str), HandshakeError> {
    let (version, rest) = line.split_at_checked(8).ok_or(HandshakeError::StartLine)?;
    let version = HttpVersion::parse(version)?;
    let [b' ', hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', reason @ ..] = rest
    else {
        return Err(HandshakeError::StartLine);
    };
    let status = [hundreds, tens, ones]
        .iter()
        .fold(0, |status, &&digit| status * 10 + u16::from(digit - b'0'));
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return Err(HandshakeError::StartLine),
    };
    if reason.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(HandshakeError::StartLine);
    }
    // UTF-8 has control characters beyond ASCII, which obs-text allows.
    let reason =
        core::str::from_utf8(reason).ok().filter(|reason| !reason.contains(char::is_control));
    Ok((version, status, reason.unwrap_or_default()))
}
