//! The products of every version, and the commands that change them.
//!
//! ```text
//!   create NAME      ->  created ID NAME      to every subscriber of the version
//!   update ID NAME   ->  updated ID NAME      likewise
//!   delete ID        ->  deleted ID           likewise
//!   list             ->  product ID NAME      a line for each, in one message to whoever asked
//!   anything else    ->  error WHY            to whoever asked
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// These stop a stranger from filling the memory of a public server.
const VERSIONS_MAX: usize = 64;
const PRODUCTS_MAX: usize = 1000;
const NAME_CHARS_MAX: usize = 80;

/// What a command leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Something changed: a text for every subscriber of the version.
    Notify(String),
    /// A text for whoever asked.
    Reply(String),
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownCommand,
    NoName,
    NameTooLong,
    NoNumber,
    NoProduct(u64),
    Full,
}

/// Products by version and number.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    versions: BTreeMap<String, Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    last: u64,
    products: BTreeMap<u64, String>,
}

impl Catalogue {
    /// Carries out one command for one version.
    pub(crate) fn execute(&mut self, version: &str, command: &str) -> Result<Answer, Refusal> {
        let command = command.trim();
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "create" => self.create(version, rest),
            "update" => {
                let (number, name) = rest.trim_start().split_once(' ').ok_or(Refusal::NoName)?;
                self.update(version, number, name)
            }
            "delete" => self.delete(version, rest),
            "list" => Ok(Answer::Reply(self.list(version))),
            _ => Err(Refusal::UnknownCommand),
        }
    }

    fn create(&mut self, version: &str, name: &str) -> Result<Answer, Refusal> {
        let name = checked_name(name)?;
        if !self.versions.contains_key(version) && self.versions.len() >= VERSIONS_MAX {
            return Err(Refusal::Full);
        }
        let shelf = self.versions.entry(version.to_owned()).or_default();
        if shelf.products.len() >= PRODUCTS_MAX {
            return Err(Refusal::Full);
        }
        shelf.last += 1;
        shelf.products.insert(shelf.last, name.to_owned());
        Ok(Answer::Notify(format!("created {} {name}", shelf.last)))
    }

    fn update(&mut self, version: &str, number: &str, name: &str) -> Result<Answer, Refusal> {
        let number = checked_number(number)?;
        let name = checked_name(name)?;
        let shelf = self.versions.get_mut(version).ok_or(Refusal::NoProduct(number))?;
        let product = shelf.products.get_mut(&number).ok_or(Refusal::NoProduct(number))?;
        name.clone_into(product);
        Ok(Answer::Notify(format!("updated {number} {name}")))
    }

    fn delete(&mut self, version: &str, number: &str) -> Result<Answer, Refusal> {
        let number = checked_number(number)?;
        let shelf = self.versions.get_mut(version).ok_or(Refusal::NoProduct(number))?;
        shelf.products.remove(&number).ok_or(Refusal::NoProduct(number))?;
        Ok(Answer::Notify(format!("deleted {number}")))
    }

    fn list(&self, version: &str) -> String {
        let mut text = String::new();
        for (number, name) in self.versions.get(version).iter().flat_map(|shelf| &shelf.products) {
            let _ = writeln!(text, "product {number} {name}");
        }
        text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand => {
                formatter.write_str("expected create NAME, update ID NAME, delete ID or list")
            }
            Self::NoName => formatter.write_str("a product needs a name"),
            Self::NameTooLong => {
                write!(formatter, "a name has at most {NAME_CHARS_MAX} characters")
            }
            Self::NoNumber => formatter.write_str("expected the number of a product"),
            Self::NoProduct(number) => write!(formatter, "there is no product {number}"),
            Self::Full => formatter.write_str("there is no room for another one"),
        }
    }
}

fn checked_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_control) {
        Err(Refusal::NoName)
    } else if name.chars().count() > NAME_CHARS_MAX {
        Err(Refusal::NameTooLong)
    } else {
        Ok(name)
    }
}

fn checked_number(number: &str) -> Result<u64, Refusal> {
    number.trim().parse().map_err(|_| Refusal::NoNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_change_what_list_shows() {
        let mut catalogue = Catalogue::default();
        let mut check = |command: &str, expected: &str| {
            let said = match catalogue.execute("v1", command) {
                Ok(Answer::Notify(text)) => format!("all: {text}"),
                Ok(Answer::Reply(text)) => format!("one: {text}"),
                Err(refusal) => format!("error: {refusal}"),
            };
            assert_eq!(said, expected, "{command}");
        };
        check("list", "one: ");
        check("create Smoked salmon", "all: created 1 Smoked salmon");
        check(" create  Trout ", "all: created 2 Trout");
        check("update 1 Fresh salmon", "all: updated 1 Fresh salmon");
        check("list", "one: product 1 Fresh salmon\nproduct 2 Trout\n");
        check("delete 1", "all: deleted 1");
        check("delete 1", "error: there is no product 1");
        check("create Pike", "all: created 3 Pike");
        check("update 7 Carp", "error: there is no product 7");
        check("update", "error: a product needs a name");
        check("update x Carp", "error: expected the number of a product");
        check("delete", "error: expected the number of a product");
        check("create", "error: a product needs a name");
        check("create two\nlines", "error: a product needs a name");
        check("", "error: expected create NAME, update ID NAME, delete ID or list");
    }

    #[test]
    fn versions_know_nothing_of_each_other() {
        let mut catalogue = Catalogue::default();
        assert!(catalogue.execute("v1", "create Salmon").is_ok());
        assert_eq!(catalogue.execute("v2", "delete 1"), Err(Refusal::NoProduct(1)));
        assert_eq!(
            catalogue.execute("v2", "create Trout"),
            Ok(Answer::Notify("created 1 Trout".to_owned()))
        );
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut catalogue = Catalogue::default();
        for _ in 0..PRODUCTS_MAX {
            assert!(catalogue.execute("v0", "create x").is_ok());
        }
        assert_eq!(catalogue.execute("v0", "create x"), Err(Refusal::Full));
        for version in 1..VERSIONS_MAX {
            assert!(catalogue.execute(&version.to_string(), "create x").is_ok());
        }
        assert_eq!(catalogue.execute("another", "create x"), Err(Refusal::Full));
        let long = format!("create {}", "é".repeat(NAME_CHARS_MAX + 1));
        assert_eq!(catalogue.execute("1", &long), Err(Refusal::NameTooLong));
    }
}
