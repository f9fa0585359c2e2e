//! Ends whose answer the caller holds back: what it says in between comes before the answer.

use std::time::Duration;

use sockeye_protocol::{CloseCode, CloseReason, Config, Role, SendError, Transport};

use crate::support::{Endpoint, describe_end, describe_frames, frame};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn holding(role: Role) -> Endpoint {
    let mut endpoint = Endpoint::new(role, Config::default());
    endpoint.connection.hold_ends();
    endpoint
}

/// A stream that ends a connection, and what is known of the end.
type End = (&'static [(u8, &'static [u8])], &'static str, Option<u16>, bool);

const ENDS: [End; 6] = [
    (&[(0x88, b"\x0F\xA0why")], "close 4000 why", Some(4000), true),
    (&[(0x88, b"")], "close", None, true),
    (&[(0x83, b"")], "error ReservedOpcode at 8", Some(1002), false),
    (&[(0x81, b"\xFF")], "error TextNotUtf8 at 8", Some(1007), false),
    (&[(0x01, b"a"), (0x81, b"b")], "error ", Some(1002), false),
    (&[(0x01, b"a"), (0x88, b"\x03\xe8")], "close 1000", Some(1000), true),
];

/// A message, one of the ends, and more that does not count.
fn stream(role: Role, end: &End) -> Vec<u8> {
    let before = frame(role, 0x81, b"hi");
    let end = end.0.iter().flat_map(|(first, payload)| frame(role, *first, payload));
    before.into_iter().chain(end).chain(frame(role, 0x81, b"late")).collect()
}

fn hello(endpoint: &mut Endpoint) -> Result<(), SendError> {
    endpoint.with(|connection, output| connection.send_text("hello", output))
}

fn sent(endpoint: &mut Endpoint) -> Vec<String> {
    let role = endpoint.connection.role();
    describe_frames(&endpoint.take_sent(), role)
}

fn answer(code: Option<u16>) -> String {
    code.map_or_else(|| "close".into(), |code| format!("close {code}"))
}

#[test]
fn cls_06_cls_07_what_is_sent_before_a_held_end_is_let_comes_before_its_close_frame() {
    for role in ROLES {
        for end in &ENDS {
            let stream = stream(role, end);
            for cut in 0..=stream.len() {
                let mut endpoint = holding(role);
                let _ = endpoint.feed(&stream[..cut]).and_then(|()| endpoint.feed(&stream[cut..]));
                let how = format!("{role:?}, {}, cut at {cut}", end.1);
                assert_eq!(endpoint.events.len(), 2, "{how}");
                assert_eq!(endpoint.events[0], "text hi");
                assert!(endpoint.events[1].starts_with(end.1.split(" at").next().unwrap_or("")));
                let connection = &endpoint.connection;
                assert!(connection.is_held() && connection.is_open(), "{how}");
                assert_eq!(connection.closed().map(|closed| closed.clean), Some(end.3), "{how}");
                assert_eq!(connection.transport(), Transport::Keep, "{how}");
                assert!(endpoint.outbox.is_empty(), "{how}");

                hello(&mut endpoint).expect("it is open");
                let closed = endpoint.connection.closed().cloned();
                for _ in 0..2 {
                    endpoint.with(|connection, output| connection.let_end(output));
                }
                assert_eq!(sent(&mut endpoint), ["text hello".to_owned(), answer(end.2)], "{how}");
                assert_eq!(hello(&mut endpoint), Err(SendError::NotOpen), "{how}");
                let connection = &endpoint.connection;
                assert_eq!(connection.closed().cloned(), closed, "it never changes: {how}");
                let follows = match (role, end.3) {
                    (Role::Client, true) => Transport::Keep,
                    _ => Transport::Linger,
                };
                assert_eq!(connection.transport(), follows, "{how}");
            }
        }
    }
}

