//! Products in a file of SQLite.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::product::{Details, Product, Version};

/// How long a write waits for another process that is writing.
const BUSY_WITHIN: Duration = Duration::from_secs(5);

/// The version of the tables below, which the file remembers.
const SCHEMA: i64 = 1;

/// AUTOINCREMENT, since the number of a deleted product must not come back as another.
const TABLES: &str = "
    CREATE TABLE product (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version INTEGER NOT NULL,
        revision INTEGER NOT NULL DEFAULT 1,
        name TEXT NOT NULL,
        price_cents INTEGER NOT NULL,
        UNIQUE (version, name)
    ) STRICT;";

/// The products of all versions. Several processes may have the same file open.
pub struct Repository {
    connection: Mutex<Connection>,
}

impl Repository {
    /// Opens the file, and creates it with its tables if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`] if it cannot be opened or is no database of products.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_WITHIN)?;
        // Whoever comes second, in another process, finds the tables here.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.query_row("PRAGMA user_version", [], |row| row.get(0))? {
            SCHEMA => {}
            0 => {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "user_version", SCHEMA)?;
            }
            other => return Err(StoreError::Schema(other)),
        }
        transaction.commit()?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Keeps a new product.
    ///
    /// # Errors
    ///
    /// [`StoreError::NameTaken`]; [`StoreError::Sqlite`]. Nothing has changed then.
    pub fn create(&self, version: Version, details: &Details) -> Result<Product, StoreError> {
        let created = self.write(
            "INSERT INTO product (version, name, price_cents) VALUES (?1, ?2, ?3)
             RETURNING id, revision, name, price_cents",
            params![version.number(), details.name(), details.price_cents()],
        )?;
        created.ok_or(StoreError::Sqlite(rusqlite::Error::QueryReturnedNoRows))
    }

    /// Changes a product, and returns what it is now, `None` if it is not there.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn update(
        &self,
        version: Version,
        id: i64,
        details: &Details,
    ) -> Result<Option<Product>, StoreError> {
        self.write(
            "UPDATE product SET name = ?3, price_cents = ?4, revision = revision + 1
             WHERE version = ?1 AND id = ?2
             RETURNING id, revision, name, price_cents",
            params![version.number(), id, details.name(), details.price_cents()],
        )
    }

    /// Deletes a product, and returns what it was, `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`]. Nothing has changed then.
    pub fn delete(&self, version: Version, id: i64) -> Result<Option<Product>, StoreError> {
        self.write(
            "DELETE FROM product WHERE version = ?1 AND id = ?2
             RETURNING id, revision, name, price_cents",
            params![version.number(), id],
        )
    }

    /// The product with this number.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`].
    pub fn find(&self, version: Version, id: i64) -> Result<Option<Product>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, revision, name, price_cents FROM product WHERE version = ?1 AND id = ?2",
        )?;
        Ok(statement.query_row(params![version.number(), id], product).optional()?)
    }

    /// At most `limit` products whose numbers are above `after`, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Sqlite`].
    pub fn list(
        &self,
        version: Version,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Product>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, revision, name, price_cents FROM product
             WHERE version = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        )?;
        let products = statement.query_map(params![version.number(), after, limit], product)?;
        Ok(products.collect::<Result<_, _>>()?)
    }

    /// Runs one statement that returns the product that it concerns, if there is one. What is returned
    /// has been committed.
    fn write(
        &self,
        statement: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<Product>, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written =
            transaction.prepare_cached(statement)?.query_row(parameters, product).optional()?;
        transaction.commit()?;
        Ok(written)
    }

    /// A panic elsewhere has rolled its transaction back, so the connection is as good as before.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Repository").finish_non_exhaustive()
    }
}

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        id: row.get(0)?,
        revision: row.get(1)?,
        name: row.get(2)?,
        price_cents: row.get(3)?,
    })
}

/// Why something was not kept or not found out.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Another product of the version has the name.
    NameTaken,
    /// The file's tables are of another version than this program's.
    Schema(i64),
    /// The database failed.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let taken = matches!(&error, rusqlite::Error::SqliteFailure(failure, _)
            if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE);
        if taken { Self::NameTaken } else { Self::Sqlite(error) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken => formatter.write_str("another product has the name"),
            Self::Schema(found) => write!(formatter, "tables of version {found}, not {SCHEMA}"),
            Self::Sqlite(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
