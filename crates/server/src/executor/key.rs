//! The name of a task, in the forms that it has.

/// Names one task; stale as soon as it has ended.
pub(crate) use sockeye_reactor::Key as TaskKey;

/// The key as a number that is not 0.
pub(crate) const fn to_bits(key: TaskKey) -> u64 {
    (key.generation() as u64) << 32 | (key.index() as u64 + 1)
}

/// The key of this number; `None` for 0.
#[expect(clippy::cast_possible_truncation, reason = "each half is one of 32 bits")]
pub(crate) const fn from_bits(bits: u64) -> Option<TaskKey> {
    match bits as u32 {
        0 => None,
        index => Some(TaskKey::new(index - 1, (bits >> 32) as u32)),
    }
}
