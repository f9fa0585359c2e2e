//! Groups by name: one message to many sockets, from any thread.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sockeye_protocol::Prepared;

use crate::executor;
use crate::message::Message;
use sockeye_reactor::mutex::Mutex;

/// Unused names are looked for whenever so many have come, or as many as are in use.
const SWEEP_AT_MIN: usize = 64;

/// A named set of sockets that are sent the same messages, whole and all in the same order.
///
/// Clones mean the same group. A socket leaves when its connection ends, whatever ends it. A group that has no member
/// and no clone is forgotten with its figures.
#[derive(Clone)]
pub struct Group {
    named: Arc<Named>,
}

struct Named {
    name: Box<str>,
    group: sockeye_reactor::Group,
}

impl Group {
    /// The name that the group was asked for by.
    pub fn name(&self) -> &str {
        &self.named.name
    }

    /// Sends a text to every member and returns its offset in the group's order. It is encoded once. This never waits
    /// for a member and never fails because of one: a member that lags meets the [`Policy`](crate::Policy) that it
    /// joined with, and nobody else notices.
    pub fn broadcast(&self, text: &str) -> u64 {
        self.publish(Prepared::text(text))
    }

    /// As [`broadcast`](Self::broadcast), with a message of any type.
    pub fn broadcast_message(&self, message: &Message) -> u64 {
        self.publish(message.prepared())
    }

    /// As [`broadcast`](Self::broadcast), with a message that was encoded already. What this task has sent to a member
    /// before reaches it before.
    pub fn publish(&self, prepared: Prepared) -> u64 {
        executor::say_what_is_unsaid();
        self.named.group.publish(prepared)
    }

    /// As [`publish`](Self::publish), but not to the connection of this sender: for event routes, which have it from
    /// [`Peer::sender`](crate::Peer::sender). Others have `broadcast_except`.
    pub fn publish_except(&self, prepared: Prepared, except: &sockeye_reactor::Sender) -> u64 {
        executor::say_what_is_unsaid();
        self.named.group.publish_except(prepared, except)
    }

    /// Only the map of names holds it, and no socket is in it.
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.named) == 1 && self.members() == 0
    }
}

/// The reactor's group: `members`, `dropped`; and what an event handler joins.
impl Deref for Group {
    type Target = sockeye_reactor::Group;

    fn deref(&self) -> &sockeye_reactor::Group {
        &self.named.group
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Group")
            .field("name", &self.name())
            .field("members", &self.members())
            .finish()
    }
}

/// The groups of a server by name. Names may come from peers, so those out of use are forgotten: the map is at most
/// twice as large as what is in use, and 64.
#[derive(Clone)]
pub(crate) struct Groups(Arc<Mutex<Names>>);

struct Names {
    groups: HashMap<Box<str>, Group>,
    sweep_at: usize,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Names { groups: HashMap::new(), sweep_at: SWEEP_AT_MIN })))
    }

    /// The group of this name; a new one if there is none.
    pub(crate) fn named(&self, name: &str) -> Group {
        let mut names = self.0.lock();
        if let Some(group) = names.groups.get(name) {
            return group.clone();
        }
        if names.groups.len() >= names.sweep_at {
            names.groups.retain(|_, group| !group.is_unused());
            let sweep_at = (names.groups.len() * 2).max(SWEEP_AT_MIN);
            names.sweep_at = sweep_at;
            names.groups.shrink_to(sweep_at);
        }
        let group = Group {
            named: Arc::new(Named { name: name.into(), group: sockeye_reactor::Group::new() }),
        };
        names.groups.insert(name.into(), group.clone());
        group
    }

    /// Every group that is in use, and perhaps some that no longer are.
    pub(crate) fn all(&self) -> Vec<Group> {
        self.0.lock().groups.values().cloned().collect()
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Groups").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_group_while_somebody_holds_it() {
        let groups = Groups::new();
        let first = groups.named("a");
        let same = groups.named("a");
        assert!(Arc::ptr_eq(&first.named, &same.named));
        assert_eq!(groups.all().len(), 1);
    }

    /// Whoever chooses names cannot know which of them meet in the map: it hashes with a key of its
    /// own, so no two maps have the same order.
    #[test]
    fn attack_29_the_map_of_names_is_hashed_with_a_key_that_nobody_knows() {
        let order = || {
            let groups = Groups::new();
            for number in 0..SWEEP_AT_MIN {
                drop(groups.named(&number.to_string()));
            }
            let names = groups.all();
            names.iter().map(|group| group.name().to_owned()).collect::<Vec<_>>()
        };
        let (first, second) = (order(), order());
        assert_eq!(first.len(), SWEEP_AT_MIN);
        assert_ne!(first, second);
    }

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let groups = Groups::new();
        let held: Vec<Group> =
            (0..10).map(|number| groups.named(&format!("held {number}"))).collect();
        for number in 0..10_000 {
            groups.named(&number.to_string());
        }
        assert!(groups.all().len() <= SWEEP_AT_MIN);
        let crowd: Vec<Group> =
            (0..10_000).map(|number| groups.named(&number.to_string())).collect();
        drop(crowd);
        (0..30_000).for_each(|number| drop(groups.named(&number.to_string())));
        assert!(groups.0.lock().groups.capacity() <= 16 * SWEEP_AT_MIN);
        assert!(Arc::ptr_eq(&groups.named("held 7").named, &held[7].named));
    }
}
