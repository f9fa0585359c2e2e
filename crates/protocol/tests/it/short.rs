//! The ways for what most messages are: what they take, and that they leave everything else alone.

use sockeye_protocol::{Config, Connection, Event, Instant, Outbox, Role};

use crate::support::{Endpoint, describe, frame};

/// One of the ways.
pub(crate) type Way = for<'b> fn(&mut Connection, &mut &'b mut [u8], Instant) -> Option<Event<'b>>;

/// Fewer than a frame of a client's has, so that nothing lies whole in what is fed.
const PIECE_BYTES: usize = 5;

/// The same bytes, taken with this way first and taken in pieces, which are for neither of the ways.
/// What it refuses is as it was.
pub(crate) fn assert_taken_alike(
    way: Way,
    role: Role,
    config: &Config,
    bytes: &[u8],
    begun: &[u8],
) -> bool {
    let mut plain = Endpoint::new(role, config.clone());
    let mut endpoint = Endpoint::new(role, config.clone());
    assert_eq!(plain.feed(begun), endpoint.feed(begun));
    let mut buffer = bytes.to_vec();
    let mut input = &mut buffer[..];
    let event = way(&mut endpoint.connection, &mut input, endpoint.now);
    let event = event.map(|event| describe(&event));
    let (rest, is_taken) = (input.to_vec(), event.is_some());
    assert!(bytes.ends_with(&rest));
    assert_eq!(is_taken, rest.len() < bytes.len(), "{} bytes are left", rest.len());
    endpoint.events.extend(event);
    let fed = endpoint.feed(&rest);
    let pieces = bytes.chunks(PIECE_BYTES).map(|piece| plain.feed(piece));
    assert_eq!(pieces.fold(Ok(()), Result::and), fed);
    assert_eq!(plain.record(), endpoint.record());
    is_taken
}

fn is_short(role: Role, config: &Config, bytes: &[u8], begun: &[u8]) -> bool {
    assert_taken_alike(Connection::receive_short, role, config, bytes, begun)
}

#[test]
fn frm_11_txt_01_every_short_message_of_a_client_goes_the_short_way() {
    let text = "ábc€𝄞".repeat(12);
    for len in 0..=125 {
        let Some(text) = text.get(..len) else { continue };
        for (first, payload) in [(0x81, text.as_bytes()), (0x82, &[0xFF; 125][..len])] {
            let mut bytes = frame(Role::Server, first, payload);
            bytes.extend(frame(Role::Server, 0x81, b"and another"));
            assert!(is_short(Role::Server, &Config::default(), &bytes, b""), "{len}");
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
        assert!(!is_short(Role::Server, &Config::default(), bytes, b""), "{what}");
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
    for (what, config, begun, expected) in [
        ("as usual", Config::default(), Vec::new(), true),
        ("a limit that it might be above", small, Vec::new(), false),
        ("no frame is allowed", none, Vec::new(), false),
        ("a message has begun", Config::default(), frame(Role::Server, 0x01, b"frag"), false),
        ("a header has begun", Config::default(), vec![0x81], false),
        ("a pong is owed", narrow, awaits_pong, false),
        ("it is closing", Config::default(), frame(Role::Server, 0x88, &[3, 232]), false),
    ] {
        assert_eq!(is_short(Role::Server, &config, &good, &begun), expected, "{what}");
    }
    let to_client = frame(Role::Client, 0x81, b"good");
    assert!(!is_short(Role::Client, &Config::default(), &to_client, b""));
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
