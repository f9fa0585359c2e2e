//! Who hears of what becomes of the products of a version.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{broadcast, watch};

use crate::product::{Product, Version};

/// How many notifications may wait for a subscriber, before it has missed some.
pub const QUEUE_MAX: usize = 64;

/// What has become of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is there now.
    Created,
    /// It is another now.
    Updated,
    /// It is gone; this is what it was last.
    Deleted,
}

/// The subscribers of all versions.
///
/// Publishing waits for nobody: what a version's subscribers have not taken yet lies in one ring of
/// [`QUEUE_MAX`] notifications that they share, and whoever falls behind it is told that it has missed
/// some, in their place.
#[derive(Clone, Default)]
pub struct Notifications(Arc<Shared>);

struct Shared {
    /// `None` after the end.
    rings: Mutex<Option<Rings>>,
    /// How many subscriptions there are.
    subscribers: watch::Sender<usize>,
}

type Rings = HashMap<Version, broadcast::Sender<Arc<str>>>;

impl Notifications {
    /// Tells the subscribers of `version`, in the order of the calls.
    pub fn publish(&self, version: Version, change: Change, product: &Product) {
        #[derive(Serialize)]
        struct Notification<'a> {
            change: Change,
            product: &'a Product,
        }
        let rings = self.0.rings();
        let Some(ring) = rings.as_ref().and_then(|rings| rings.get(&version)) else { return };
        let notification = serde_json::to_string(&Notification { change, product });
        let notification = notification.expect("a product can be written as JSON");
        // It fails if nobody is there, which is as good.
        let _ = ring.send(notification.into());
    }

    /// Subscribes to what is published from now on; `None` after the end.
    #[must_use]
    pub fn subscribe(&self, version: Version) -> Option<Subscription> {
        let mut rings = self.0.rings();
        let ring =
            rings.as_mut()?.entry(version).or_insert_with(|| broadcast::channel(QUEUE_MAX).0);
        let receiver = Some(ring.subscribe());
        self.0.subscribers.send_modify(|subscribers| *subscribers += 1);
        Some(Subscription { receiver, version, shared: Arc::clone(&self.0) })
    }

    /// Ends all subscriptions, each after what waits for it, and admits no more.
    pub fn end(&self) {
        *self.0.rings() = None;
    }

    /// Waits until there are as many subscriptions as this.
    pub async fn until_subscribers(&self, count: usize) {
        let mut subscribers = self.0.subscribers.subscribe();
        let found = subscribers.wait_for(|subscribers| *subscribers == count).await;
        found.expect("the sender lives as long as this does");
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscribers = *self.0.subscribers.borrow();
        formatter.debug_struct("Notifications").field("subscribers", &subscribers).finish()
    }
}

impl Shared {
    fn rings(&self) -> MutexGuard<'_, Option<Rings>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self { rings: Mutex::new(Some(Rings::new())), subscribers: watch::Sender::new(0) }
    }
}

/// A place among the subscribers of a version, until it is dropped.
pub struct Subscription {
    /// `None` only while it is dropped.
    receiver: Option<broadcast::Receiver<Arc<str>>>,
    version: Version,
    shared: Arc<Shared>,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A notification, in JSON.
    Notification(Arc<str>),
    /// It did not keep up, and this many are lost to it.
    Missed(u64),
    /// There will be no more.
    End,
}

impl Subscription {
    /// Waits for the next. It may be dropped at any point, and nothing is lost.
    pub async fn next(&mut self) -> Heard {
        let Some(receiver) = &mut self.receiver else { return Heard::End };
        match receiver.recv().await {
            Ok(notification) => Heard::Notification(notification),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Heard::End,
        }
    }
}

impl Drop for Subscription {
    /// The last one takes the ring with it: there are more versions than memory for their rings.
    fn drop(&mut self) {
        let mut rings = self.shared.rings();
        drop(self.receiver.take());
        if let Some(rings) = rings.as_mut()
            && rings.get(&self.version).is_some_and(|ring| ring.receiver_count() == 0)
        {
            rings.remove(&self.version);
        }
        self.shared.subscribers.send_modify(|subscribers| *subscribers -= 1);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Subscription")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
