use super::error::HandshakeError;
use super::header::{is_token_byte, trim};
use memchr::{memchr, memchr_iter};

/// More header lines than this are refused whatever the limit says, for they are checked in an
/// array on the stack.
const HEADER_LINES_MAX: usize = 256;
/// Most heads have no more header lines than this, and a small array is quicker to clear.
pub(super) const HEADER_LINES_USUAL: usize = 32;
/// What the request line may need besides its target: a method, two spaces, the version and a CR.
pub(super) const REQUEST_LINE_REST_MAX: usize = 64;
/// A longer head is not read in one pass, so that one that is refused in the end has not cost a
/// second.
pub(super) const WHOLE_BYTES_MAX: usize = 4096;

/// How much of a head is read before it is refused. Each limit stops memory and time from being
/// spent on a head that nobody needs; the defaults leave room for a browser behind a proxy with 10
/// KB of cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, its last empty line included: 16 KiB by default, 431 above it. A
    /// client counts interim responses as well.
    pub head_bytes_max: usize,
    /// Bytes of the request target: 8 KiB by default, 414 above it.
    pub target_bytes_max: usize,
    /// Header lines, repeated names counted each time: 100 by default, 256 at most, 431 above it.
    pub header_lines_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 16 * 1024, target_bytes_max: 8 * 1024, header_lines_max: 100 }
    }
}

/// Looks for the end of a head, each byte once, however the bytes are cut.
#[derive(Clone, Debug)]
pub(super) struct HeadSearch {
    limits: HeadLimits,
    start_line_bytes_max: usize,
    empty_lines_left: u8,
    progress: Progress,
    /// Where the start line begins.
    start: usize,
    /// Where the current line begins.
    line_start: usize,
    /// How far every byte has been looked at.
    searched: usize,
    /// Complete lines that are not empty.
    lines: usize,
    start_line_len: usize,
    #[cfg(test)]
    looked_at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Searching,
    /// The head lies between `start` and `line_start`.
    Found,
    Failed(HandshakeError),
}

impl HeadSearch {
    /// For a request, which may follow one empty line (RFC 9112 section 2.2).
    pub(super) const fn request(limits: HeadLimits) -> Self {
        let start_line_bytes_max = limits.target_bytes_max.saturating_add(REQUEST_LINE_REST_MAX);
        Self::new(limits, start_line_bytes_max, 1)
    }

    /// For a response, whose start line is limited by the head's own limit only.
    pub(super) const fn response(limits: HeadLimits) -> Self {
        Self::new(limits, usize::MAX, 0)
    }

    const fn new(limits: HeadLimits, start_line_bytes_max: usize, empty_lines_left: u8) -> Self {
        Self {
            limits,
            start_line_bytes_max,
            empty_lines_left,
            progress: Progress::Searching,
            start: 0,
            line_start: 0,
            searched: 0,
            lines: 0,
            start_line_len: 0,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// The limits, as long as nothing was searched.
    pub(super) const fn untouched(&self) -> Option<&HeadLimits> {
        match self.progress {
            Progress::Searching if self.searched == 0 => Some(&self.limits),
            _ => None,
        }
    }

    /// Goes on searching. `received` begins with all that earlier calls were shown. A head or a
    /// failure that was found is found again.
    ///
    /// The verdict does not depend on how the bytes were cut: whatever a prefix is refused for, the
    /// whole is.
    pub(super) fn find<'b>(
        &mut self,
        received: &'b [u8],
    ) -> Result<Option<RawHead<'b>>, HandshakeError> {
        let within = received.get(..self.limits.head_bytes_max).unwrap_or(received);
        if matches!(self.progress, Progress::Searching) {
            self.progress = self.search(within).unwrap_or_else(Progress::Failed);
        }
        match self.progress {
            Progress::Searching => Ok(None),
            Progress::Found => Ok(Some(self.found(within))),
            Progress::Failed(error) => Err(error),
        }
    }

    /// Leaves the head that was found behind, for another that follows it.
    pub(super) const fn skip(&mut self) {
        self.progress = Progress::Searching;
        self.start = self.line_start;
        self.lines = 0;
    }

    fn search(&mut self, within: &[u8]) -> Result<Progress, HandshakeError> {
        self.check_first_byte(within)?;
        let searched = self.searched;
        for offset in memchr_iter(b'\n', within.get(searched..).unwrap_or_default()) {
            let feed = searched + offset;
            self.look_to(feed + 1);
            let line = within.get(self.line_start..feed).unwrap_or_default();
            self.check_start_line_len(line.len())?;
            let [line @ .., b'\r'] = line else {
                return Err(HandshakeError::LineEnding);
            };
            self.line_start = feed + 1;
            if !line.is_empty() {
                if self.lines == 0 {
                    self.start_line_len = line.len();
                }
                self.lines += 1;
                // The start line is one of them.
                if self.lines - 1 > self.limits.header_lines_max {
                    return Err(HandshakeError::TooManyHeaders);
                }
            } else if self.lines == 0 {
                self.empty_lines_left =
                    self.empty_lines_left.checked_sub(1).ok_or(HandshakeError::StartLine)?;
                self.start = self.line_start;
                self.check_first_byte(within)?;
            } else {
                return Ok(Progress::Found);
            }
        }
        self.look_to(within.len());
        self.check_start_line_len(within.len().saturating_sub(self.line_start))?;
        if within.len() == self.limits.head_bytes_max {
            return Err(HandshakeError::HeadTooLarge);
        }
        Ok(Progress::Searching)
    }

