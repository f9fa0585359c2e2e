//! Waiting for the end of a connection.

use std::sync::Arc;
use std::task::Waker;

use super::queue::{Closed, For};
use super::shared::Shared;

/// One wait for the end of a connection. A wait that is given up leaves no waker behind, however many there are.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    number: Option<u32>,
    for_whom: For,
}

impl Watch {
    pub(super) fn new(shared: &Arc<Shared>, for_whom: For) -> Self {
        Self { shared: Arc::clone(shared), number: None, for_whom }
    }

    /// The end, if it has come; else the waker is woken when it does.
    pub(super) fn poll(&mut self, waker: &Waker) -> Option<Closed> {
        let mut inbox = self.shared.inbox();
        let ended = inbox.ended().cloned();
        if ended.is_none() {
            self.number = Some(inbox.watch(self.number, waker, self.for_whom));
        }
        let lets_end = self.for_whom == For::Program && inbox.take_held();
        drop(inbox);
        if lets_end {
            self.shared.outward.resume();
        }
        ended
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let waker = self.shared.inbox().unwatch(number);
        // Outside of the lock: it may be the last thing that holds a task.
        drop(waker);
    }
}
