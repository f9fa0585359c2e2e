//! One value on its way from one task or thread to another.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sockeye_reactor::mutex::Mutex;

/// A value that will come: the filler gives it, the slot is the future of it.
pub(crate) fn slot<T>() -> (Filler<T>, Slot<T>) {
    let shared = Arc::new(Mutex::new(State {
        value: None,
        filler_lives: true,
        slot_lives: true,
        waker: None,
    }));
    (Filler(Arc::clone(&shared)), Slot(shared))
}

struct State<T> {
    value: Option<T>,
    filler_lives: bool,
    slot_lives: bool,
    waker: Option<Waker>,
}

/// Gives the value, once; dropped without one, the slot yields `None`.
pub(crate) struct Filler<T>(Arc<Mutex<State<T>>>);

impl<T> Filler<T> {
    /// Gives the value back if nobody waits for it any more.
    pub(crate) fn fill(self, value: T) -> Result<(), T> {
        let mut state = self.0.lock();
        if !state.slot_lives {
            return Err(value);
        }
        state.value = Some(value);
        Ok(())
    }
}

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.lock();
            state.filler_lives = false;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The future of the value; `None` if it will never come.
pub(crate) struct Slot<T>(Arc<Mutex<State<T>>>);

impl<T> Future for Slot<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Some(value));
        }
        if !state.filler_lives {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let value = {
            let mut state = self.0.lock();
            state.slot_lives = false;
            state.value.take()
        };
        drop(value);
    }
}
