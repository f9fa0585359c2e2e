//! Handlers that panic, and commands for connections that are dead.

use std::cell::RefCell;
use std::rc::Rc;

use sockeye_protocol::{Event, Prepared, SendError};
use sockeye_reactor::{Group, Policy};

use super::{Caller, Shore};
use crate::frames::{CLOSE, TEXT, masked};
use crate::support::{Moment, Script, Told, echo};

/// Echoes, and panics when asked to.
fn fragile() -> Script {
    Rc::new(|peer, moment| {
        if let Moment::Event(Event::Text(text)) = moment {
            assert_ne!(&**text, "panic", "as the test wants it");
            peer.send_text(text).expect("an open session");
        }
    })
}

#[test]
fn threat_q11_a_handler_that_panics_costs_its_connection_with_1011_and_the_loop_lives() {
    let mut shore = Shore::new(fragile());
    let mut bystander = shore.open();
    let mut fragile: Vec<Caller> = (0..20).map(|_| shore.open()).collect();
    for round in 0..2 {
        let half = &mut fragile[round * 10..][..10];
        for caller in &mut *half {
            caller.write(&masked(TEXT, b"before"));
            caller.write(&masked(TEXT, b"panic"));
            caller.write(&masked(TEXT, b"behind"));
        }
        for caller in &mut *half {
            assert_eq!(shore.next(caller), (TEXT, b"before".to_vec()));
            assert_eq!(shore.next(caller), (CLOSE, vec![3, 243]));
            shore.until("the end", |_| !caller.read());
            caller.finish();
        }
        shore.assert_served(&mut bystander);
        shore.until("gone", |shore| shore.reactor.sessions() == 11 - round * 10);
    }
    assert_eq!(shore.reactor.stats().panics, 20);
    assert_eq!(shore.count(|told| matches!(told, Told::Panicked)), 20);
    assert_eq!(shore.count(|told| matches!(told, Told::Text(text) if text == "behind")), 0);
}

#[test]
fn threat_q5_commands_for_a_dead_connection_reach_nobody_and_not_its_successor() {
    let mut shore = Shore::new(echo());
    let victim = shore.open();
    let dead = shore.last_key();
    let kept = Rc::new(RefCell::new(None));
    let (made, group) = (kept.clone(), Group::new());
    let joined = group.clone();
    shore.with_peer(dead, move |peer| {
        peer.join(&joined, Policy::Close);
        *made.borrow_mut() = Some(peer.sender());
    });
    let sender = kept.take().expect("the task was run");
    let handle = shore.reactor.handle();
    // These are on their way when the connection dies.
    sender.send_text("too late".to_owned()).expect("it is open");
    handle.send_prepared(dead, Prepared::text("too late")).expect("room");
    victim.reset();
    shore.until("gone", |shore| shore.reactor.sessions() == 0);

    let mut successor = shore.open();
    let alive = shore.last_key();
    assert!(alive != dead && alive.index() == dead.index(), "it is in the same place");
    assert_eq!(sender.send_text("much too late".to_owned()).err(), Some(SendError::NotOpen));
    assert!(sender.close(None).is_err());
    sender.resume();
    for _ in 0..100 {
        handle.send_prepared(dead, Prepared::text("much too late")).expect("room");
        handle.close(dead, None).expect("room");
    }
    group.publish(Prepared::text("to nobody"));
    (0..10).for_each(|_| shore.turn());
    assert_eq!(successor.next(), None, "nothing was meant for it");
    shore.assert_served(&mut successor);
    assert_eq!(group.members(), 0);
    assert_eq!(shore.reactor.open_sessions(), 1);
}
