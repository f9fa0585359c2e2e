use super::error::HandshakeError;
use super::head::Headers;
use super::header::{is_token, is_token_byte, matches_lower, trim};
use core::fmt;
use memchr::memchr;

pub(super) const SUBPROTOCOL_HEADER: &[u8; 22] = b"sec-websocket-protocol";
pub(super) const EXTENSIONS_HEADER: &[u8; 24] = b"sec-websocket-extensions";

/// More subprotocols than this are refused: telling repeated ones apart compares each with each.
pub(super) const SUBPROTOCOLS_MAX: usize = 64;
/// More extensions than this are refused; two or three exist.
const EXTENSIONS_MAX: usize = 32;
/// More parameters of one extension than this are refused; permessage-deflate has four.
const PARAMETERS_MAX: usize = 16;
/// What browsers offer, each of them one extension: no need to look closer.
const OFFER_USUAL: &[u8] = b"permessage-deflate; client_max_window_bits";
const OFFER_SHORT: &[u8] = b"permessage-deflate";

/// The elements of one comma-separated list without the whitespace around them. Empty elements are
/// skipped, as RFC 9110 section 5.6.1.2 has a recipient do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListElements<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for ListElements<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        while !self.rest.is_empty() {
            let end = memchr(b',', self.rest).unwrap_or(self.rest.len());
            let (element, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest.get(1..).unwrap_or_default();
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

pub(super) const fn list_elements(value: &[u8]) -> ListElements<'_> {
    ListElements { rest: value }
}

/// Whether a comma-separated list has the element `token`, which is given in small letters.
#[inline]
pub(super) fn lists_token<const LEN: usize>(value: &[u8], token: &[u8; LEN]) -> bool {
    // Nearly always the list is this one token.
    matches_lower(value, token) || lists_among_others(value, token)
}

#[inline(never)]
fn lists_among_others<const LEN: usize>(value: &[u8], token: &[u8; LEN]) -> bool {
    list_elements(value).any(|element| matches_lower(element, token))
}

/// The subprotocols that a client offers, the one it likes best first (RFC 6455 section 4.2.1, 8.).
#[derive(Clone, Copy, Debug)]
pub struct Subprotocols<'b> {
    headers: Headers<'b>,
    elements: ListElements<'b>,
}

impl<'b> Iterator for Subprotocols<'b> {
    type Item = &'b str;

    fn next(&mut self) -> Option<&'b str> {
        loop {
            if let Some(element) = self.elements.next() {
                return core::str::from_utf8(element).ok();
            }
            self.elements = list_elements(self.headers.next_named(SUBPROTOCOL_HEADER)?);
        }
    }
}

impl<'b> Subprotocols<'b> {
    pub(super) const fn new(headers: Headers<'b>) -> Self {
        Self { headers, elements: list_elements(b"") }
    }
}

/// Checks all lines of Sec-WebSocket-Protocol together: at least one element, each a token, none
/// twice, at most 64 (RFC 6455 sections 4.1, 10. and 11.3.4).
#[inline(never)]
pub(super) fn check_subprotocols(mut headers: Headers<'_>) -> Result<(), HandshakeError> {
    let mut seen = [[].as_slice(); SUBPROTOCOLS_MAX];
    let mut len = 0;
    while let Some(value) = headers.next_named(SUBPROTOCOL_HEADER) {
        for element in list_elements(value) {
            if !is_token(element) {
                return Err(HandshakeError::Subprotocols);
            }
            let (before, free) = seen.split_at_mut_checked(len).unwrap_or_default();
            if before.contains(&element) {
                return Err(HandshakeError::SubprotocolRepeated);
            }
            *free.first_mut().ok_or(HandshakeError::TooManySubprotocols)? = element;
            len += 1;
        }
    }
    if len == 0 { Err(HandshakeError::Subprotocols) } else { Ok(()) }
}

/// All lines of Sec-WebSocket-Extensions together, counted as they come by: at least one extension,
/// at most 32, each as the grammar of RFC 6455 section 9.1 has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExtensionTally {
    has_lines: bool,
    len: usize,
    fault: Option<HandshakeError>,
}

impl ExtensionTally {
    /// Counts one more line, unless a fault was found before.
    #[inline]
    pub(super) fn add(&mut self, value: &[u8]) {
        if !self.has_lines && (value == OFFER_USUAL || value == OFFER_SHORT) {
            (self.has_lines, self.len) = (true, 1);
            return;
        }
        self.has_lines = true;
        if self.fault.is_none() {
            self.fault = self.count(value).err();
        }
    }

    fn count(&mut self, mut value: &[u8]) -> Result<(), HandshakeError> {
        while take_extension(&mut value)?.is_some() {
            self.len += 1;
            if self.len > EXTENSIONS_MAX {
                return Err(HandshakeError::TooManyExtensions);
            }
        }
        Ok(())
    }

    /// Whether all was well; no line at all is.
    pub(super) const fn check(&self) -> Result<(), HandshakeError> {
        match self.fault {
            Some(error) => Err(error),
            None if self.has_lines && self.len == 0 => Err(HandshakeError::Extensions),
            None => Ok(()),
        }
    }
}

/// The extensions that a client offers, in its order of preference, all lines taken together. The
/// grammar has been checked; whether anybody knows the extension has not.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionOffers<'b> {
    headers: Headers<'b>,
    rest: &'b [u8],
}

impl<'b> ExtensionOffers<'b> {
    pub(super) const fn new(headers: Headers<'b>) -> Self {
        Self { headers, rest: b"" }
    }
}

impl<'b> Iterator for ExtensionOffers<'b> {
    type Item = Extension<'b>;

