//! A response's head, whole and byte by byte, gets the same verdict.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_protocol::Outbox;
use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};

fn verdict(data: &[u8], step: usize) -> String {
    let url = Url::parse("ws://localhost/").expect("a URL");
    let request = ClientRequest::new(&url).subprotocol("chat").expect("a token");
    let limits = HeadLimits::default();
    let mut handshake = ClientHandshake::start(&request, [0; 16], limits, &mut Outbox::new());
    for end in (step..data.len()).step_by(step).chain([data.len()]) {
        match handshake.receive(&data[..end]) {
            Ok(None) => {}
            Ok(Some(Reply::Switched(switched))) => return format!("{switched:?}"),
            Ok(Some(Reply::Refused(refusal))) => {
                return format!("{} {}", refusal.status(), refusal.head_len());
            }
            Err(error) => return format!("{error:?}"),
        }
    }
    "more".to_owned()
}

fuzz_target!(|data: &[u8]| assert_eq!(verdict(data, data.len().max(1)), verdict(data, 1)));
