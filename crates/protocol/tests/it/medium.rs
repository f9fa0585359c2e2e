//! The ways for messages of 126 to 65,535 bytes: what they take, that they leave everything else alone, and
//! that nobody sees a difference.

use std::ops::RangeInclusive;

use proptest::prelude::*;
use sockeye_protocol::{Config, Connection, Frames, Instant, Outbox, Role};

use crate::short::assert_taken_alike;
use crate::support::{Endpoint, Length, Record, describe, frame, raw_frame};

const LENS: RangeInclusive<usize> = 126..=65_535;

/// Where the length's form changes, and where what is done with so many bytes does.
const BORDERS: [usize; 7] = [126, 256, 1024, 2048, 8192, 16_384, 65_535];

fn around_borders() -> impl Iterator<Item = usize> {
    BORDERS.into_iter().flat_map(|border| border - 1..=border + 1)
}

fn is_medium(role: Role, config: &Config, bytes: &[u8], begun: &[u8]) -> bool {
    assert_taken_alike(Connection::receive_medium, role, config, bytes, begun)
}

/// As much of `text` again and again as makes so many bytes, and at its end what fills them.
fn text_of(text: &str, len: usize) -> String {
    text.repeat(len / text.len()) + &"x".repeat(len % text.len())
}

fn limited(message_bytes_max: usize) -> Config {
    let mut config = Config::default();
    config.message_bytes_max = message_bytes_max;
    config
}

#[test]
fn frm_12_txt_01_every_medium_message_of_a_client_goes_its_way() {
    for len in around_borders() {
        let (ascii, long) = (text_of("abcdefg", len), text_of("ábc€𝄞", len));
        let bytes = vec![0xFF; len];
        for (first, payload) in [(0x81, ascii.as_bytes()), (0x81, long.as_bytes()), (0x82, &bytes)]
        {
            let mut bytes = frame(Role::Server, first, payload);
            bytes.extend(frame(Role::Server, 0x81, b"and another"));
            let is_taken = is_medium(Role::Server, &Config::default(), &bytes, b"");
            assert_eq!(is_taken, LENS.contains(&len), "{len} bytes");
        }
    }
}

#[test]
fn frm_10_frm_12_what_is_no_medium_message_is_left_where_it_lies() {
    let payload = [b'a'; 300];
    let cases = [
        ("nothing", Vec::new()),
        ("a short one", frame(Role::Server, 0x81, b"short")),
        ("a long ping", frame(Role::Server, 0x89, &payload)),
        ("a long Close frame", frame(Role::Server, 0x88, &payload)),
        ("a reserved bit", frame(Role::Server, 0xC1, &payload)),
        ("a reserved opcode", frame(Role::Server, 0x83, &payload)),
        ("a first fragment", frame(Role::Server, 0x01, &payload)),
        ("a continuation of nothing", frame(Role::Server, 0x80, &payload)),
        ("no mask", frame(Role::Client, 0x81, &payload)),
        ("64 bits", raw_frame(Role::Server, 0x81, Length::SixtyFour(300), &payload)),
        ("the top bit", raw_frame(Role::Server, 0x81, Length::SixtyFour(1 << 63), &payload)),
    ];
    for (what, bytes) in &cases {
        assert!(!is_medium(Role::Server, &Config::default(), bytes, b""), "{what}");
    }
    for len in 0..126 {
        let bytes = raw_frame(Role::Server, 0x82, Length::Sixteen(len), &payload[..len.into()]);
        assert!(!is_medium(Role::Server, &Config::default(), &bytes, b""), "{len} in 16 bits");
    }
}

#[test]
fn frm_16_a_medium_message_that_is_cut_anywhere_is_left_where_it_lies() {
    let whole = frame(Role::Server, 0x81, text_of("ábc€𝄞", 1024).as_bytes());
    for cut in 0..whole.len() {
        assert!(!is_medium(Role::Server, &Config::default(), &whole[..cut], b""), "{cut}");
    }
    assert!(is_medium(Role::Server, &Config::default(), &whole, b""));
}

