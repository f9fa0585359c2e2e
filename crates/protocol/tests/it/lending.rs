//! What a driver that keeps memory and messages of its own is offered.

use std::time::Duration;

use sockeye_protocol::{
    Buffers, Config, Connection, Event, Frames, Instant, Outbox, Output, Role, SendError,
};

use crate::support::frame;

fn connection(role: Role, config: Config) -> Connection {
    Connection::new(role, config.into(), Instant::ZERO)
}

fn all(outbox: &Outbox) -> Vec<u8> {
    outbox.chunks().flatten().copied().collect()
}

#[test]
fn frames_are_sent_as_messages_would_be() {
    for len in [0, 125, 126, 65_535, 65_536] {
        let payload = "x".repeat(len);
        let mut frames = Frames::new();
        frames.push_text(&payload);
        frames.push_binary(payload.as_bytes());
        assert_eq!((frames.messages(), frames.is_empty()), (2, false));
        assert_eq!(frames.len(), 2 * Frames::framed_len(len));

        let mut config = Config::default();
        config.outbox_bytes_max = usize::MAX;
        let mut server = connection(Role::Server, config);
        let (mut expected, mut outbox) = (Outbox::new(), Outbox::new());
        let mut buffers = Buffers::default();
        let mut output = Output::server(&mut expected, &mut buffers, Instant::ZERO);
        for _ in 0..2 {
            server.send_text(&payload, &mut output).expect("room");
            server.send_binary(payload.as_bytes(), &mut output).expect("room");
        }
        // Into an outbox that is empty, and behind what waits.
        let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
        for _ in 0..2 {
            server.send_frames(&mut frames, &mut output).expect("room");
            assert_eq!((frames.messages(), frames.len()), (0, 0));
            frames.push_text(&payload);
            frames.push_binary(payload.as_bytes());
        }
        assert!(all(&outbox) == all(&expected), "{len}");
    }
}

#[test]
fn frames_that_cannot_be_sent_stay() {
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut frames = Frames::new();
    frames.push_text("Hello");
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    let mut client = connection(Role::Client, Config::default());
    let refused = client.send_frames(&mut frames, &mut output).expect_err("it must mask");
    assert_eq!(refused, SendError::Unmasked);
    assert_eq!(refused.to_string(), "frames of a client must be masked");

    let mut config = Config::default();
    config.outbox_bytes_max = 10;
    let mut server = connection(Role::Server, config);
    server.send_frames(&mut frames, &mut output).expect("an empty outbox takes any");
    frames.push_text("Hello");
    assert_eq!(server.send_frames(&mut frames, &mut output), Err(SendError::Full));
    server.close(None, &mut output).expect("open");
    assert_eq!(server.send_frames(&mut frames, &mut output), Err(SendError::NotOpen));
    assert_eq!((frames.messages(), outbox.len()), (1, 9));
}

#[test]
fn frames_and_outbox_pass_memory_on() {
    let mut frames = Frames::new();
    assert_eq!(frames.lend(Vec::with_capacity(100)), None);
    let other = frames.lend(Vec::with_capacity(7)).expect("it has some");
    assert_eq!(other.capacity(), 7);
    frames.push_text("1");
    assert_eq!(frames.take_spare(), None);

    // Many bytes go as they lie, and the outbox's memory comes back.
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    outbox.lend(Vec::with_capacity(64));
    assert!(outbox.spare_capacity() >= 64);
    frames.push_binary(&[7; 1000]);
    let mut server = connection(Role::Server, Config::default());
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    server.send_frames(&mut frames, &mut output).expect("room");
    assert_eq!(outbox.spare_capacity(), 0);
    assert!(frames.take_spare().is_some_and(|spare| spare.capacity() >= 64));
    let segments: Vec<_> = outbox.into_segments().collect();
    assert_eq!(segments.iter().map(|segment| segment.as_slice().len()).sum::<usize>(), 3 + 1004);
}

#[test]
fn events_are_copied_where_somebody_has_memory_for_them() {
    let mut server = connection(Role::Server, Config::default());
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut bytes = frame(Role::Server, 0x81, "κόσμε".as_bytes());
    bytes.extend(frame(Role::Server, 0x82, b"bytes"));
    let (mut text, mut payload) = (String::from("> "), b"> ".to_vec());
    let mut input = &mut bytes[..];
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    while let Some(event) = server.receive(&mut input, &mut output).expect("good") {
        match event {
            Event::Text(received) => {
                received.append_to(&mut text);
                assert_eq!(received.clone().into_string(), "κόσμε");
                assert_eq!(received.into_bytes(), "κόσμε");
            }
            Event::Binary(received) => {
                received.append_to(&mut payload);
                assert_eq!(received.into_bytes(), "bytes");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((&*text, &payload[..]), ("> κόσμε", &b"> bytes"[..]));
}

#[test]
fn idle_buffers_are_freed_bit_by_bit() {
    let mut buffers = Buffers::default();
    assert!(!buffers.is_to_be_trimmed());
    let copy = buffers.copy_of(&[7; 1000]);
    assert_eq!(copy, [7; 1000]);
    buffers.give_back(copy);
    // A message in pieces leaves its state behind as well.
    let mut server = connection(Role::Server, Config::default());
    let mut outbox = Outbox::new();
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    let bytes = frame(Role::Server, 0x82, b"in pieces");
    for mut byte in bytes.chunks(1).map(<[u8]>::to_vec) {
        if let Some(event) = server.receive(&mut &mut byte[..], &mut output).expect("good") {
            output.buffers.recycle(event);
        }
    }
    assert!(buffers.idle_bytes() >= 1000 && buffers.is_to_be_trimmed());
    for _ in 0..8 {
        buffers.trim();
    }
    assert!(buffers.idle_bytes() == 0 && !buffers.is_to_be_trimmed());
}

#[test]
fn a_driver_can_ask_what_is_expected() {
    let mut config = Config::default();
    config.ping_after = Some(Duration::from_secs(16));
    let mut on_time = connection(Role::Server, config.clone());
    let mut spread = connection(Role::Server, config);
    spread.spread_pings(7);
    let due = spread.poll_timeout().expect("a ping");
    let latest = on_time.poll_timeout().expect("a ping");
    assert_eq!(latest, Instant::default() + Duration::from_secs(16));
    assert!(due < latest && due >= Instant::ZERO + Duration::from_secs(15));

    assert!(on_time.is_idle() && on_time.expects_nothing());
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut output = Output::server(&mut outbox, &mut buffers, latest);
    on_time.handle_timeout(&mut output).expect("a ping is sent");
    assert!(on_time.is_idle() && !on_time.expects_nothing(), "a pong is awaited");
    let mut half = frame(Role::Server, 0x82, b"half");
    half.truncate(8);
    assert!(spread.receive(&mut &mut half[..], &mut output).expect("good").is_none());
    assert!(!spread.is_idle() && !spread.expects_nothing(), "a message has begun");
    on_time.forget_sent();
    assert!(on_time.is_open());
}

#[test]
fn a_payload_that_others_have_too_is_sent_from_where_it_lies() {
    let payload = bytes::Bytes::from(vec![7; 100_000]);
    let mut server = connection(Role::Server, Config::default());
    let (mut outbox, mut buffers) = (Outbox::new(), Buffers::default());
    let mut output = Output::server(&mut outbox, &mut buffers, Instant::ZERO);
    server.send_binary_owned(payload.clone(), &mut output).expect("room");
    let last = outbox.chunks().last().expect("the payload");
    assert_eq!((last.as_ptr(), last.len()), (payload.as_ptr(), payload.len()));
}
