//! What can be done with products. Whatever changes one tells the subscribers of its version.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::notifications::{Change, Notifications, Subscription};
use crate::product::{Draft, Invalid, Product, Version};
use crate::repository::{Repository, StoreError};

/// The most products that one call lists.
pub const LIST_MAX: u32 = 100;

/// The products, and who hears of them. Its calls wait for the disk, and never for a subscriber.
#[derive(Debug)]
pub struct Service {
    repository: Repository,
    notifications: Notifications,
    /// Held from a write to its notification, so that subscribers hear in the order of the writes.
    order: Mutex<()>,
}

impl Service {
    /// Over a repository, with nobody subscribed.
    #[must_use]
    pub fn new(repository: Repository) -> Self {
        Self { repository, notifications: Notifications::default(), order: Mutex::default() }
    }

    /// Who hears of it.
    #[must_use]
    pub const fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// Subscribes to the products of a version; `None` after the end of the notifications.
    #[must_use]
    pub fn subscribe(&self, version: Version) -> Option<Subscription> {
        self.notifications.subscribe(version)
    }

    /// Creates a product.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`], [`Error::NameTaken`], [`Error::Storage`]. Nothing has changed, and nobody
    /// was told anything.
    pub fn create(&self, version: Version, draft: Draft) -> Result<Product, Error> {
        let details = draft.try_into()?;
        let _order = self.in_order();
        let product = self.repository.create(version, &details)?;
        self.notifications.publish(version, Change::Created, &product);
        Ok(product)
    }

    /// Changes a product, and returns what it is now.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], and as [`create`](Self::create).
    pub fn update(&self, version: Version, id: i64, draft: Draft) -> Result<Product, Error> {
        let details = draft.try_into()?;
        let _order = self.in_order();
        let product = self.repository.update(version, id, &details)?.ok_or(Error::NotFound)?;
        self.notifications.publish(version, Change::Updated, &product);
        Ok(product)
    }

    /// Deletes a product, and returns what it was.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn delete(&self, version: Version, id: i64) -> Result<Product, Error> {
        let _order = self.in_order();
        let product = self.repository.delete(version, id)?.ok_or(Error::NotFound)?;
        self.notifications.publish(version, Change::Deleted, &product);
        Ok(product)
    }

    /// The product with this number.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Storage`].
    pub fn find(&self, version: Version, id: i64) -> Result<Product, Error> {
        self.repository.find(version, id)?.ok_or(Error::NotFound)
    }

    /// The products whose numbers are above `after`, at most [`LIST_MAX`] of them and `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub fn list(&self, version: Version, after: i64, limit: u32) -> Result<Vec<Product>, Error> {
        Ok(self.repository.list(version, after, limit.min(LIST_MAX))?)
    }

    fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why something was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The draft may not be kept.
    Invalid(Invalid),
    /// The version has no such product.
    NotFound,
    /// Another product of the version has the name.
    NameTaken,
    /// The repository failed.
    Storage(StoreError),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NameTaken => Self::NameTaken,
            other => Self::Storage(other),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::NotFound => formatter.write_str("there is no such product"),
            Self::NameTaken => formatter.write_str("another product has the name"),
            Self::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for Error {}