    fn next(&mut self) -> Option<Extension<'b>> {
        loop {
            if let Some(extension) = take_extension(&mut self.rest).ok()? {
                return Some(extension);
            }
            self.rest = self.headers.next_named(EXTENSIONS_HEADER)?;
        }
    }
}

/// The extensions that a server answered in its one line, which is checked: all of it.
#[cfg(feature = "deflate")]
pub(super) fn answered_extensions(value: &[u8]) -> impl Iterator<Item = Extension<'_>> {
    let mut rest = value;
    core::iter::from_fn(move || take_extension(&mut rest).ok()?)
}

/// One element of Sec-WebSocket-Extensions: `name; parameter; parameter=value; parameter="value"`.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'b> {
    name: &'b [u8],
    parameters: &'b [u8],
}

impl<'b> Extension<'b> {
    /// The name, a token.
    #[must_use]
    pub fn name(&self) -> &'b str {
        token_text(self.name)
    }

    /// The parameters in their order; a name may occur twice.
    #[must_use]
    pub const fn parameters(&self) -> Parameters<'b> {
        Parameters { rest: self.parameters }
    }

    /// The parameters with their values as characters.
    #[cfg(feature = "deflate")]
    pub(super) fn parameter_chars(
        &self,
    ) -> impl Iterator<Item = (&'b str, Option<impl Iterator<Item = char> + use<'b>>)> + use<'b>
    {
        self.parameters().map(|(name, value)| (name, value.map(|value| value.chars())))
    }
}

/// The parameters of an [`Extension`]: each a name, with a value if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Parameters<'b> {
    type Item = (&'b str, Option<ParameterValue<'b>>);

    fn next(&mut self) -> Option<Self::Item> {
        let parameter = take_parameter(&mut self.rest).ok()??;
        Some((token_text(parameter.name), parameter.value))
    }
}

/// The value of a parameter: a token, which may have been sent in quotes and with escapes.
#[derive(Clone, Copy, Debug)]
pub struct ParameterValue<'b> {
    escaped: &'b [u8],
}

impl<'b> ParameterValue<'b> {
    /// The characters without quotes and escapes, all of them ASCII.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'b> {
        // Only token characters are escaped, so a backslash never stands for itself.
        self.escaped.iter().filter(|&&byte| byte != b'\\').map(|&byte| char::from(byte))
    }
}

impl PartialEq<str> for ParameterValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl fmt::Display for ParameterValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|character| fmt::Write::write_char(formatter, character))
    }
}

/// Takes the next extension of a list, and the comma behind it; `None` at the end of the list.
fn take_extension<'b>(rest: &mut &'b [u8]) -> Result<Option<Extension<'b>>, HandshakeError> {
    while let [b' ' | b'\t' | b',', after @ ..] = *rest {
        *rest = after;
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let name = take_token(rest)?;
    let whole = *rest;
    let mut len = 0;
    while take_parameter(rest)?.is_some() {
        len += 1;
        if len > PARAMETERS_MAX {
            return Err(HandshakeError::TooManyExtensions);
        }
    }
    let parameters = whole.get(..whole.len() - rest.len()).unwrap_or_default();
    match rest.split_first() {
        None => {}
        Some((b',', after)) => *rest = after,
        Some(_) => return Err(HandshakeError::Extensions),
    }
    Ok(Some(Extension { name, parameters }))
}

struct Parameter<'b> {
    name: &'b [u8],
    value: Option<ParameterValue<'b>>,
}

/// Takes `; name`, `; name=value` or `; name="value"`; `None` where no semicolon follows.
fn take_parameter<'b>(rest: &mut &'b [u8]) -> Result<Option<Parameter<'b>>, HandshakeError> {
    skip_whitespace(rest);
    let [b';', after @ ..] = *rest else {
        return Ok(None);
    };
    *rest = after;
    skip_whitespace(rest);
    let name = take_token(rest)?;
    let [b'=', after @ ..] = *rest else {
        return Ok(Some(Parameter { name, value: None }));
    };
    *rest = after;
    let escaped = match *rest {
        [b'"', after @ ..] => {
            *rest = after;
            take_quoted(rest)?
        }
        _ => take_token(rest)?,
    };
    Ok(Some(Parameter { name, value: Some(ParameterValue { escaped }) }))
}

fn skip_whitespace(rest: &mut &[u8]) {
    while let [b' ' | b'\t', after @ ..] = *rest {
        *rest = after;
    }
}

fn take_token<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], HandshakeError> {
    let len = rest.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(rest.len());
    take_bytes(rest, len)
}

/// Takes a quoted string whose opening quote is gone, and its closing quote. What it stands for
/// must be a token (RFC 6455 section 9.1), so the rule of quoted strings shrinks to: a token, any
/// character of it escaped.
fn take_quoted<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], HandshakeError> {
    let mut len = 0;
    loop {
        len += match rest.get(len..).unwrap_or_default() {
            [b'\\', byte, ..] if is_token_byte(*byte) => 2,
            [byte, ..] if is_token_byte(*byte) => 1,
            [b'"', ..] => break,
            _ => return Err(HandshakeError::Extensions),
        };
    }
    let text = take_bytes(rest, len)?;
    *rest = rest.get(1..).unwrap_or_default();
    Ok(text)
}

/// Takes `len` bytes, at least one.
fn take_bytes<'b>(rest: &mut &'b [u8], len: usize) -> Result<&'b [u8], HandshakeError> {
    let (bytes, after) = rest.split_at_checked(len).unwrap_or_default();
    *rest = after;
    if bytes.is_empty() { Err(HandshakeError::Extensions) } else { Ok(bytes) }
}

/// A token as text, which it is.
fn token_text(token: &[u8]) -> &str {
    core::str::from_utf8(token).unwrap_or_default()
}
