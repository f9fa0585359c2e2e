//! A mutex without poisoning: no code of a user runs while one of ours is held, so a panic leaves nothing half done.

use std::fmt;
use std::sync::{MutexGuard, PoisonError};

#[cfg(test)]
thread_local! {
    /// How often this thread has locked something, for tests of what takes no lock.
    pub(crate) static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// [`std::sync::Mutex`] whose `lock` always succeeds.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(test)]
        LOCKS.set(LOCKS.get() + 1);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mutex")
    }
}
