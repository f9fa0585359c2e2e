//! Compressed data made by hand (RFC 1951), as no deflater would make it.

/// Compressed data in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken; 0 if all are.
    bits: u32,
}

/// Whether a block says that it is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Final,
    Other,
}

impl Writer {
    /// The lowest `count` bits of `number`, the lowest first.
    fn number(&mut self, number: usize, count: u32) {
        for index in 0..count {
            if self.bits == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(number >> index & 1 == 1);
            *self.bytes.last_mut().expect("pushed") |= bit << self.bits;
            self.bits = (self.bits + 1) % 8;
        }
    }

    /// A code of `count` bits, the highest first.
    fn code(&mut self, code: usize, count: u32) {
        (0..count).rev().for_each(|index| self.number(code >> index & 1, 1));
    }

    fn header(&mut self, block: Block, kind: usize) {
        self.number(usize::from(block == Block::Final), 1);
        self.number(kind, 2);
    }

    /// A stored block; it begins and ends where a byte does.
    pub(super) fn stored(mut self, block: Block, bytes: &[u8]) -> Self {
        self.header(block, 0);
        self.bits = 0;
        let len = u16::try_from(bytes.len()).expect("short enough");
        self.bytes.extend(len.to_le_bytes());
        self.bytes.extend((!len).to_le_bytes());
        self.bytes.extend(bytes);
        self
    }

    /// A block of literals and then matches, each a length from 3 to 10 and a distance, in the
    /// fixed codes.
    pub(super) fn fixed(
        mut self,
        block: Block,
        literals: &[u8],
        matches: &[(usize, usize)],
    ) -> Self {
        self.header(block, 1);
        for literal in literals {
            match usize::from(*literal) {
                literal @ ..144 => self.code(0x30 + literal, 8),
                literal => self.code(0x190 + literal - 144, 9),
            }
        }
        for (len, distance) in matches {
            assert!((3..=10).contains(len));
            self.code(len - 2, 7);
            let symbol = (0..30).rev().find(|symbol| base(*symbol) <= *distance).expect("legal");
            self.code(symbol, 5);
            self.number(distance - base(symbol), further_bits(symbol));
        }
        self.code(0, 7);
        if block == Block::Final {
            self.bits = 0;
        }
        self
    }

    /// The payload of a message: an empty stored block without its tail ends it.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.header(Block::Other, 0);
        self.bytes
    }
}

fn further_bits(symbol: usize) -> u32 {
    u32::try_from(symbol / 2).expect("small").saturating_sub(1)
}

/// The shortest distance that a symbol stands for.
fn base(symbol: usize) -> usize {
    if symbol < 2 { symbol + 1 } else { ((2 + symbol % 2) << further_bits(symbol)) + 1 }
}
