//! What only the host knows.
// Functions of the host are foreign; this file declares them.
#![allow(unsafe_code)]

use sockeye_protocol::{Instant, MaskKeys};

// SAFETY: `client.mjs` provides both with these types; they touch nothing of the module's memory.
#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Milliseconds on a clock that never goes back.
    safe fn now() -> f64;
    /// 32 bits that nobody can predict.
    safe fn random() -> u32;
}

/// The host's time.
#[expect(clippy::cast_possible_truncation, reason = "584 years of nanoseconds fit")]
#[expect(clippy::cast_sign_loss, reason = "the clock begins at zero")]
pub(crate) fn time() -> Instant {
    Instant::from_nanos((now() * 1e6) as u64)
}

/// A fresh nonce for the opening handshake.
pub(crate) fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce.chunks_mut(4).for_each(|part| part.copy_from_slice(&random().to_be_bytes()));
    nonce
}

/// Masking keys from the host.
pub(crate) struct HostKeys;

impl MaskKeys for HostKeys {
    fn next_key(&mut self) -> [u8; 4] {
        random().to_be_bytes()
    }
}
