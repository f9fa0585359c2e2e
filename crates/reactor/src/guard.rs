//! The one door through which the reactor calls code of its users.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// User code panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs user code; a panic ends here. With `panic = "abort"` there is no such protection.
///
/// Nothing that was lent to the code is looked at again except to drop it, or it is state of ours
/// that no call leaves half-way, so unwind safety is asserted.
pub(crate) fn guard<R>(code: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        // The payload is the user's as well, and dropping it may panic in its turn; what that throws
        // is given up rather than dropped.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        Panicked
    })
}

/// Drops something of a user's.
pub(crate) fn guarded_drop<T>(value: T) -> Result<(), Panicked> {
    guard(|| drop(value))
}

/// Drops several things of users', each by itself: a second panic while a first one unwinds would
/// end the process.
pub(crate) fn drop_each<T>(values: impl IntoIterator<Item = T>) -> Result<(), Panicked> {
    let mut result = Ok(());
    for value in values {
        let dropped = guarded_drop(value);
        result = result.and(dropped);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_stops_at_the_guard_even_one_whose_payload_panics() {
        assert_eq!(guard(|| 3), Ok(3));
        assert_eq!(guard(|| panic!("a handler")), Err::<(), _>(Panicked));
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), Err::<(), _>(Panicked));
        assert_eq!(guarded_drop(Bomb), Err(Panicked));
        assert_eq!(drop_each([Bomb, Bomb, Bomb]), Err(Panicked));
        assert_eq!(drop_each([1, 2]), Ok(()));
    }
}
