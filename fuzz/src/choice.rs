//! Choices drawn from the fuzzer's bytes, front to back, so that a change of one byte changes what
//! comes behind it as little as possible, and seeds can be written down.

use std::borrow::Cow;

use arbitrary::Unstructured;

/// The longest payload that is made of few bytes.
const PAYLOAD_BYTES_MAX: usize = 80 * 1024;

/// Zeros when nothing is left.
pub struct Choices<'d>(Unstructured<'d>);

impl<'d> Choices<'d> {
    /// Draws from `data`.
    pub fn new(data: &'d [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Two bytes, the more significant one first.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A key, or a nonce, or the like.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Less than `bound`, which is not zero.
    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    /// One of `these`.
    pub fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        these[usize::from(self.byte()) % these.len()]
    }

    /// A length, and as many bytes, or what is left.
    pub fn slice(&mut self) -> &'d [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        self.0.bytes(len).unwrap_or_default()
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'d [u8] {
        self.0.bytes(self.0.len()).unwrap_or_default()
    }

    /// A payload: few bytes as they are, or repeated until they are many.
    pub fn payload(&mut self) -> Cow<'d, [u8]> {
        let bytes = self.slice();
        // Nearly all are short.
        let times = match self.byte() {
            0..232 => return Cow::Borrowed(bytes),
            times => 1_usize << (times % 18),
        };
        let len_max = PAYLOAD_BYTES_MAX.min(bytes.len() * times);
        Cow::Owned(bytes.iter().copied().cycle().take(len_max).collect())
    }

    /// A text: what of a payload is UTF-8.
    pub fn text(&mut self) -> Cow<'d, str> {
        match self.payload() {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    /// Cuts `bytes` into pieces.
    pub fn cut<'b>(&mut self, bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let lengths: Vec<_> = self.slice().iter().map(|&len| usize::from(len) + 1).collect();
        let mut lengths = lengths.into_iter().cycle();
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = lengths.next().unwrap_or(rest.len()).min(rest.len());
            let (piece, behind) = rest.split_at(len);
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}
