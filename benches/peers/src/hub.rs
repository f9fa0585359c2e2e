//! Who gets what is said to everyone.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Everyone's queue. A message is encoded by its library for each receiver; what is queued shares the payload.
pub(crate) struct Hub<M> {
    queues: Arc<Mutex<Vec<UnboundedSender<M>>>>,
}

impl<M> Clone for Hub<M> {
    fn clone(&self) -> Self {
        Self { queues: Arc::clone(&self.queues) }
    }
}

impl<M: Clone> Hub<M> {
    pub(crate) fn new() -> Self {
        Self { queues: Arc::default() }
    }

    /// A queue that gets everything from now on, until it is dropped.
    pub(crate) fn join(&self) -> UnboundedReceiver<M> {
        let (sender, receiver) = unbounded_channel();
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    pub(crate) fn publish(&self, message: &M) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.send(message.clone()).is_ok());
    }
}