    fn found<'b>(&self, within: &'b [u8]) -> RawHead<'b> {
        let head = within.get(self.start..self.line_start).unwrap_or_default();
        let (start_line, fields) = head.split_at_checked(self.start_line_len).unwrap_or_default();
        RawHead {
            start_line,
            fields: fields.strip_prefix(b"\r\n").unwrap_or_default(),
            lines: self.lines.saturating_sub(1),
            end: self.line_start,
        }
    }

    /// Whoever speaks something other than HTTP, TLS above all, is told so at its first byte.
    fn check_first_byte(&self, within: &[u8]) -> Result<(), HandshakeError> {
        match within.get(self.start) {
            Some(&byte) if !is_token_byte(byte) && !matches!(byte, b'\r' | b'\n') => {
                Err(HandshakeError::StartLine)
            }
            _ => Ok(()),
        }
    }

    /// `line_len` counts the CR, which may or may not have come.
    const fn check_start_line_len(&self, line_len: usize) -> Result<(), HandshakeError> {
        if self.lines == 0 && line_len > self.start_line_bytes_max {
            return Err(HandshakeError::TargetTooLong);
        }
        Ok(())
    }

    fn look_to(&mut self, end: usize) {
        #[cfg(test)]
        {
            self.looked_at += end - self.searched;
        }
        self.searched = end;
    }
}

/// A head whose lines all end in CR LF; nothing else about it has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawHead<'b> {
    /// Without its line end.
    pub(super) start_line: &'b [u8],
    /// The header lines and the empty line after them.
    fields: &'b [u8],
    lines: usize,
    /// Where the head ends in what was received.
    pub(super) end: usize,
}

impl<'b> RawHead<'b> {
    /// Where the header lines begin in what was received.
    pub(super) const fn fields_start(&self) -> usize {
        self.end - self.fields.len()
    }

    /// Checks every header line and shows each to `visit`, until that fails.
    pub(super) fn visit_headers(
        &self,
        visit: impl FnMut(&'b str, &'b [u8]) -> Result<(), HandshakeError>,
    ) -> Result<Headers<'b>, HandshakeError> {
        if self.lines <= HEADER_LINES_USUAL {
            visit_lines::<HEADER_LINES_USUAL>(self.fields, visit)?;
        } else {
            visit_lines::<HEADER_LINES_MAX>(self.fields, visit)?;
        }
        Ok(Headers::new(self.fields))
    }
}

fn visit_lines<'b, const LINES_MAX: usize>(
    fields: &'b [u8],
    mut visit: impl FnMut(&'b str, &'b [u8]) -> Result<(), HandshakeError>,
) -> Result<(), HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; LINES_MAX];
    let status = httparse::parse_headers(fields, &mut headers).map_err(|error| match error {
        httparse::Error::TooManyHeaders => HandshakeError::TooManyHeaders,
        httparse::Error::HeaderValue => HandshakeError::HeaderValue,
        httparse::Error::NewLine => HandshakeError::LineEnding,
        _ => HandshakeError::HeaderName,
    })?;
    match status {
        httparse::Status::Complete((end, headers)) if end == fields.len() => {
            headers.iter().try_for_each(|header| visit(header.name, header.value))
        }
        // The search found the end of the head where the parser did not.
        _ => Err(HandshakeError::LineEnding),
    }
}

/// The header lines of a head in the order in which they came, each as its name and its value. The
/// value has lost the whitespace around it, holds no control byte but tabs, and need not be UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Headers<'b> {
    type Item = (&'b str, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = self.rest.split_at_checked(memchr(b'\n', self.rest)? + 1)?;
        self.rest = rest;
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let value = value.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
        Some((core::str::from_utf8(name).ok()?, trim(value)))
    }
}

impl<'b> Headers<'b> {
    /// Of the header lines that were checked, and the empty line after them.
    pub(super) const fn new(fields: &'b [u8]) -> Self {
        Self { rest: fields }
    }

    /// The value of the next line of that name, which is compared without regard to case; goes on
    /// behind it.
    pub(super) fn next_named(&mut self, name: &[u8]) -> Option<&'b [u8]> {
        self.find(|(other, _)| other.as_bytes().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A field that must not be repeated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Once<T> {
    #[default]
    Absent,
    One(T),
    Repeated,
}

impl<T> Once<T> {
    pub(super) fn put(&mut self, value: T) {
        *self = if matches!(self, Self::Absent) { Self::One(value) } else { Self::Repeated };
    }
}

/// The number of a Content-Length: digits only, and no more than fit (RFC 9112 section 6.3).
pub(super) fn content_length(value: &[u8]) -> Result<u64, HandshakeError> {
    // `parse` would take a leading plus sign.
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(HandshakeError::ContentLength);
    }
    let digits = core::str::from_utf8(value).map_err(|_| HandshakeError::ContentLength)?;
    digits.parse().map_err(|_| HandshakeError::ContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hss_32_attack_04_threat_f5_each_byte_is_looked_at_once_however_it_is_cut() {
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        for _ in 0..90 {
            head.extend_from_slice(b"a: 0123456789012345678901234567890123456789\r\n");
        }
        head.extend_from_slice(b"\r\n");
        for step in [1, 2, 7, 4096] {
            let mut search = HeadSearch::request(HeadLimits::default());
            let mut shown = 0;
            let found = loop {
                shown = (shown + step).min(head.len());
                if let Some(found) = search.find(&head[..shown]).expect("the head is well-formed") {
                    break found.end;
                }
            };
            assert_eq!((found, search.looked_at), (head.len(), head.len()), "step {step}");
        }
    }
}