#[test]
fn cls_07_an_end_that_nobody_lets_is_answered_after_a_tenth_of_the_time() {
    for end in &ENDS {
        let mut endpoint = holding(Role::Server);
        let _ = endpoint.feed(&stream(Role::Server, end));
        let due = endpoint.connection.poll_timeout().expect("it is bounded");
        assert_eq!(due.saturating_duration_since(endpoint.now), Duration::from_millis(500));
        endpoint.now = due;
        let answered = endpoint.with(|connection, output| connection.handle_timeout(output));
        assert_eq!(answered, Ok(()));
        assert_eq!(sent(&mut endpoint), [answer(end.2)]);
        // The rest of the handshake has its whole time.
        let due = endpoint.connection.poll_timeout().expect("it is bounded as well");
        assert_eq!(due.saturating_duration_since(endpoint.now), Duration::from_secs(5));
    }
}

#[test]
fn a_held_end_is_answered_with_a_code_of_the_callers() {
    for end in &ENDS {
        for fails in [false, true] {
            let mut endpoint = holding(Role::Server);
            let _ = endpoint.feed(&stream(Role::Server, end));
            let before = describe_end(&endpoint.connection);
            endpoint.with(|connection, output| {
                if fails {
                    connection.fail(CloseCode::INTERNAL, output);
                } else {
                    let reason = CloseReason::new(CloseCode::from_u16(4001), "enough");
                    connection.close(Some(reason), output).expect("it is open");
                }
            });
            let expected = if fails { "close 1011" } else { "close 4001 enough" };
            assert_eq!(sent(&mut endpoint), [expected]);
            assert!(!endpoint.connection.is_held() && !endpoint.connection.is_open());
            let after = describe_end(&endpoint.connection);
            assert_eq!(before.replace("keep", "linger"), after, "what ended it stays");
            endpoint.with(|connection, output| connection.let_end(output));
            assert!(endpoint.outbox.is_empty(), "one Close frame is all");
        }
    }
}

#[test]
fn an_end_of_the_transport_ends_what_is_held() {
    for end in &ENDS {
        let mut endpoint = holding(Role::Server);
        let _ = endpoint.feed(&stream(Role::Server, end));
        let closed = endpoint.connection.closed().cloned();
        endpoint.connection.receive_eof();
        assert_eq!(endpoint.connection.transport(), Transport::Close);
        assert_eq!(endpoint.connection.closed().cloned(), closed);
        assert_eq!(hello(&mut endpoint), Err(SendError::NotOpen));
        endpoint.with(|connection, output| connection.let_end(output));
        assert!(endpoint.outbox.is_empty());
    }
}

#[test]
fn nothing_is_held_of_the_answer_to_our_own_close() {
    for role in ROLES {
        let mut endpoint = holding(role);
        endpoint
            .with(|connection, output| connection.close(Some(CloseCode::NORMAL.into()), output))
            .expect("it is open");
        endpoint.feed(&frame(role, 0x88, b"\x03\xe8")).expect("legal");
        assert!(!endpoint.connection.is_held());
        assert_eq!(sent(&mut endpoint), ["close 1000"]);
        // Nor of what breaks a rule behind it, which cannot be told any more.
        let mut endpoint = holding(role);
        let _ = endpoint.with(|connection, output| connection.close(None, output));
        assert!(endpoint.feed(&frame(role, 0x83, b"")).is_err());
        assert!(!endpoint.connection.is_held() && endpoint.connection.closed().is_some());
    }
}

#[test]
fn a_flood_of_control_frames_is_told_when_it_is_let() {
    let mut endpoint = holding(Role::Server);
    let flood = frame(Role::Server, 0x89, b"").repeat(100_000);
    assert!(endpoint.feed(&flood).is_err());
    assert!(endpoint.connection.is_held());
    endpoint.take_sent();
    endpoint.with(|connection, output| connection.let_end(output));
    assert_eq!(sent(&mut endpoint), ["close 1008"]);
}
