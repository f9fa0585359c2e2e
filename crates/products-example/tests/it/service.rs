//! The service, with its notifications observed.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use serde_json::{Value, json};
use sockeye_products::notifications::{Heard, QUEUE_MAX, Subscription};
use sockeye_products::product::{Invalid, NAME_CHARS_MAX, PRICE_CENTS_MAX};
use sockeye_products::repository::Repository;
use sockeye_products::service::{Error, LIST_MAX, Service};

use crate::scratch::{Scratch, draft, version};

pub(crate) fn service(scratch: &Scratch) -> Service {
    Service::new(Repository::open(&scratch.file()).expect("it opens"))
}

/// What waits for a subscriber, without waiting for more.
fn heard(subscription: &mut Subscription) -> Option<Heard> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(subscription.next()).poll(&mut context) {
        Poll::Ready(heard) => Some(heard),
        Poll::Pending => None,
    }
}

fn notification(subscription: &mut Subscription) -> Value {
    match heard(subscription) {
        Some(Heard::Notification(text)) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("{other:?} instead of a notification"),
    }
}

#[test]
fn each_change_is_told_to_the_subscribers_of_its_version_and_to_no_other() {
    let scratch = Scratch::new();
    let service = service(&scratch);
    let (v1, v2) = (version("v1"), version("v2"));
    let mut ours = [service.subscribe(v1).expect("open"), service.subscribe(v1).expect("open")];
    let mut other = service.subscribe(v2).expect("open");
    let id = service.create(v1, draft(" taza ", 250)).expect("created").id;
    service.update(v1, id, draft("tazón", 300)).expect("changed");
    service.delete(v1, id).expect("deleted");
    for subscription in &mut ours {
        for (change, revision, name, price_cents) in [
            ("created", 1, "taza", 250),
            ("updated", 2, "tazón", 300),
            ("deleted", 2, "tazón", 300),
        ] {
            let product =
                json!({"id": id, "revision": revision, "name": name, "price_cents": price_cents});
            let expected = json!({"change": change, "product": product});
            assert_eq!(notification(subscription), expected);
        }
        assert_eq!(heard(subscription), None);
    }
    assert_eq!(heard(&mut other), None);
}

#[test]
fn what_changes_nothing_is_told_to_nobody() {
    let scratch = Scratch::new();
    let service = service(&scratch);
    let v1 = version("v1");
    let taza = service.create(v1, draft("taza", 250)).expect("created").id;
    service.create(v1, draft("plato", 100)).expect("created");
    let mut subscription = service.subscribe(v1).expect("open");
    let name_taken =
        [service.create(v1, draft("taza", 1)), service.update(v1, taza, draft("plato", 1))];
    assert!(name_taken.iter().all(|result| matches!(result, Err(Error::NameTaken))));
    let not_found =
        [service.update(v1, 99, draft("jarra", 1)), service.delete(v1, 99), service.find(v1, 99)];
    assert!(not_found.iter().all(|result| matches!(result, Err(Error::NotFound))));
    let invalid = service.create(v1, draft("", 1));
    assert!(matches!(invalid, Err(Error::Invalid(Invalid::NameEmpty))));
    service.find(v1, taza).expect("there");
    service.list(v1, 0, 10).expect("read");
    assert_eq!(heard(&mut subscription), None);
}

#[test]
fn drafts_are_judged() {
    let scratch = Scratch::new();
    let service = service(&scratch);
    let v1 = version("v1");
    let longest = "é".repeat(NAME_CHARS_MAX);
    let highest = i64::from(PRICE_CENTS_MAX);
    let good = [("x", 0), (longest.as_str(), highest), ("\u{2003}taza roja\n", 1)];
    for (name, price_cents) in good {
        let product = service.create(v1, draft(name, price_cents)).expect("good");
        assert_eq!(product.name, name.trim());
    }
    let too_long = format!("{longest}é");
    let bad = [
        ("", 1, Invalid::NameEmpty),
        (" \t\u{2003}", 1, Invalid::NameEmpty),
        (too_long.as_str(), 1, Invalid::NameTooLong),
        ("ta\nza", 1, Invalid::NameUnprintable),
        ("ta\0za", 1, Invalid::NameUnprintable),
        ("taza", -1, Invalid::PriceOutOfRange),
        ("taza", highest + 1, Invalid::PriceOutOfRange),
        ("taza", i64::MIN, Invalid::PriceOutOfRange),
        ("taza", i64::MAX, Invalid::PriceOutOfRange),
    ];
    for (name, price_cents, expected) in bad {
        match service.create(v1, draft(name, price_cents)) {
            Err(Error::Invalid(invalid)) => assert_eq!(invalid, expected),
            other => panic!("{other:?} instead of {expected:?}"),
        }
    }
    assert_eq!(service.list(v1, 0, u32::MAX).expect("read").len(), good.len());
}

