//! What our own caller passes on, perhaps from a stranger, cannot end a line and begin another.

use std::borrow::Cow;

use sockeye_protocol::handshake::{
    Acceptance, BodyMode, ClientHandshake, ClientRequest, Head, HeadLimits, Header, Response,
    ServerHandshake, Url,
};
use sockeye_protocol::{CloseCode, CloseReason, Config, Outbox, Role};

use crate::support::{Endpoint, describe_frames};

/// A word of three letters with each of the 256 characters below U+0100 before, in and behind it,
/// and with what would begin a header.
fn hostile() -> impl Iterator<Item = (char, String)> {
    (0..=u8::MAX).map(char::from).flat_map(|character| {
        (0..=3).map(move |at| {
            let mut word = String::from("abc");
            word.insert_str(at, &format!("{character}"));
            (character, word)
        })
    })
}

/// The bytes that stand in the outbox.
fn written(outbox: &Outbox) -> Vec<u8> {
    outbox.chunks().flatten().copied().collect()
}

/// Asserts that a head has so many lines, and that each of them is printable.
#[track_caller]
fn assert_lines(head: &[u8], count: usize) {
    let head = head.strip_suffix(b"\r\n\r\n").expect("the end of a head");
    let lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), count, "{}", head.escape_ascii());
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_printable = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7E);
        assert!(line.iter().all(is_printable), "{}", line.escape_ascii());
    }
}

const fn is_token(character: char) -> bool {
    matches!(
        character,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~'
            | '0'..='9' | 'A'..='Z' | 'a'..='z'
    )
}

#[test]
fn threat_h5_a_header_is_one_line() {
    for (character, word) in hostile() {
        assert_eq!(Header::new(word.clone(), "v").is_ok(), is_token(character), "{word:?}");
        let is_value = matches!(character, '\t' | ' '..='~');
        let header = Header::new("X", word.clone());
        assert_eq!(header.is_ok(), is_value, "{word:?}");
        let Ok(header) = header else { continue };
        let mut outbox = Outbox::new();
        Response::new(404).header(header.clone()).write(BodyMode::Whole, &mut outbox);
        let plain = {
            let mut outbox = Outbox::new();
            Response::new(404).write(BodyMode::Whole, &mut outbox);
            written(&outbox).split(|byte| *byte == b'\n').count()
        };
        // The last two pieces of a head are empty.
        assert_lines(&written(&outbox), plain + 1 - 2);
        let url = Url::parse("ws://example.com/").expect("a URL");
        let request = ClientRequest::new(&url).header(header).expect("no field of ours");
        assert_lines(&asked(&request), 7);
    }
}

fn asked(request: &ClientRequest) -> Vec<u8> {
    let mut outbox = Outbox::new();
    let _ = ClientHandshake::start(request, [7; 16], HeadLimits::default(), &mut outbox);
    written(&outbox)
}

#[test]
fn threat_h5_subprotocols_and_origins_are_one_line() {
    let url = Url::parse("ws://example.com/").expect("a URL");
    for (character, word) in hostile() {
        let request = ClientRequest::new(&url).subprotocol(&word);
        assert_eq!(request.is_ok(), is_token(character), "{word:?}");
        if let Ok(request) = request {
            assert_lines(&asked(&request), 7);
        }
        if let Ok(request) = ClientRequest::new(&url).origin(&word) {
            assert_lines(&asked(&request), 7);
            assert!(!character.is_control() || character == '\t');
        }
        // A server can only choose what was offered, so nothing else gets into its answer.
        let offer = asked(&ClientRequest::new(&url).subprotocol("abc").expect("a token"));
        let mut handshake = ServerHandshake::new(HeadLimits::default());
        let Ok(Some(Head::Upgrade(upgrade))) = handshake.receive(&offer) else { panic!("legal") };
        let acceptance =
            Acceptance { subprotocol: Some(Cow::Owned(word)), ..Acceptance::default() };
        assert!(upgrade.accept(&acceptance, &mut Outbox::new()).is_err());
    }
}

#[test]
fn threat_h5_no_part_of_a_url_ends_a_line() {
    for (_, word) in hostile() {
        for text in [
            format!("{word}://example.com/"),
            format!("ws://{word}/"),
            format!("ws://{word}.example.com:80/"),
            format!("ws://example.com:8{word}/"),
            format!("ws://[::{word}]/"),
            format!("ws://example.com/{word}"),
            format!("ws://example.com/?{word}"),
        ] {
            if let Ok(url) = Url::parse(&text) {
                assert_lines(&asked(&ClientRequest::new(&url)), 6);
            }
        }
    }
}

/// A close reason is behind a length, so nothing in it can end it; it arrives as it was given.
#[test]
fn threat_h5_a_close_reason_arrives_as_it_is() {
    for (_, word) in hostile() {
        let mut endpoint = Endpoint::new(Role::Server, Config::default());
        let reason = CloseReason::new(CloseCode::NORMAL, &*word);
        endpoint.with(|connection, output| connection.close(Some(reason), output)).expect("legal");
        let sent = describe_frames(&endpoint.take_sent(), Role::Server);
        assert_eq!(sent, [format!("close 1000 {}", word.as_bytes().escape_ascii())]);
    }
}
