//! Random bytes from the operating system: mask keys and nonces for connections made outward.

use sockeye_protocol::MaskKeys;

/// One system call fills this many bytes: 256 mask keys.
const BUFFER_BYTES: usize = 1024;

/// A buffer of random bytes, one for each reactor. Every byte is given out once, so a mask key says
/// nothing about the next one (RFC 6455 section 10.3).
pub(crate) struct Entropy {
    bytes: Vec<u8>,
}

impl Entropy {
    /// Holds nothing until the first key is drawn: a reactor that only serves never asks.
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The nonce of an opening handshake (RFC 6455 section 4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        self.draw()
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        if self.bytes.len() < N {
            self.bytes.resize(BUFFER_BYTES, 0);
            // There is no safe way on without randomness, and Linux has it from early boot on.
            getrandom::fill(&mut self.bytes).expect("the operating system gives random bytes");
        }
        let rest = self.bytes.len() - N;
        let mut drawn = [0; N];
        for (target, source) in drawn.iter_mut().zip(self.bytes.drain(rest..)) {
            *target = source;
        }
        drawn
    }
}

impl MaskKeys for Entropy {
    fn next_key(&mut self) -> [u8; 4] {
        self.draw()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KEYS: u32 = 1_000_000;

    fn keys() -> Vec<u32> {
        let mut entropy = Entropy::new();
        (0..KEYS).map(|_| u32::from_be_bytes(entropy.next_key())).collect()
    }

    /// Fails if `ones` of `bits` fair coins are more than seven standard deviations from their half,
    /// which chance does less than once in three hundred billion times.
    fn assert_fair(ones: u64, bits: u64, what: &str) {
        let off = (2 * ones).abs_diff(bits);
        assert!(off * off < 49 * bits, "{what}: {ones} of {bits}");
    }

    #[test]
    fn msk_03_keys_come_again_as_often_as_chance_has_it() {
        let mut keys = keys();
        let in_a_row = keys.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(in_a_row <= 3, "{in_a_row} keys in a row are equal");
        keys.sort_unstable();
        let again = keys.windows(2).filter(|pair| pair[0] == pair[1]).count();
        // A million draws out of 2^32 make 116 pairs, give or take 11.
        assert!((40..=195).contains(&again), "{again} keys came again");
    }

    #[test]
    fn msk_05_keys_are_fair_in_every_bit_and_say_nothing_of_the_next() {
        let keys = keys();
        let bits = u64::from(KEYS);
        let ones = |words: &mut dyn Iterator<Item = u32>| -> u64 {
            words.map(|word| u64::from(word.count_ones())).sum()
        };
        assert_fair(ones(&mut keys.iter().copied()), 32 * bits, "monobit");
        // A run ends where a bit differs from the one before it, across the borders of keys too.
        let pairs = |keys: &[u32]| -> Vec<(u32, u32)> {
            keys.windows(2).map(|pair| (pair[0], pair[1])).collect()
        };
        let changes =
            &mut pairs(&keys).into_iter().map(|(key, next)| key ^ (key << 1 | next >> 31));
        assert_fair(ones(changes), 32 * (bits - 1), "runs");
        // A tenth of them for each bit by itself.
        let (keys, bits) = (&keys[..100_000], 100_000);
        let pairs = pairs(keys);
        for bit in 0..32 {
            let at = |words: &mut dyn Iterator<Item = u32>| -> u64 {
                words.map(|word| u64::from(word >> bit & 1)).sum()
            };
            assert_fair(at(&mut keys.iter().copied()), bits, "a bit");
            // Successive keys by difference and by sum: a counter, a generator with a constant
            // step or a repeated stream would show in the lowest or in all of them.
            assert_fair(at(&mut pairs.iter().map(|(key, next)| key ^ next)), bits - 1, "XOR");
            assert_fair(
                at(&mut pairs.iter().map(|(key, next)| next.wrapping_sub(*key))),
                bits - 1,
                "step",
            );
            let second = keys.windows(3).map(|three| {
                let step = three[2].wrapping_sub(three[1]);
                step.wrapping_sub(three[1].wrapping_sub(three[0]))
            });
            assert_fair(at(&mut second.step_by(3)), (bits - 2).div_ceil(3), "step of steps");
        }
    }

    #[test]
    fn hsc_15_a_hundred_thousand_nonces_differ() {
        let mut entropy = Entropy::new();
        let nonces: HashSet<[u8; 16]> = (0..100_000).map(|_| entropy.nonce()).collect();
        assert_eq!(nonces.len(), 100_000);
        // A byte that is always the same, or a buffer that was never filled, would show here.
        for index in 0..16 {
            let values: HashSet<u8> = nonces.iter().map(|nonce| nonce[index]).collect();
            assert_eq!(values.len(), 256, "byte {index}");
        }
    }
}
