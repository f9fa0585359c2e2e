//! Bytes as a peer writes and reads them, made by hand so that the protocol crate does not test itself.

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A request for an upgrade.
pub(crate) fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// A client's frame: masked.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0x80, payload.len());
    frame.extend_from_slice(&KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn header(first: u8, mask: u8, len: usize) -> Vec<u8> {
    let mut frame = vec![first];
    match len {
        0..=125 => frame.push(mask | u8::try_from(len).expect("a short length")),
        126..=0xFFFF => {
            frame.push(mask | 126);
            frame.extend_from_slice(
                &u16::try_from(len).expect("a length of two bytes").to_be_bytes(),
            );
        }
        _ => {
            frame.push(mask | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame
}

/// A client's Close frame.
pub(crate) fn close(code: u16) -> Vec<u8> {
    masked(CLOSE, &code.to_be_bytes())
}

/// Takes the first whole frame out of `bytes`: its first byte and its payload, unmasked.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let first = *bytes.first()?;
    let second = *bytes.get(1)?;
    let (len, mut at) = match second & 0x7F {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => {
            let len = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (usize::try_from(len).expect("a length that fits"), 10)
        }
        len => (usize::from(len), 2),
    };
    let key = match second & 0x80 {
        0 => [0; 4],
        _ => {
            at += 4;
            bytes.get(at - 4..at)?.try_into().ok()?
        }
    };
    let payload = bytes.get(at..at + len)?;
    let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    bytes.drain(..at + len);
    Some((first, payload))
}

/// Takes the head of a response, or of a request, out of `bytes`.
pub(crate) fn take_head(bytes: &mut Vec<u8>) -> Option<String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = bytes.drain(..end).collect();
    Some(String::from_utf8(head).expect("a head is ASCII"))
}
