//! What a product is, and what may be said of one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most characters in a product's name.
pub const NAME_CHARS_MAX: usize = 100;

/// The highest price, in cents.
pub const PRICE_CENTS_MAX: u32 = 100_000_000;

/// A product as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its number, which no other product ever has, not even after it was deleted.
    pub id: i64,
    /// 1 when it is created, and one more with each update: of two states the higher is the later.
    pub revision: u32,
    /// Its name, which no other product of the same version has.
    pub name: String,
    /// Its price.
    pub price_cents: u32,
}

/// What somebody wants a product to be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The name; white space around it does not count.
    pub name: String,
    /// The price.
    pub price_cents: i64,
}

/// A draft that may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    name: String,
    price_cents: u32,
}

impl Details {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The price.
    #[must_use]
    pub const fn price_cents(&self) -> u32 {
        self.price_cents
    }
}

impl TryFrom<Draft> for Details {
    type Error = Invalid;

    fn try_from(draft: Draft) -> Result<Self, Invalid> {
        let name = draft.name.trim();
        if name.is_empty() {
            return Err(Invalid::NameEmpty);
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Invalid::NameTooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(Invalid::NameUnprintable);
        }
        let price_cents = u32::try_from(draft.price_cents).ok();
        let price_cents = price_cents.filter(|cents| *cents <= PRICE_CENTS_MAX);
        let price_cents = price_cents.ok_or(Invalid::PriceOutOfRange)?;
        Ok(Self { name: name.to_owned(), price_cents })
    }
}

/// What is wrong with a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// Nothing but white space.
    NameEmpty,
    /// More than [`NAME_CHARS_MAX`].
    NameTooLong,
    /// It contains control characters.
    NameUnprintable,
    /// Below 0, or above [`PRICE_CENTS_MAX`].
    PriceOutOfRange,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameEmpty => formatter.write_str("the name is empty"),
            Self::NameTooLong => write!(formatter, "the name has over {NAME_CHARS_MAX} characters"),
            Self::NameUnprintable => formatter.write_str("the name contains control characters"),
            Self::PriceOutOfRange => {
                write!(formatter, "the price is not between 0 and {PRICE_CENTS_MAX} cents")
            }
        }
    }
}

impl std::error::Error for Invalid {}

/// A version of the catalogue, such as `v1`. Each has products and subscribers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(u16);

impl Version {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    /// Each version has one spelling: `v`, and a number without a sign and without zeros before it.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let digits = text.strip_prefix('v').ok_or(UnknownVersion)?;
        if !digits.starts_with(|first| matches!(first, '1'..='9')) {
            return Err(UnknownVersion);
        }
        digits.parse().map(Self).map_err(|_| UnknownVersion)
    }
}

impl TryFrom<String> for Version {
    type Error = UnknownVersion;

    fn try_from(text: String) -> Result<Self, UnknownVersion> {
        text.parse()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v{}", self.0)
    }
}

/// That is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("versions are v1 to v65535")
    }
}

impl std::error::Error for UnknownVersion {}
