//! The listeners of a reactor: which have a backlog left, and which rest after a failure.

use sockeye_protocol::Instant;

use crate::engine::{Address, ListenerId};

pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) address: Address,
    /// An edge was taken and the backlog may hold more.
    pub(crate) ready: bool,
    /// Accepting failed; it is tried again at this time, and not before.
    pub(crate) rests_until: Option<Instant>,
    /// How many connections in a row died before they were accepted.
    pub(crate) skipped: usize,
}

#[derive(Default)]
pub(crate) struct Listeners {
    list: Vec<Listener>,
}

impl Listeners {
    pub(crate) fn add(&mut self, id: ListenerId, address: Address) {
        self.list.push(Listener { id, address, ready: true, rests_until: None, skipped: 0 });
    }

    pub(crate) fn note_acceptable(&mut self, id: ListenerId) {
        if let Some(listener) = self.list.iter_mut().find(|listener| listener.id == id) {
            listener.ready = true;
        }
    }

    /// Takes all listeners out, to stop them.
    pub(crate) fn take(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.list)
    }

    pub(crate) fn get_mut(&mut self, position: usize) -> Option<&mut Listener> {
        self.list.get_mut(position)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.list.iter().map(|listener| &listener.address)
    }

    /// Whether a listener can be accepted from at `now`.
    pub(crate) fn any_ready(&self, now: Instant) -> bool {
        self.list.iter().any(|listener| listener.is_ready(now))
    }

    /// Whether a listener has a backlog, whether it rests or not.
    pub(crate) fn any_waits(&self) -> bool {
        self.list.iter().any(|listener| listener.ready)
    }

    /// When the first listener that rests may be tried again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.list
            .iter()
            .filter(|listener| listener.ready)
            .filter_map(|listener| listener.rests_until)
            .min()
    }
}

impl Listener {
    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.ready && self.rests_until.is_none_or(|until| until <= now)
    }
}
