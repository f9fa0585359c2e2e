//! The name of a task.

/// Names one task; stale as soon as it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskKey {
    pub(super) index: u32,
    pub(super) generation: u32,
}
