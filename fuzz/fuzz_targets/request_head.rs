//! A request's head, whole and byte by byte, gets the same verdict; an upgrade can be accepted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{Acceptance, Head, HeadLimits, ServerHandshake};

/// The verdict, and how many bytes it took.
fn verdict(data: &[u8], step: usize) -> String {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    for end in (step..data.len()).step_by(step).chain([data.len()]) {
        match handshake.receive(&data[..end]) {
            Ok(None) => {}
            Ok(Some(head)) => {
                if let Head::Upgrade(upgrade) = &head {
                    let mut outbox = Outbox::new();
                    upgrade.accept(&Acceptance::default(), &mut outbox).expect("acceptable");
                    assert!(!outbox.is_empty());
                }
                return format!("{:?} {}", head.upgrade().err(), head.head_len());
            }
            Err(error) => return format!("{error:?}"),
        }
    }
    "more".to_owned()
}

fuzz_target!(|data: &[u8]| assert_eq!(verdict(data, data.len().max(1)), verdict(data, 1)));
