//! The bytes that wait to be written.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::copying;

/// Above this size a segment is closed and the next bytes begin a new one, so that growing never
/// copies more than this.
const SEGMENT_BYTES_MAX: usize = 136 * 1024;

/// Shared bytes shorter than this are copied behind what waits already, since one more entry of a
/// vectored write costs more than the copy.
const SHARED_BYTES_MIN: usize = 512;

/// How many segments one write carries: seldom are there more.
#[cfg(feature = "std")]
const SLICES_MAX: usize = 16;

/// One contiguous piece of an [`Outbox`].
#[derive(Debug)]
pub enum Segment {
    /// Bytes that belong to this outbox alone.
    Owned(Vec<u8>),
    /// Bytes that may lie in other outboxes too.
    Shared(Bytes),
}

impl Segment {
    /// The segment's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// The bytes that a connection wants to send, in order.
///
/// The caller lends it to the connection, which appends; the caller writes from it with
/// [`chunks`](Self::chunks) or `io_slices` and reports with [`advance`](Self::advance) how much
/// the transport took. `write_to` does both for whatever is written to like a file.
///
/// ```text
///  first                    rest
/// ┌─────────┬───────────┐  ┌────────┬────────┬───
/// │ written │  waiting  │  │ shared │ owned  │ ..
/// └─────────┴───────────┘  └────────┴────────┴───
/// ```
///
/// The first segment lies in the outbox itself and the queue behind it exists only while it is
/// needed, so an outbox that is empty and has given its [spare](Self::take_spare) away holds no
/// memory on the heap.
#[derive(Debug)]
pub struct Outbox {
    first: Segment,
    /// How much of `first` has been written. INVARIANT: less than its length, unless the outbox is
    /// empty.
    written: usize,
    /// INVARIANT: `None` while `first` has nothing to write; no segment in it is empty.
    /// Boxed, since it is rare and an outbox exists for each connection.
    #[allow(clippy::box_collection)]
    rest: Option<Box<VecDeque<Segment>>>,
    /// Bytes that wait, over all segments.
    len: usize,
    /// The last segment was not made here: it has the room that it has, and does not grow.
    last_is_foreign: bool,
}

impl Outbox {
    /// An empty outbox, which holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: Segment::Owned(Vec::new()),
            written: 0,
            rest: None,
            len: 0,
            last_is_foreign: false,
        }
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first contiguous piece of the waiting bytes; empty if nothing waits.
    #[must_use]
    pub fn first_chunk(&self) -> &[u8] {
        self.first.as_slice().get(self.written..).unwrap_or_default()
    }