#[test]
fn versions_have_one_spelling() {
    for good in ["v1", "v2", "v65535"] {
        assert_eq!(version(good).to_string(), good);
    }
    for bad in ["", "v", "1", "v0", "v01", "v+1", "V1", "v1 ", "v-1", "v65536", "v99999999999"] {
        assert!(bad.parse::<sockeye_products::product::Version>().is_err(), "{bad}");
    }
}

/// A subscriber that takes nothing costs its place in a ring and no more, and hears that it missed
/// something; then the rest in order.
#[test]
fn a_subscriber_that_takes_nothing_delays_no_write() {
    const BEYOND: usize = 6;
    let scratch = Scratch::new();
    let service = service(&scratch);
    let v1 = version("v1");
    let mut stuck = service.subscribe(v1).expect("open");
    let mut quick = service.subscribe(v1).expect("open");
    for number in 0..QUEUE_MAX + BEYOND {
        let created = service.create(v1, draft(&format!("taza {number}"), 1)).expect("created");
        assert_eq!(notification(&mut quick)["product"]["id"], created.id);
    }
    assert_eq!(heard(&mut stuck), Some(Heard::Missed(BEYOND as u64)));
    for number in BEYOND..QUEUE_MAX + BEYOND {
        assert_eq!(notification(&mut stuck)["product"]["name"], format!("taza {number}"));
    }
    assert_eq!(heard(&mut stuck), None);
}

/// Two threads change one product and add others: nothing is lost, and what is heard is in the order in
/// which it was done.
#[test]
fn two_writers_are_heard_in_the_order_of_their_writes() {
    const WRITES: u32 = 15;
    let scratch = Scratch::new();
    let service = Arc::new(service(&scratch));
    let v1 = version("v1");
    let shared = service.create(v1, draft("taza", 0)).expect("created").id;
    let mut subscription = service.subscribe(v1).expect("open");
    thread::scope(|scope| {
        for writer in 0..2 {
            let service = &service;
            scope.spawn(move || {
                for number in 0..WRITES {
                    service.update(v1, shared, draft("taza", number.into())).expect("changed");
                    let name = format!("plato {writer} {number}");
                    service.create(v1, draft(&name, 1)).expect("created");
                }
            });
        }
    });
    let (mut revision, mut id, mut count) = (1, shared, 0);
    while let Some(Heard::Notification(text)) = heard(&mut subscription) {
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let product = &told["product"];
        if told["change"] == "updated" {
            revision += 1;
            assert_eq!(product["revision"], revision);
        } else {
            id += 1;
            assert_eq!(product["id"], id);
        }
        count += 1;
    }
    assert_eq!(count, 4 * WRITES);
    assert_eq!(service.find(v1, shared).expect("there").revision, 1 + 2 * WRITES);
    assert_eq!(service.list(v1, 0, LIST_MAX).expect("read").len(), 1 + 2 * WRITES as usize);
}

#[test]
fn at_the_end_each_hears_what_waits_for_it() {
    let scratch = Scratch::new();
    let service = service(&scratch);
    let v1 = version("v1");
    let mut subscription = service.subscribe(v1).expect("open");
    service.create(v1, draft("taza", 1)).expect("created");
    service.notifications().end();
    service.create(v1, draft("plato", 1)).expect("writing goes on");
    assert_eq!(notification(&mut subscription)["product"]["name"], "taza");
    assert_eq!(heard(&mut subscription), Some(Heard::End));
    assert!(service.subscribe(v1).is_none());
}