/// The error is told by the long way, with the text masked as it was, and wherever the byte is.
#[test]
fn utf_02_txt_02_a_medium_text_that_is_not_utf_8_is_left_as_it_was() {
    for (text, len) in
        [("a", 1024), ("ábc€𝄞", 1024), ("a", 126), ("é", 256), ("a", 8200), ("é", 20_000)]
    {
        let right = text_of(text, len).into_bytes();
        let step = [1, 97, 997][usize::from(len > 1024) + usize::from(len > 8200)];
        let places = (0..len).filter(|place| place % step == 0 || *place > len - 3);
        for place in places {
            for wrong in [0xFF, 0xC3, 0xF0] {
                let mut payload = right.clone();
                payload[place] = wrong;
                // What goes on in the place of a character may be one.
                let expected = std::str::from_utf8(&payload).is_ok();
                let mut bytes = frame(Role::Server, 0x81, &payload);
                bytes.extend(frame(Role::Server, 0x81, b"and another"));
                let is_taken = is_medium(Role::Server, &Config::default(), &bytes, b"");
                assert_eq!(is_taken, expected, "{wrong:x} at {place} of {len}");
            }
        }
    }
}

#[test]
fn ctl_02_frm_15_what_the_connection_is_about_may_need_the_long_way() {
    let good = frame(Role::Server, 0x81, &[b'g'; 1000]);
    let (mut none, mut narrow) = (Config::default(), Config::default());
    none.fragments_max = Some(0);
    narrow.outbox_high_mark = 0;
    let mut awaits_pong = frame(Role::Server, 0x89, b"1");
    awaits_pong.extend(frame(Role::Server, 0x89, b"2"));
    for (what, config, begun, expected) in [
        ("as usual", Config::default(), Vec::new(), true),
        ("the limit", limited(1000), Vec::new(), true),
        ("above the limit", limited(999), Vec::new(), false),
        ("a limit of short messages", limited(124), Vec::new(), false),
        ("no frame is allowed", none, Vec::new(), false),
        ("a message has begun", Config::default(), frame(Role::Server, 0x01, b"frag"), false),
        ("a header has begun", Config::default(), vec![0x81], false),
        ("a pong is owed", narrow, awaits_pong, false),
        ("it is closing", Config::default(), frame(Role::Server, 0x88, &[3, 232]), false),
    ] {
        assert_eq!(is_medium(Role::Server, &config, &good, &begun), expected, "{what}");
    }
    let to_client = frame(Role::Client, 0x81, &[b'g'; 1000]);
    assert!(!is_medium(Role::Client, &Config::default(), &to_client, b""));
}

/// As a driver does that knows all of the ways.
fn feed_every_way(endpoint: &mut Endpoint, bytes: &[u8]) {
    let mut buffer = bytes.to_vec();
    let mut input = &mut buffer[..];
    let now = endpoint.now;
    loop {
        while let Some(event) = endpoint.connection.receive_short(&mut input, now) {
            endpoint.events.push(describe(&event));
        }
        while let Some(event) = endpoint.connection.receive_medium(&mut input, now) {
            endpoint.events.push(describe(&event));
        }
        let received = endpoint.with(|connection, output| {
            let event = connection.receive_any(&mut input, output)?;
            Ok(event.map(|event| describe(&event)))
        });
        match received {
            Ok(Some(event)) => endpoint.events.push(event),
            Ok(None) => break,
            Err::<_, sockeye_protocol::ProtocolError>(error) => {
                let offset = error.frame_offset;
                endpoint.events.push(format!("error {:?} at {offset}", error.violation));
            }
        }
    }
    assert!(input.is_empty(), "everything lent is taken");
}

fn run_every_way(bytes: &[u8], cuts: &[usize]) -> Record {
    let mut endpoint = Endpoint::new(Role::Server, limited(4000));
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        feed_every_way(&mut endpoint, &bytes[start..end]);
        start = end;
    }
    endpoint.record()
}

