//! Properties: any cut gives the same events, and what is encoded decodes to itself.

use std::time::Duration;

use proptest::prelude::*;
use sockeye_protocol::{CloseCode, CloseReason, Config, Role};

use crate::support::{Endpoint, Record, frame, shorten};

fn config() -> Config {
    let mut config = Config::default();
    config.message_bytes_max = 4096;
    config.fragments_max = Some(32);
    config
}

fn run(role: Role, bytes: &[u8], cuts: &[usize]) -> Record {
    let mut endpoint = Endpoint::new(role, config());
    endpoint.now += Duration::from_secs(1);
    let mut start = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    for end in ends {
        let _ = endpoint.feed(&bytes[start..end]);
        start = end;
    }
    endpoint.record()
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// Streams that look like a connection's: mostly legal frames, some of them broken.
fn stream(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => ".{0,40}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..130),
        1 => prop::collection::vec(any::<u8>(), 0..3000),
        1 => (1000_u16..5000).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    prop::collection::vec((first, payload), 0..8).prop_map(move |frames| {
        frames.into_iter().flat_map(|(first, payload)| frame(role, first, &payload)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frm_24_any_cut_gives_the_same_events(
        (role, bytes) in role().prop_flat_map(|role| (Just(role), stream(role))),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        prop_assert_eq!(run(role, &bytes, &cuts), run(role, &bytes, &[]));
    }

    #[test]
    fn sec_08_any_bytes_give_a_verdict_and_no_panic(
        role in role(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        prop_assert_eq!(run(role, &bytes, &cuts), run(role, &bytes, &[]));
    }

    #[test]
    fn msk_02_what_one_end_sends_the_other_receives(
        sender in role(),
        messages in prop::collection::vec(
            prop_oneof![".{0,300}".prop_map(Ok), prop::collection::vec(any::<u8>(), 0..3000).prop_map(Err)],
            0..6,
        ),
        code in prop::sample::select(vec![1000_u16, 1001, 3000, 4999]),
        reason in ".{0,30}",
    ) {
        let receiver = if sender == Role::Server { Role::Client } else { Role::Server };
        let mut from = Endpoint::new(sender, config());
        let mut expected = Vec::new();
        for message in &messages {
            let shared;
            match message {
                Ok(text) => {
                    from.with(|connection, output| connection.send_text(text, output)).expect("open");
                    shared = sockeye_protocol::Prepared::text(text);
                    expected.push(format!("text {}", shorten(text.as_bytes())));
                }
                Err(bytes) => {
                    from.with(|connection, output| connection.send_binary_owned(bytes.clone(), output)).expect("open");
                    shared = sockeye_protocol::Prepared::binary(bytes);
                    expected.push(format!("binary {}", shorten(bytes)));
                }
            }
            from.with(|connection, output| connection.send_prepared(&shared, output)).expect("open");
        }
        prop_assume!(reason.len() <= CloseReason::REASON_BYTES_MAX);
        let close = CloseReason::new(CloseCode::from_u16(code), reason.as_str());
        from.with(|connection, output| connection.close(Some(close), output)).expect("open");

        let mut to = Endpoint::new(receiver, config());
        to.feed(&from.take_sent()).expect("what is sent is legal");
        prop_assert_eq!(to.events.len(), 2 * expected.len() + 1);
        for (pair, expected) in to.events.chunks(2).zip(&expected) {
            prop_assert!(pair.iter().all(|event| event == expected), "{:?} for {}", pair, expected);
        }
        from.feed(&to.take_sent()).expect("what is sent is legal");
        prop_assert!(from.connection.closed().expect("closed").clean);
        prop_assert!(to.connection.closed().expect("closed").clean);
    }
}

/// Every cut into two and the most thorough cut, over a corpus of whole conversations.
#[test]
fn frm_16_every_cut_of_a_conversation() {
    for role in [Role::Server, Role::Client] {
        let mut stream = Vec::new();
        for number in 0..10_u8 {
            stream.extend(frame(role, 0x81, "κόσμε".as_bytes()));
            stream.extend(frame(role, 0x02, &[number; 130]));
            stream.extend(frame(role, 0x89, &[number]));
            stream.extend(frame(role, 0x80, &[number; 3]));
        }
        stream.extend(frame(role, 0x88, b"\x03\xE8done"));
        let whole = run(role, &stream, &[]);
        assert_eq!(whole.events.len(), 31);
        for cut in 0..=stream.len() {
            assert_eq!(run(role, &stream, &[cut]), whole, "cut at {cut}");
        }
    }
}
