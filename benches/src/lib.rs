//! Inputs that the benches and the comparison programs share.

pub mod compare;
pub mod operations;
pub mod pages;
pub mod report;
pub mod served;

/// The masking key of all inputs.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame as a client sends it.
#[must_use]
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let header = sockeye_protocol::FrameHeader {
        fin: first & 0x80 != 0,
        opcode: sockeye_protocol::Opcode::from_bits(first & 0x0F).expect("a defined opcode"),
        mask: Some(KEY),
        payload_len: payload.len() as u64,
    };
    let mut bytes = [0; sockeye_protocol::FrameHeader::BYTES_MAX];
    let len = header.encode(&mut bytes);
    let mut frame = bytes[..len].to_vec();
    sockeye_protocol::frame::append_masked(KEY, payload, &mut frame);
    frame
}

/// `count` masked text messages of `size` bytes of ASCII, one behind the other.
#[must_use]
pub fn text_stream(size: usize, count: usize) -> Vec<u8> {
    client_frame(0x81, text(FOX, size).as_bytes()).repeat(count)
}

/// What a transport brings is copied in pieces of so many bytes: how long a longer copy by the C
/// library takes depends on where the bytes happen to lie, which is no property of who is measured.
pub const BROUGHT_BYTES: usize = 2 * 1024;

/// Copies what a transport brings to the beginning of `target`.
///
/// # Panics
///
/// If it does not fit.
pub fn bring(target: &mut [u8], bytes: &[u8]) {
    let target = &mut target[..bytes.len()];
    for (target, bytes) in target.chunks_mut(BROUGHT_BYTES).zip(bytes.chunks(BROUGHT_BYTES)) {
        target.copy_from_slice(bytes);
    }
}

/// Text with characters of one to four bytes.
pub const MULTI_BYTE: &str = "κόσμε, 文字と🦀. ";

/// Text of ASCII.
pub const FOX: &str = "The quick brown fox jumps over the lazy dog. ";

/// `sample` again and again, `size` bytes long; what does not fit a whole character is filled with
/// spaces.
#[must_use]
pub fn text(sample: &str, size: usize) -> String {
    let mut text = String::with_capacity(size);
    for character in sample.chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n(' ', size - text.len()));
    text
}

/// What a browser sends to open a WebSocket.
pub const BROWSER_REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\n\
Host: example.com:9001\r\n\
Connection: Upgrade\r\n\
Pragma: no-cache\r\n\
Cache-Control: no-cache\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
Upgrade: websocket\r\n\
Origin: http://example.com:9001\r\n\
Sec-WebSocket-Version: 13\r\n\
Accept-Encoding: gzip, deflate, br\r\n\
Accept-Language: en-US,en;q=0.9\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// The shortest request that opens a WebSocket.
pub const MINIMAL_REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\
Host: localhost\r\n\
Upgrade: websocket\r\n\
Connection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
Sec-WebSocket-Version: 13\r\n\r\n";

/// The time that this thread has spent on a processor: what others take of a shared machine is not
/// in it.
#[must_use]
pub fn thread_cpu_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::try_from(time).expect("it began at zero")
}

/// Text as a server pushes it: `count` messages of `size` bytes, each a list of changes of prices
/// and stocks in JSON. Neighbours resemble each other as much as such lists do, and no two are the
/// same.
#[must_use]
pub fn json_messages(size: usize, count: usize) -> Vec<String> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let names = ["Salmon fillet", "Smoked trout", "Herring in oil", "Caviar, red", "Sea salt"];
    let message = |number: usize| {
        let mut text = format!(r#"{{"type":"update","sequence":{number},"items":["#);
        while text.len() < size {
            let (id, name) = (
                100_000 + random(900_000),
                names[usize::try_from(random(5)).expect("one of five")],
            );
            let (euros, cents, stock) = (random(200), random(100), random(5000));
            text.push_str(&format!(
                r#"{{"id":{id},"name":"{name}","price":{euros}.{cents:02},"stock":{stock},"active":true}},"#
            ));
        }
        text.truncate(size);
        text
    };
    (0..count).map(message).collect()
}
