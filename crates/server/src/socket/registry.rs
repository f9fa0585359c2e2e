//! The lookup of sockets. It does not know what a socket is, so that sockets can know it.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use super::id::SocketId;
use sockeye_reactor::mutex::Mutex;

/// The open sockets of a server by their number, and by the names that the program gave some. It keeps none of them open.
pub(crate) struct Registry<S> {
    open: Mutex<Open<S>>,
}

struct Open<S> {
    sockets: HashMap<SocketId, Weak<S>>,
    names: HashMap<Box<str>, SocketId>,
    /// The other way round, for those that have a name.
    named: HashMap<SocketId, Box<str>>,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        let open = Open { sockets: HashMap::new(), names: HashMap::new(), named: HashMap::new() };
        Self { open: Mutex::new(open) }
    }
}

impl<S> Registry<S> {
    pub(super) fn insert(&self, id: SocketId, socket: &Arc<S>) {
        self.open.lock().sockets.insert(id, Arc::downgrade(socket));
    }

    pub(super) fn remove(&self, id: SocketId) {
        let mut open = self.open.lock();
        open.sockets.remove(&id);
        give_back(&mut open.sockets);
        open.forget_name(id);
        let Open { names, named, .. } = &mut *open;
        give_back(names);
        give_back(named);
    }

    /// Gives a name to an open socket, and returns the one that had it.
    pub(super) fn name(&self, id: SocketId, name: &str) -> Option<Arc<S>> {
        let mut open = self.open.lock();
        if !open.sockets.contains_key(&id) {
            return None;
        }
        open.forget_name(id);
        open.named.insert(id, name.into());
        let former = open.names.insert(name.into(), id)?;
        open.named.remove(&former);
        open.socket(former)
    }

    pub(crate) fn find(&self, id: SocketId) -> Option<Arc<S>> {
        self.open.lock().socket(id)
    }

    pub(crate) fn find_named(&self, name: &str) -> Option<Arc<S>> {
        let open = self.open.lock();
        open.names.get(name).and_then(|id| open.socket(*id))
    }

    pub(crate) fn all(&self) -> Vec<Arc<S>> {
        self.open.lock().sockets.values().filter_map(Weak::upgrade).collect()
    }
}

impl<S> Open<S> {
    fn socket(&self, id: SocketId) -> Option<Arc<S>> {
        self.sockets.get(&id).and_then(Weak::upgrade)
    }

    fn forget_name(&mut self, id: SocketId) {
        if let Some(name) = self.named.remove(&id) {
            self.names.remove(&name);
        }
    }
}

/// What a crowd needed is given back when it has left.
fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 1024 && map.len() < map.capacity() / 8 {
        map.shrink_to_fit();
    }
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registry")
            .field("sockets", &self.open.lock().sockets.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crowd_with_names_needed_is_given_back() {
        let registry = Registry::default();
        let socket = Arc::new(());
        let ids: Vec<SocketId> = (0..10_000).map(|_| SocketId::next()).collect();
        for id in &ids {
            registry.insert(*id, &socket);
            assert!(registry.name(*id, &format!("{id:?}")).is_none());
        }
        ids.iter().for_each(|id| registry.remove(*id));
        let open = registry.open.lock();
        let capacities = [open.sockets.capacity(), open.names.capacity(), open.named.capacity()];
        assert!(capacities.iter().all(|capacity| *capacity <= 2048), "{capacities:?}");
    }

    #[test]
    fn attack_29_the_maps_of_sockets_are_hashed_with_keys_that_nobody_knows() {
        let order = || {
            let registry = Registry::default();
            let sockets: Vec<_> = (0..64).map(Arc::new).collect();
            for socket in &sockets {
                let id = SocketId::next();
                registry.insert(id, socket);
                registry.name(id, &socket.to_string());
            }
            let names: Vec<_> = registry.open.lock().names.keys().cloned().collect();
            (names, registry.all())
        };
        let ((names, sockets), (other_names, other_sockets)) = (order(), order());
        assert_eq!((names.len(), sockets.len()), (64, 64));
        assert_ne!(names, other_names);
        assert_ne!(sockets, other_sockets);
    }
}