    /// The waiting bytes as contiguous pieces, in the order in which they must be written.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.first_chunk();
        let rest = self.rest.iter().flat_map(|rest| rest.iter().map(Segment::as_slice));
        core::iter::once(first).filter(|first| !first.is_empty()).chain(rest)
    }

    /// Fills `slices` from its beginning with the waiting bytes, for a vectored write, and returns
    /// how many entries were filled.
    #[cfg(feature = "std")]
    pub fn io_slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(self.chunks()) {
            *slice = std::io::IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    /// Writes to `writer` what waits, with vectored writes, until nothing does; what the writer took
    /// is forgotten, whatever follows.
    ///
    /// # Errors
    ///
    /// The writer's, but for an interruption, after which it goes on. `WouldBlock`, from a socket
    /// that does not block or whose timeout has passed, means that the rest waits in the outbox:
    /// call it again when the socket is writable. `WriteZero` if the writer takes nothing without
    /// saying why.
    #[cfg(feature = "std")]
    pub fn write_to(&mut self, writer: &mut (impl std::io::Write + ?Sized)) -> std::io::Result<()> {
        use std::io::{ErrorKind, IoSlice};
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = self.io_slices(&mut slices);
            match writer.write_vectored(slices.get(..filled).unwrap_or_default()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets the first `written` bytes: the transport has taken them.
    ///
    /// # Panics
    ///
    /// If `written` is more than [`len`](Self::len): the transport cannot have taken more than it
    /// was offered.
    #[inline]
    pub fn advance(&mut self, mut written: usize) {
        assert!(written <= self.len, "the transport took more bytes than it was offered");
        self.len -= written;
        loop {
            let waiting = self.first.as_slice().len() - self.written;
            if written < waiting {
                self.written += written;
                return;
            }
            written -= waiting;
            if !self.next_segment() {
                return;
            }
        }
    }

    /// Takes the first segment's waiting bytes out, for transports that want to own what they
    /// write. An owned segment that is partly written is cut, which moves its waiting bytes.
    pub fn pop(&mut self) -> Option<Segment> {
        if self.len == 0 {
            return None;
        }
        let mut first = core::mem::replace(&mut self.first, Segment::Owned(Vec::new()));
        match &mut first {
            Segment::Owned(bytes) => drop(bytes.drain(..self.written)),
            Segment::Shared(bytes) => drop(bytes.split_to(self.written)),
        }
        self.len -= first.as_slice().len();
        self.next_segment();
        Some(first)
    }

    /// All segments, with what was written of the first one, for who must drop each by itself: a shared
    /// one may have an owner whose code runs then.
    pub fn into_segments(self) -> impl Iterator<Item = Segment> {
        core::iter::once(self.first).chain(self.rest.into_iter().flat_map(|rest| *rest))
    }

    /// Appends a copy of `bytes`.
    pub fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.append_with(bytes.len(), |tail| copying::append(tail, bytes));
    }

    /// Appends `bytes` without copying them where that pays.
    pub fn append_shared(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.len == 0 {
            self.len = bytes.len();
            self.written = 0;
            self.first = Segment::Shared(bytes);
        } else if bytes.len() < SHARED_BYTES_MIN {
            self.append(&bytes);
        } else {
            self.len += bytes.len();
            self.rest.get_or_insert_default().push_back(Segment::Shared(bytes));
        }
    }

    /// Copies bytes that others have too if the only segment has room for them, they are so short that
    /// one more owner costs more, and no more than `bytes_max` wait then; returns whether it did.
    #[inline]
    pub(crate) fn append_shared_short(&mut self, bytes: &[u8], bytes_max: usize) -> bool {
        let (Segment::Owned(tail), None) = (&mut self.first, &self.rest) else { return false };
        let len = self.len.saturating_add(bytes.len());
        if bytes.len() >= SHARED_BYTES_MIN
            || len > bytes_max
            || tail.capacity() - tail.len() < bytes.len()
        {
            return false;
        }
        tail.extend_from_slice(bytes);
        self.len = len;
        true
    }

    /// Appends `bytes` from where they lie; their memory is the outbox's from now on.
    pub(crate) fn append_owned(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.last_is_foreign = true;
        if self.len == 0 {
            self.len = bytes.len();
            self.written = 0;
            self.first = Segment::Owned(bytes);
        } else {
            self.len += bytes.len();
            self.rest.get_or_insert_default().push_back(Segment::Owned(bytes));
        }
    }

    /// Appends what `write` puts behind the end of the vector that it gets, which has room for
    /// `additional` bytes, at least one. `write` must append at least one byte, and only append.
    #[inline]
    pub(crate) fn append_with(&mut self, additional: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let tail = match (&mut self.first, &self.rest) {
            // The common case: there is one segment, with room.
            (Segment::Owned(first), None) if first.capacity() - first.len() >= additional => first,
            _ => self.tail(additional),
        };
        let before = tail.len();
        write(tail);
        let appended = tail.len() - before;
        self.len += appended;
    }

    /// Appends two pieces if the only segment has room for them and no more than `bytes_max` bytes wait
    /// then; returns whether it did.
    #[inline]
    pub(crate) fn append_framed<const HEADER_LEN: usize>(
        &mut self,
        header: [u8; HEADER_LEN],
        payload: &[u8],
        bytes_max: usize,
    ) -> bool {
        let (Segment::Owned(tail), None) = (&mut self.first, &self.rest) else { return false };
        let len = self.len.saturating_add(HEADER_LEN + payload.len());
        if len > bytes_max || tail.capacity() - tail.len() < HEADER_LEN + payload.len() {
            return false;
        }
        tail.extend_from_slice(&header);
        copying::append(tail, payload);
        self.len = len;
        true
    }

    /// The owned segment at the end, or a new one if there is none that may grow by `additional`;
    /// it has that room.
    fn tail(&mut self, additional: usize) -> &mut Vec<u8> {
        if self.len == 0 {
            self.written = 0;
            self.last_is_foreign = false;
            if !matches!(self.first, Segment::Owned(_)) {
                self.first = Segment::Owned(Vec::new());
            }
        }
        let last = match &self.rest {
            Some(rest) => rest.back(),
            None => Some(&self.first),
        };
        let fits = match last {
            Some(Segment::Owned(bytes)) => {
                bytes.is_empty()
                    || bytes.capacity() - bytes.len() >= additional
                    || (!self.last_is_foreign && bytes.len() + additional <= SEGMENT_BYTES_MAX)
            }
            _ => false,
        };
        if !fits {
            self.last_is_foreign = false;
            self.rest.get_or_insert_default().push_back(Segment::Owned(Vec::new()));
        }
        let last = match &mut self.rest {
            Some(rest) => rest.back_mut(),
            None => Some(&mut self.first),
        };
        match last {
            Some(Segment::Owned(bytes)) => {
                bytes.reserve(additional);
                bytes
            }
            _ => unreachable!("the last segment is owned: it fitted or has just been made"),
        }
    }

    /// Puts the next segment first; returns whether there is one.
    #[inline]
    fn next_segment(&mut self) -> bool {
        self.written = 0;
        if self.rest.is_some() && self.next_of_rest() {
            return true;
        }
        match &mut self.first {
            Segment::Owned(bytes) => bytes.clear(),
            Segment::Shared(_) => self.first = Segment::Owned(Vec::new()),
        }
        false
    }

    fn next_of_rest(&mut self) -> bool {
        let next = self.rest.as_mut().and_then(|rest| rest.pop_front());
        self.rest.take_if(|rest| rest.is_empty());
        next.map(|next| self.first = next).is_some()
    }

    /// Takes the memory that an empty outbox still holds, for a pool.
    ///
    /// Returns `None` if the outbox is not empty or holds no memory.
    pub fn take_spare(&mut self) -> Option<Vec<u8>> {
        match &mut self.first {
            Segment::Owned(bytes) if self.len == 0 && bytes.capacity() > 0 => {
                Some(core::mem::take(bytes))
            }
            _ => None,
        }
    }

    /// How many bytes of memory an empty outbox still holds.
    #[must_use]
    #[inline]
    pub const fn spare_capacity(&self) -> usize {
        match &self.first {
            Segment::Owned(bytes) if self.len == 0 => bytes.capacity(),
            _ => 0,
        }
    }

    /// Whether the next append must allocate, so that it is worth while to [`lend`](Self::lend).
    #[must_use]
    pub fn needs_spare(&self) -> bool {
        self.len == 0 && !matches!(&self.first, Segment::Owned(bytes) if bytes.capacity() > 0)
    }

    /// Gives the outbox memory to use. The vector's content is cleared; it is dropped if the
    /// outbox has memory already.
    pub fn lend(&mut self, mut spare: Vec<u8>) {
        if self.needs_spare() {
            spare.clear();
            self.written = 0;
            self.first = Segment::Owned(spare);
        }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn content(outbox: &Outbox) -> Vec<u8> {
        let content: Vec<u8> = outbox.chunks().flatten().copied().collect();
        assert_eq!(content.len(), outbox.len());
        assert!(outbox.chunks().all(|chunk| !chunk.is_empty()));
        content
    }

    /// Owned, shared (long and short) and owned again, so that every kind of seam occurs.
    fn mixed() -> (Outbox, Vec<u8>) {
        let mut outbox = Outbox::new();
        let mut expected = Vec::new();
        let shared = vec![7; SHARED_BYTES_MIN];
        for (index, piece) in
            [&b"head"[..], &shared, b"tail", &shared, &shared, b"x"].into_iter().enumerate()
        {
            if index % 2 == 0 {
                outbox.append(piece);
            } else {
                outbox.append_shared(Bytes::copy_from_slice(piece));
            }
            expected.extend_from_slice(piece);
        }
        (outbox, expected)
    }

    #[test]
    fn dat_05_any_short_writes_give_the_same_stream() {
        for step in 1..600 {
            let (mut outbox, expected) = mixed();
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let step = step.min(outbox.len());
                written.extend_from_slice(&content(&outbox)[..step]);
                outbox.advance(step);
            }
            assert_eq!(written, expected, "{step} bytes a write");
            assert!(outbox.rest.is_none());
        }
    }

    #[test]
    fn pop_gives_what_was_not_written() {
        let (mut outbox, expected) = mixed();
        outbox.advance(2);
        let mut popped = Vec::new();
        while let Some(segment) = outbox.pop() {
            popped.extend_from_slice(segment.as_slice());
            content(&outbox);
        }
        assert_eq!(popped, expected[2..]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn appending_after_a_partial_write_keeps_the_order() {
        let mut outbox = Outbox::new();
        outbox.append(b"abc");
        outbox.advance(2);
        outbox.append(b"de");
        assert_eq!(content(&outbox), b"cde");
        outbox.advance(3);
        outbox.append_shared(Bytes::from_static(b"fg"));
        outbox.append(b"h");
        assert_eq!(content(&outbox), b"fgh");
    }

    #[test]
    fn appending_nothing_makes_no_segment() {
        let mut outbox = Outbox::new();
        outbox.append(b"");
        outbox.append_shared(Bytes::new());
        assert!(outbox.is_empty() && outbox.pop().is_none());
        outbox.append_shared(Bytes::from_static(b"ab"));
        outbox.append(b"");
        outbox.append_shared(Bytes::new());
        assert_eq!(content(&outbox), b"ab");
        assert!(outbox.rest.is_none());
    }

    #[test]
    fn an_empty_outbox_gives_its_memory_back() {
        let mut outbox = Outbox::new();
        assert!(outbox.take_spare().is_none());
        outbox.append(b"abc");
        assert!(outbox.take_spare().is_none());
        outbox.advance(3);
        let spare = outbox.take_spare().expect("the segment's memory");
        assert!(spare.capacity() >= 3);
        assert!(outbox.needs_spare());
        outbox.lend(spare);
        assert!(!outbox.needs_spare());
        outbox.append(b"d");
        assert_eq!(content(&outbox), b"d");
    }

    #[test]
    fn a_long_tail_is_continued_in_a_new_segment() {
        let mut outbox = Outbox::new();
        outbox.append(&vec![1; SEGMENT_BYTES_MAX]);
        outbox.append(&vec![2; SEGMENT_BYTES_MAX]);
        assert_eq!(outbox.chunks().count(), 2);
        assert_eq!(content(&outbox).len(), 2 * SEGMENT_BYTES_MAX);
    }
}
