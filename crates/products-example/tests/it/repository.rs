//! The repository on a temporary file.

use std::thread;

use sockeye_products::product::{Details, Product};
use sockeye_products::repository::{Repository, StoreError};

use crate::scratch::{Scratch, draft, version};

fn details(name: &str, price_cents: i64) -> Details {
    draft(name, price_cents).try_into().expect("a good draft")
}

fn open(scratch: &Scratch) -> Repository {
    Repository::open(&scratch.file()).expect("it opens")
}

#[test]
fn the_file_is_created_on_the_first_start_and_kept_over_the_next() {
    let scratch = Scratch::new();
    assert!(!scratch.file().exists());
    let v1 = version("v1");
    let created = open(&scratch).create(v1, &details("taza", 250)).expect("kept");
    assert_eq!(created, Product { id: 1, revision: 1, name: "taza".into(), price_cents: 250 });
    assert!(scratch.file().exists());
    let again = open(&scratch);
    assert_eq!(again.find(v1, created.id).expect("read"), Some(created));
}

#[test]
fn a_product_is_created_read_changed_and_deleted() {
    let scratch = Scratch::new();
    let (repository, v1) = (open(&scratch), version("v1"));
    let id = repository.create(v1, &details("taza", 250)).expect("kept").id;
    let changed = repository.update(v1, id, &details("tazón", 300)).expect("kept");
    let expected = Product { id, revision: 2, name: "tazón".into(), price_cents: 300 };
    assert_eq!(changed.as_ref(), Some(&expected));
    assert_eq!(repository.find(v1, id).expect("read").as_ref(), Some(&expected));
    assert_eq!(repository.delete(v1, id).expect("deleted"), Some(expected));
    assert_eq!(repository.find(v1, id).expect("read"), None);
    assert_eq!(repository.delete(v1, id).expect("nothing to do"), None);
    assert_eq!(repository.update(v1, id, &details("tazón", 1)).expect("nothing to do"), None);
}

#[test]
fn versions_have_nothing_in_common_but_the_numbers() {
    let scratch = Scratch::new();
    let repository = open(&scratch);
    let (v1, v2) = (version("v1"), version("v2"));
    let one = repository.create(v1, &details("taza", 250)).expect("kept");
    let other = repository.create(v2, &details("taza", 250)).expect("the name is free there");
    assert_ne!(one.id, other.id);
    assert_eq!(repository.find(v2, one.id).expect("read"), None);
    assert_eq!(repository.update(v2, one.id, &details("plato", 1)).expect("nothing to do"), None);
    assert_eq!(repository.delete(v2, one.id).expect("nothing to do"), None);
    assert_eq!(repository.list(v1, 0, 10).expect("read"), [one]);
}

#[test]
fn a_name_is_taken_once_in_a_version() {
    let scratch = Scratch::new();
    let (repository, v1) = (open(&scratch), version("v1"));
    repository.create(v1, &details("taza", 250)).expect("kept");
    let other = repository.create(v1, &details("plato", 100)).expect("kept");
    let refused = repository.create(v1, &details("taza", 1));
    assert!(matches!(refused, Err(StoreError::NameTaken)), "{refused:?}");
    let refused = repository.update(v1, other.id, &details("taza", 1));
    assert!(matches!(refused, Err(StoreError::NameTaken)), "{refused:?}");
    assert_eq!(repository.find(v1, other.id).expect("read"), Some(other));
}

#[test]
fn a_number_does_not_come_back() {
    let scratch = Scratch::new();
    let (repository, v1) = (open(&scratch), version("v1"));
    let id = repository.create(v1, &details("taza", 250)).expect("kept").id;
    repository.delete(v1, id).expect("deleted");
    assert!(repository.create(v1, &details("taza", 250)).expect("kept").id > id);
}

#[test]
fn a_list_comes_a_page_at_a_time() {
    let scratch = Scratch::new();
    let (repository, v1) = (open(&scratch), version("v1"));
    for number in 0..5 {
        repository.create(v1, &details(&format!("taza {number}"), number)).expect("kept");
    }
    let mut prices = Vec::new();
    let mut after = 0;
    loop {
        let page = repository.list(v1, after, 2).expect("read");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.id;
        prices.extend(page.iter().map(|product| product.price_cents));
    }
    assert_eq!(prices, [0, 1, 2, 3, 4]);
}

#[test]
fn names_are_data_and_not_sql() {
    let scratch = Scratch::new();
    let (repository, v1) = (open(&scratch), version("v1"));
    for name in ["'); DROP TABLE product; --", "\"", "%", "<b>鮭</b>"] {
        let id = repository.create(v1, &details(name, 1)).expect("kept").id;
        assert_eq!(repository.find(v1, id).expect("read").expect("there").name, name);
    }
}

/// As two processes would: each with a connection of its own to one file, which neither finds there.
#[test]
fn two_writers_at_once_lose_nothing() {
    const WRITES: u32 = 20;
    let scratch = Scratch::new();
    let v1 = version("v1");
    thread::scope(|scope| {
        for writer in 0..2 {
            let scratch = &scratch;
            scope.spawn(move || {
                let repository = open(scratch);
                for number in 0..WRITES {
                    let details = details(&format!("taza {writer} {number}"), 1);
                    repository.create(v1, &details).expect("kept");
                }
            });
        }
    });
    let repository = open(&scratch);
    assert_eq!(repository.list(v1, 0, 100).expect("read").len(), 2 * WRITES as usize);
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let scratch = Scratch::new();
    std::fs::write(scratch.file(), "not a database, and of no use as one").expect("written");
    assert!(matches!(Repository::open(&scratch.file()), Err(StoreError::Sqlite(_))));
    let other = scratch.folder().join("other.db");
    let connection = rusqlite::Connection::open(&other).expect("it opens");
    connection.pragma_update(None, "user_version", 7).expect("written");
    assert!(matches!(Repository::open(&other), Err(StoreError::Schema(7))));
}
