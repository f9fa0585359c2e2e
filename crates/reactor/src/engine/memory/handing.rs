//! Connections of a simulated network on their way from one engine to another, perhaps on another thread.

use std::sync::{Arc, Weak};

use crate::slab::Key;

/// What a connection on its way is known by, whoever has it. The network closes it once nobody does.
#[derive(Debug)]
pub(super) struct Handle;

/// All that are on their way.
#[derive(Debug, Default)]
pub(super) struct Handing(Vec<(Weak<Handle>, Key)>);

impl Handing {
    /// Lets a connection go.
    pub(super) fn begin(&mut self, link: Key) -> Arc<Handle> {
        let handle = Arc::new(Handle);
        self.0.push((Arc::downgrade(&handle), link));
        handle
    }

    /// Which connection it was. None: one of another network.
    pub(super) fn end(&mut self, handle: &Arc<Handle>) -> Option<Key> {
        let is_it = |(other, _): &(Weak<Handle>, Key)| std::ptr::eq(other.as_ptr(), &**handle);
        let position = self.0.iter().position(is_it)?;
        Some(self.0.remove(position).1)
    }

    /// One that nobody has any more.
    pub(super) fn lost(&mut self) -> Option<Key> {
        let position = self.0.iter().position(|(handle, _)| handle.strong_count() == 0)?;
        Some(self.0.remove(position).1)
    }
}