/// Messages of all lengths and control frames behind each other, most of them legal.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        12 => prop::sample::select(vec![0x81_u8, 0x82]),
        2 => prop::sample::select(vec![0x01_u8, 0x00, 0x80, 0x89]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        2 => ".{0,30}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![124_usize, 125, 126, 127, 256, 257, 1024, 3999, 4000, 4001])
            .prop_map(|len| vec![b'b'; len]),
        2 => ".{100,400}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 100..300),
    ];
    prop::collection::vec((first, payload), 0..12).prop_map(|frames| {
        let frames = frames.into_iter();
        frames.flat_map(|(first, payload)| frame(Role::Server, first, &payload)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frm_24_messages_of_all_ways_behind_each_other_are_those_of_single_bytes(
        bytes in stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        let singly: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(run_every_way(&bytes, &cuts), run_every_way(&bytes, &singly));
    }
}

/// What is sent this way is what is sent the other way, and nothing is sent in part.
#[test]
fn dat_01_snd_01_medium_messages_are_sent_where_there_is_room() {
    let limits = |high_mark, bytes_max| {
        let mut config = Config::default();
        (config.outbox_high_mark, config.outbox_bytes_max) = (high_mark, bytes_max);
        config
    };
    let wide = limits(1 << 20, 1 << 20);
    let mut cases = vec![
        (Role::Server, wide.clone(), 1000, 0, 996, true),
        (Role::Server, wide.clone(), 1000, 0, 997, false),
        (Role::Server, wide.clone(), 1000, 10, 986, true),
        (Role::Server, wide.clone(), 1000, 10, 987, false),
        (Role::Server, limits(1000, 1 << 20), 9000, 100, 896, true),
        (Role::Server, limits(1000, 1 << 20), 9000, 100, 897, false),
        (Role::Server, limits(1 << 20, 1000), 9000, 100, 896, true),
        (Role::Server, limits(1 << 20, 1000), 9000, 100, 897, false),
        (Role::Client, wide.clone(), 9000, 0, 1000, false),
    ];
    for len in around_borders() {
        cases.push((Role::Server, wide.clone(), 100_000, 10, len, LENS.contains(&len)));
    }
    for (role, config, room, waiting, len, is_sent) in cases {
        let case = format!("{role:?}: {len} bytes behind {waiting} in room for {room}");
        let mut endpoint = Endpoint::new(role, config);
        let mut outbox = Outbox::new();
        outbox.lend(Vec::with_capacity(room));
        outbox.append(&vec![b'w'; waiting]);
        let text = text_of("ábc€𝄞", len);
        assert_eq!(endpoint.connection.send_medium_text(&text, &mut outbox), is_sent, "{case}");
        let sent = if is_sent { len + 4 } else { 0 };
        assert_eq!(outbox.len(), waiting + sent, "{case}");
        if is_sent {
            outbox.advance(waiting);
            // Where the outbox has no memory, it goes the long way.
            assert!(!endpoint.connection.send_medium_text(&text, &mut endpoint.outbox));
            endpoint.with(|connection, output| connection.send_text(&text, output)).expect(&case);
            assert_eq!(outbox.first_chunk(), endpoint.outbox_bytes(), "{case}");
            outbox.advance(outbox.len());
            assert!(endpoint.connection.send_medium_binary(text.as_bytes(), &mut outbox));
            assert_eq!(outbox.first_chunk()[..2], [0x82, 126], "{case}");
            assert_eq!(outbox.first_chunk()[4..], *text.as_bytes(), "{case}");
        }
    }
    let mut closing = Endpoint::new(Role::Server, Config::default());
    closing.with(|connection, output| connection.close(None, output)).expect("open");
    closing.outbox.lend(Vec::with_capacity(1000));
    assert!(!closing.connection.send_medium_text(&"late".repeat(100), &mut closing.outbox));
}

/// Frames are the same whether there is memory for them or not, and those that a connection sends.
#[test]
fn snd_01_frames_of_medium_messages_are_those_of_a_connection() {
    for len in around_borders() {
        let text = text_of("ábc€𝄞", len);
        for room in [0, len, len + 3, len + 4, 100_000] {
            let mut frames = Frames::new();
            frames.lend(Vec::with_capacity(room));
            frames.push_text(&text);
            frames.push_binary(text.as_bytes());
            assert_eq!((frames.len(), frames.messages()), (2 * Frames::framed_len(len), 2));
            let mut endpoint = Endpoint::new(Role::Server, Config::default());
            endpoint.with(|connection, output| {
                connection.send_text(&text, output).expect("room");
                connection.send_binary(text.as_bytes(), output).expect("room");
            });
            let expected = endpoint.take_sent();
            endpoint
                .with(|connection, output| connection.send_frames(&mut frames, output))
                .expect("room");
            assert_eq!(endpoint.take_sent(), expected, "{len} bytes in {room}");
        }
    }
}

/// A medium message is a sign of life, and its error tells where its frame begins.
#[test]
fn frm_24_medium_messages_count_for_the_time_and_for_offsets() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    let due = endpoint.connection.poll_timeout().expect("a ping");
    endpoint.now = Instant::from_nanos(5_000_000_000);
    let mut bytes = frame(Role::Server, 0x82, &[7; 1000]);
    let len = bytes.len() as u64;
    let taken = endpoint.connection.receive_medium(&mut &mut bytes[..], endpoint.now);
    assert!(taken.is_some());
    let later = endpoint.connection.poll_timeout().expect("a ping");
    assert_eq!(later.saturating_duration_since(due).as_secs(), 5);
    let error = endpoint.feed(&frame(Role::Server, 0xC1, b"bit")).expect_err("a reserved bit");
    assert_eq!(error.frame_offset, len);
}
