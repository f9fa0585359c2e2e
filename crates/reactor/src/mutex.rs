//! A mutex without poisoning: no code of a user runs while one of ours is held, so a panic leaves nothing half done.
//!
//! Not part of the interface: the layer above uses it as well, so that its tests count every lock.

use std::fmt;
use std::sync::{MutexGuard, PoisonError};

#[cfg(debug_assertions)]
thread_local! {
    static LOCKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often this thread has locked something, for tests of what takes no lock. Not counted where there are no debug
/// assertions.
#[cfg(debug_assertions)]
#[must_use]
pub fn locks_taken() -> u64 {
    LOCKS.get()
}

/// [`std::sync::Mutex`] whose `lock` always succeeds.
#[derive(Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// One that nobody holds.
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits until nobody else holds it.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(debug_assertions)]
        LOCKS.set(LOCKS.get() + 1);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Mutex")
    }
}
