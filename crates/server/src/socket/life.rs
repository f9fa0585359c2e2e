//! When something was last heard or said, for those who ask.

use std::sync::atomic::AtomicU64;

/// What a ping policy wants to know; times are in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct SignsOfLife {
    /// Which start of a policy is the valid one.
    pub(super) epoch: AtomicU64,
    /// When a message last went either way.
    pub(super) activity: AtomicU64,
    /// When the inbox last had room again after it was full.
    pub(super) listening: AtomicU64,
}
