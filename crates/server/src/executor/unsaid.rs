//! What the tasks of this thread's loop have said and nobody has queued yet: it goes before what they say in other ways.

use std::cell::Cell;

thread_local! {
    static UNSAID: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Something is unsaid from now on; `say` queues it.
pub(crate) fn set_unsaid(say: fn()) {
    UNSAID.set(Some(say));
}

/// Nothing is unsaid any more, or the caller says it.
pub(crate) fn take_unsaid() -> Option<fn()> {
    UNSAID.try_with(Cell::take).ok().flatten()
}

/// To be called before something is said that goes another way.
pub(crate) fn say_what_is_unsaid() {
    if let Some(say) = take_unsaid() {
        say();
    }
}
