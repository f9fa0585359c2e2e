//! Sections 5.2, 5.3 and 6.1: what is sent, byte by byte.

use std::sync::Arc;

use bytes::Bytes;
use sockeye_protocol::{
    Buffers, CloseCode, CloseReason, Config, Connection, Instant, MaskKeys, Outbox, Output,
    Prepared, Role, SendError, Unmasked,
};

use crate::support::{Endpoint, KEY, describe_frames, frame, shorten};

/// Hands out the key of RFC 6455, section 5.7, and counts.
#[derive(Debug, Default)]
struct OneKey {
    drawn: usize,
}

impl MaskKeys for OneKey {
    fn next_key(&mut self) -> [u8; 4] {
        self.drawn += 1;
        KEY
    }
}

/// Everything that sends a frame, with what the frame must be: its first byte and its payload.
fn send_everything(connection: &mut Connection, output: &mut Output<'_>) -> Vec<(u8, Vec<u8>)> {
    let long = vec![7; 20_000];
    connection.send_text("Hello", output).expect("open");
    connection.send_text("", output).expect("open");
    connection.send_text_owned("ä".to_owned(), output).expect("open");
    connection.send_binary(&[0; 126], output).expect("open");
    connection.send_binary_owned(long.clone(), output).expect("open");
    connection.send_binary_owned(&b"static"[..], output).expect("open");
    connection.send_prepared(&Prepared::text("shared"), output).expect("open");
    connection.send_prepared(&Prepared::binary(&[1; 0x1_0000]), output).expect("open");
    connection.send_ping(b"ping", output).expect("open");
    connection.send_pong(b"pong", output).expect("open");
    let mut ping = frame(connection.role(), 0x89, b"asked");
    connection.receive(&mut &mut ping[..], output).expect("legal");
    connection.close(Some(CloseReason::new(CloseCode::NORMAL, "bye")), output).expect("open");
    vec![
        (0x81, b"Hello".to_vec()),
        (0x81, Vec::new()),
        (0x81, "ä".as_bytes().to_vec()),
        (0x82, vec![0; 126]),
        (0x82, long),
        (0x82, b"static".to_vec()),
        (0x81, b"shared".to_vec()),
        (0x82, vec![1; 0x1_0000]),
        (0x89, b"ping".to_vec()),
        (0x8A, b"pong".to_vec()),
        (0x8A, b"asked".to_vec()),
        (0x88, b"\x03\xE8bye".to_vec()),
    ]
}

#[test]
fn frm_12_13_20_21_msk_01_03_dat_02_03_04_what_is_sent_byte_by_byte() {
    for role in [Role::Server, Role::Client] {
        let mut config = Config::default();
        config.outbox_high_mark = usize::MAX;
        let mut connection = Connection::new(role, Arc::new(config), Instant::ZERO);
        let (mut outbox, mut keys) = (Outbox::new(), OneKey::default());
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut keys,
            buffers: &mut Buffers::default(),
            now: Instant::ZERO,
        };
        let expected = send_everything(&mut connection, &mut output);
        // The helper builds frames for a receiver: the other role.
        let receiver = if role == Role::Server { Role::Client } else { Role::Server };
        let stream: Vec<u8> =
            expected.iter().flat_map(|(first, payload)| frame(receiver, *first, payload)).collect();
        assert!(outbox.chunks().flatten().eq(&stream), "{role:?}");
        // A key for each frame of a client, and none for a server.
        let frames = if role == Role::Client { expected.len() } else { 0 };
        assert_eq!(keys.drawn, frames, "{role:?}");
    }
}

/// What is masked is a copy: the caller's bytes can be sent again, or to others.
#[test]
fn msk_10_masking_leaves_the_callers_bytes_alone() {
    for size in [5, 100, 20_000] {
        let original = vec![b'x'; size];
        let shared = Bytes::from(original.clone());
        let prepared = Prepared::binary(&original);
        let mut endpoint = Endpoint::new(Role::Client, Config::default());
        endpoint.with(|connection, output| {
            for _ in 0..2 {
                connection.send_binary_owned(shared.clone(), output).expect("open");
                connection.send_prepared(&prepared, output).expect("open");
            }
        });
        let sent = describe_frames(&endpoint.take_sent(), Role::Client);
        assert_eq!(sent, vec![format!("binary {}", shorten(&original)); 4]);
        assert_eq!(shared, original);
    }
}

/// Nothing but a string can be sent as text, so that nothing has to be checked.
#[test]
fn utf_10_text_is_sent_from_strings_only() {
    let _: fn(&mut Connection, &str, &mut Output<'_>) -> _ = Connection::send_text;
    let _: fn(&mut Connection, String, &mut Output<'_>) -> _ = Connection::send_text_owned;
}

#[test]
fn dat_10_a_refused_send_leaves_nothing_of_itself() {
    let mut config = Config::default();
    config.outbox_bytes_max = 10;
    let mut connection = Connection::new(Role::Server, Arc::new(config), Instant::ZERO);
    let mut outbox = Outbox::new();
    let mut output = Output {
        outbox: &mut outbox,
        mask_keys: &mut Unmasked,
        buffers: &mut Buffers::default(),
        now: Instant::ZERO,
    };
    connection.send_text("12345678", &mut output).expect("an empty outbox takes it");
    let long = "x".repeat(124);
    let reason = |code, text| Some(CloseReason::new(CloseCode::from_u16(code), text));
    let verdicts = [
        connection.send_text("", &mut output),
        connection.send_text_owned("a".to_owned(), &mut output),
        connection.send_binary(b"a", &mut output),
        connection.send_binary_owned(vec![0; 20_000], &mut output),
        connection.send_prepared(&Prepared::text(""), &mut output),
        connection.send_ping(&[0; 126], &mut output),
        connection.close(reason(1000, long.as_str()), &mut output),
        connection.close(reason(1005, ""), &mut output),
    ];
    assert_eq!(verdicts[..5], [Err(SendError::Full); 5]);
    assert_eq!(
        verdicts[5..],
        [
            Err(SendError::ControlTooLong),
            Err(SendError::ReasonTooLong),
            Err(SendError::IllegalCloseCode)
        ]
    );
    assert!(outbox.chunks().flatten().eq(b"\x81\x0812345678"));
    assert!(connection.is_open(), "and the connection is unharmed");
}

/// A write of two pieces costs more than the copy of a short one.
#[test]
fn short_messages_lie_together() {
    let mut endpoint = Endpoint::new(Role::Server, Config::default());
    endpoint.with(|connection, output| {
        for size in [0, 100, 10_000] {
            assert_eq!(connection.send_binary_owned(vec![7; size], output), Ok(()));
        }
        assert_eq!(output.outbox.chunks().count(), 1);
    });
}

/// The limit counts headers: a message fits to the last byte, and not beyond.
#[test]
fn the_outbox_is_full_at_its_last_byte() {
    for (role, header_len) in [(Role::Server, 2), (Role::Client, 6)] {
        for (room, verdict) in [(0, Ok(())), (1, Err(SendError::Full))] {
            let mut config = Config::default();
            config.outbox_bytes_max = 3 + 2 * header_len - room;
            let mut endpoint = Endpoint::new(role, config);
            endpoint.with(|connection, output| {
                assert_eq!(connection.send_text("a", output), Ok(()));
                assert_eq!(connection.send_text("bc", output), verdict, "{role:?}");
            });
        }
    }
}
