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

    #[test]
    fn no_key_comes_twice_in_a_row_of_buffers() {
        let mut entropy = Entropy::new();
        let keys: HashSet<[u8; 4]> = (0..1000).map(|_| entropy.next_key()).collect();
        assert!(keys.len() > 990);
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
