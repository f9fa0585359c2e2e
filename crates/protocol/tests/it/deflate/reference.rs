//! A second inflater, written for the tests from RFC 1951: it shows how far back data refers, and
//! what becomes of data that refers too far.

/// How to read the length of a match: the base and the number of further bits.
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// The order in which the lengths of the code of codes come.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// What is known of one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Reference {
    output: Vec<u8>,
    /// The farthest reference so far.
    pub(super) distance_max: usize,
    /// How many blocks said that they are the last.
    pub(super) final_blocks: usize,
}

struct Bits<'b> {
    bytes: &'b [u8],
    position: usize,
}

/// Canonical codes: how many there are of each length, and what they stand for.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|&at| lengths[at] > 0).collect();
        symbols.sort_by_key(|&symbol| (lengths[symbol], symbol));
        symbols.iter().for_each(|&symbol| counts[lengths[symbol]] += 1);
        Self { counts, symbols }
    }
}

impl Bits<'_> {
    fn bit(&mut self) -> usize {
        let byte = self.bytes[self.position / 8];
        let bit = byte >> (self.position % 8) & 1;
        self.position += 1;
        usize::from(bit)
    }

    fn number(&mut self, bits: u32) -> usize {
        (0..bits).fold(0, |number, index| number | self.bit() << index)
    }

    fn symbol(&mut self, codes: &Codes) -> usize {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for count in &codes.counts[1..] {
            code |= self.bit();
            if code < first + count {
                return codes.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}

impl Reference {
    /// Inflates the payload of a message, whose tail is missing, and returns the message.
    pub(super) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let bytes = [payload, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let mut bits = Bits { bytes: &bytes, position: 0 };
        let start = self.output.len();
        while bits.position.div_ceil(8) < bytes.len() {
            let is_final = bits.bit() == 1;
            match bits.number(2) {
                0 => self.stored(&mut bits),
                1 => {
                    let literals: Vec<usize> = (0..288)
                        .map(|symbol| match symbol {
                            0..144 => 8,
                            144..256 => 9,
                            256..280 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.compressed(&mut bits, &Codes::new(&literals), &Codes::new(&[5; 30]));
                }
                2 => {
                    let (literals, distances) = codes(&mut bits);
                    self.compressed(&mut bits, &literals, &distances);
                }
                _ => panic!("reserved"),
            }
            if is_final {
                self.final_blocks += 1;
                bits.position = bits.position.next_multiple_of(8);
            }
        }
        self.output[start..].to_vec()
    }

    fn stored(&mut self, bits: &mut Bits<'_>) {
        bits.position = bits.position.next_multiple_of(8);
        let len = bits.number(16);
        assert_eq!(bits.number(16), !len & 0xFFFF);
        let start = bits.position / 8;
        self.output.extend_from_slice(&bits.bytes[start..start + len]);
        bits.position += 8 * len;
    }

    fn compressed(&mut self, bits: &mut Bits<'_>, literals: &Codes, distances: &Codes) {
        loop {
            match bits.symbol(literals) {
                256 => return,
                literal @ 0..256 => self.output.push(u8::try_from(literal).expect("a byte")),
                symbol => {
                    let (base, further) = LENGTHS[symbol - 257];
                    let len = base + bits.number(further);
                    let symbol = bits.symbol(distances);
                    let further = u32::try_from(symbol / 2).expect("small").saturating_sub(1);
                    let base =
                        if symbol < 2 { symbol + 1 } else { ((2 + symbol % 2) << further) + 1 };
                    let distance = base + bits.number(further);
                    self.distance_max = self.distance_max.max(distance);
                    for _ in 0..len {
                        self.output.push(self.output[self.output.len() - distance]);
                    }
                }
            }
        }
    }
}

fn codes(bits: &mut Bits<'_>) -> (Codes, Codes) {
    let (literals, distances) = (257 + bits.number(5), 1 + bits.number(5));
    let mut code_lengths = [0; 19];
    let count = 4 + bits.number(4);
    for symbol in &ORDER[..count] {
        code_lengths[*symbol] = bits.number(3);
    }
    let code_codes = Codes::new(&code_lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (value, count) = match bits.symbol(&code_codes) {
            16 => (*lengths.last().expect("one before"), 3 + bits.number(2)),
            17 => (0, 3 + bits.number(3)),
            18 => (0, 11 + bits.number(7)),
            len => (len, 1),
        };
        lengths.extend(std::iter::repeat_n(value, count));
    }
    let distances = lengths.split_off(literals);
    (Codes::new(&lengths), Codes::new(&distances))
}
