//! The ways for what most messages are: what they take, and that they leave everything else alone.

use sockeye_protocol::{Config, Outbox, Role};

use crate::support::{Endpoint, describe, frame};

/// The same bytes, taken with and without the short way first; what it refuses is as it was.
fn assert_taken_alike(role: Role, config: &Config, bytes: &[u8], begun: &[u8]) -> bool {
    let mut plain = Endpoint::new(role, config.clone());
    let mut endpoint = Endpoint::new(role, config.clone());
    assert_eq!(plain.feed(begun), endpoint.feed(begun));
    let mut buffer = bytes.to_vec();
    let mut input = &mut buffer[..];
    let now = endpoint.now;
    let event = endpoint.connection.receive_short(&mut input, now).map(|event| describe(&event));
    let (rest, is_short) = (input.to_vec(), event.is_some());
    assert!(bytes.ends_with(&rest));
    assert_eq!(is_short, rest.len() < bytes.len(), "{} bytes are left", rest.len());
    endpoint.events.extend(event);
    assert_eq!(plain.feed(bytes), endpoint.feed(&rest));
    assert_eq!(plain.record(), endpoint.record());
    is_short
}

#[test]
fn frm_11_txt_01_every_short_message_of_a_client_goes_the_short_way() {
    let text = "ábc€𝄞".repeat(12);
    for len in 0..=125 {
        let Some(text) = text.get(..len) else { continue };
        for (first, payload) in [(0x81, text.as_bytes()), (0x82, &[0xFF; 125][..len])] {
            let mut bytes = frame(Role::Server, first, payload);
            bytes.extend(frame(Role::Server, 0x81, b"and another"));
            assert!(assert_taken_alike(Role::Server, &Config::default(), &bytes, b""), "{len}");
        }
    }
}

#[test]
fn frm_10_txt_02_what_is_not_as_most_are_is_left_where_it_lies() {
    let good = frame(Role::Server, 0x81, b"good");
    let mut long = vec![b'a'; 126];
    let mut cases = vec![
        ("nothing", Vec::new()),
        ("a ping", frame(Role::Server, 0x89, b"ping")),
        ("a Close frame", frame(Role::Server, 0x88, &[3, 232])),
        ("a reserved bit", frame(Role::Server, 0xC1, b"bit")),
        ("a reserved opcode", frame(Role::Server, 0x83, b"opcode")),
        ("a first fragment", frame(Role::Server, 0x01, b"frag")),
        ("a continuation of nothing", frame(Role::Server, 0x80, b"ment")),
        ("no mask", frame(Role::Client, 0x81, b"bare")),
        ("126 bytes", frame(Role::Server, 0x81, &long)),
        ("a half character at the end", frame(Role::Server, 0x81, b"caf\xC3")),
    ];
    cases.extend((1..good.len()).map(|cut| ("a part", good[..cut].to_vec())));
    // Whatever its length is, text that is not UTF-8 is told from there, masked as it was.
    long.truncate(125);
    for len in 1..=125 {
        for wrong in [0, len / 2, len - 1] {
            let mut payload = long[..len].to_vec();
            payload[wrong] = 0xFF;
            cases.push(("no UTF-8", frame(Role::Server, 0x81, &payload)));
        }
    }
    for (what, bytes) in &cases {
        let is_short = assert_taken_alike(Role::Server, &Config::default(), bytes, b"");
        assert!(!is_short, "{what}");
    }
}

#[test]
fn ctl_02_frm_15_what_the_connection_is_about_may_need_the_long_way() {
    let good = frame(Role::Server, 0x81, b"good");
    let (mut small, mut none, mut narrow) =
        (Config::default(), Config::default(), Config::default());
    small.message_bytes_max = 124;
    none.fragments_max = Some(0);
    narrow.outbox_high_mark = 0;
    let mut awaits_pong = frame(Role::Server, 0x89, b"1");
    awaits_pong.extend(frame(Role::Server, 0x89, b"2"));
    for (what, config, begun, is_short) in [
        ("as usual", Config::default(), Vec::new(), true),
        ("a limit that it might be above", small, Vec::new(), false),
        ("no frame is allowed", none, Vec::new(), false),
        ("a message has begun", Config::default(), frame(Role::Server, 0x01, b"frag"), false),
        ("a header has begun", Config::default(), vec![0x81], false),
        ("a pong is owed", narrow, awaits_pong, false),
        ("it is closing", Config::default(), frame(Role::Server, 0x88, &[3, 232]), false),
    ] {
        assert_eq!(assert_taken_alike(Role::Server, &config, &good, &begun), is_short, "{what}");
    }
    let to_client = frame(Role::Client, 0x81, b"good");
    assert!(!assert_taken_alike(Role::Client, &Config::default(), &to_client, b""));
}

/// What is sent the short way is what is sent the other way, and nothing is sent in part.
#[test]
fn dat_01_snd_01_short_messages_are_sent_where_there_is_room() {
    let text = "a".repeat(126);
    let mut narrow = Config::default();
    narrow.outbox_high_mark = 20;
    let mut full = Config::default();
    full.outbox_bytes_max = 20;
    for (role, config, room, waiting, len, is_short) in [
        (Role::Server, Config::default(), 200, 0, 0, true),
        (Role::Server, Config::default(), 200, 10, 125, true),
        (Role::Server, Config::default(), 200, 0, 126, false),
        (Role::Server, Config::default(), 12, 0, 10, true),
        (Role::Server, Config::default(), 12, 0, 11, false),
        (Role::Server, narrow.clone(), 200, 8, 10, true),
        (Role::Server, narrow, 200, 8, 11, false),
        (Role::Server, full.clone(), 200, 8, 10, true),
        (Role::Server, full, 200, 8, 11, false),
        (Role::Client, Config::default(), 200, 0, 10, false),
    ] {
        let case = format!("{role:?}: {len} bytes behind {waiting} in room for {room}");
        let mut endpoint = Endpoint::new(role, config);
        let mut outbox = Outbox::new();
        outbox.lend(Vec::with_capacity(room));
        outbox.append(&vec![b'w'; waiting]);
        let Some(text) = text.get(..len) else { continue };
        assert_eq!(endpoint.connection.send_short_text(text, &mut outbox), is_short, "{case}");
        let short = if is_short { len + 2 } else { 0 };
        assert_eq!(outbox.len(), waiting + short, "{case}");
        if is_short {
            outbox.advance(waiting);
            endpoint.with(|connection, output| connection.send_text(text, output)).expect(&case);
            assert_eq!(outbox.first_chunk(), endpoint.outbox_bytes(), "{case}");
            outbox.advance(outbox.len());
            assert!(endpoint.connection.send_short_binary(text.as_bytes(), &mut outbox));
            assert_eq!(outbox.first_chunk()[0], 0x82);
        }
    }
    let mut closing = Endpoint::new(Role::Server, Config::default());
    closing.with(|connection, output| connection.close(None, output)).expect("open");
    closing.outbox.lend(Vec::with_capacity(100));
    assert!(!closing.connection.send_short_text("late", &mut closing.outbox));
}
