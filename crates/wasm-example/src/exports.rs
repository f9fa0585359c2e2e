//! What the host calls. It calls from outside only: none of these calls the host back but for the
//! time and random numbers, so none is ever entered twice.
// An exported name is unsafe, since two of the same would be one function: these are the module's
// only exports, no other crate in it exports any, and `lib.rs` keeps them from targets with a C
// library, which has a `close` of its own.
#![allow(unsafe_code)]

use std::time::Duration;

use sockeye_protocol::{CloseCode, Transport};

use super::client::Client;
use super::found::Found;
use super::host;
use super::instance::{make_room, said, speak, start_with, with};

/// Room for `len` bytes that the host wants to say next; write them there.
#[unsafe(no_mangle)]
pub extern "C" fn say(len: usize) -> *mut u8 {
    make_room(len)
}

/// Begins with the URL that was said, and opens and closes within so many milliseconds each. `false`
/// if it is none.
#[unsafe(no_mangle)]
pub extern "C" fn start(within: f64) -> bool {
    let within = Duration::try_from_secs_f64(within / 1e3).unwrap_or(Duration::ZERO);
    start_with(|url| Client::start(str::from_utf8(url).ok()?, within))
}

/// Where the host puts what comes next, when everything before was received.
#[unsafe(no_mangle)]
pub extern "C" fn input() -> *mut u8 {
    with(std::ptr::null_mut(), |client| client.input().as_mut_ptr())
}

/// For how many bytes there is room.
#[unsafe(no_mangle)]
pub extern "C" fn room() -> usize {
    with(0, |client| client.input().len())
}

/// Takes `len` bytes that were put there, up to the next event; with 0 it goes on with them. Call it
/// until nothing is found.
#[unsafe(no_mangle)]
pub extern "C" fn receive(len: usize) -> Found {
    with(Found::Nothing, |client| client.receive(len))
}

/// Where the message lies that was found, until the host calls `receive` again or brings more.
#[unsafe(no_mangle)]
pub extern "C" fn found() -> usize {
    with(0, |client| client.place.address)
}

/// How long it is.
#[unsafe(no_mangle)]
pub extern "C" fn found_len() -> usize {
    with(0, |client| client.place.len)
}

/// Tells that the transport has ended.
#[unsafe(no_mangle)]
pub extern "C" fn receive_eof() {
    with((), Client::receive_eof);
}

/// Sends what was said as a text message. `false` if it is no text, or there is no room for it.
#[unsafe(no_mangle)]
pub extern "C" fn send_text() -> bool {
    said(|said| {
        let Ok(text) = str::from_utf8(said) else { return false };
        speak(|connection, output| connection.send_text(text, output))
    })
}

/// Sends what was said as a binary message. `false` if there is no room for it.
#[unsafe(no_mangle)]
pub extern "C" fn send_binary() -> bool {
    said(|said| speak(|connection, output| connection.send_binary(said, output)))
}

/// Begins the closing handshake with 1000. `false` if it has begun already.
#[unsafe(no_mangle)]
pub extern "C" fn close() -> bool {
    speak(|connection, output| connection.close(Some(CloseCode::NORMAL.into()), output))
}

/// In how many milliseconds to call `handle_timeout`; less than 0 means never.
#[unsafe(no_mangle)]
pub extern "C" fn due() -> f64 {
    let left = |client: &mut Client| {
        Some(client.due()?.saturating_duration_since(host::time()).as_secs_f64() * 1e3)
    };
    with(None, left).unwrap_or(-1.0)
}

/// Does what is due.
#[unsafe(no_mangle)]
pub extern "C" fn handle_timeout() {
    with((), Client::handle_timeout);
}

/// Where the next bytes lie that are to be sent.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    with(std::ptr::null(), |client| client.outbox.first_chunk().as_ptr())
}

/// How many they are; 0 when everything was sent.
#[unsafe(no_mangle)]
pub extern "C" fn output_len() -> usize {
    with(0, |client| client.outbox.first_chunk().len())
}

/// Tells that so many of them were sent.
#[unsafe(no_mangle)]
pub extern "C" fn sent(len: usize) {
    with((), |client| client.sent(len));
}

/// Tells that the transport, which had taken enough for a while, takes more. A ping may have lain
/// behind what had to wait, and could not be answered meanwhile.
#[unsafe(no_mangle)]
pub extern "C" fn drained() {
    with(None, |client| client.speak(|connection, output| connection.postpone_pong(output.now)));
}

/// What to do with the transport when everything was sent: 0 keep it, 1 end its sending half, 2 end
/// all of it.
#[unsafe(no_mangle)]
pub extern "C" fn transport() -> u32 {
    with(0, |client| match client.transport() {
        Transport::Keep => 0,
        Transport::Linger => 1,
        Transport::Close => 2,
    })
}

/// The code with which the connection has closed; 0 while that is not known.
#[unsafe(no_mangle)]
pub extern "C" fn closed() -> u32 {
    with(None, |client| client.speak(|connection, _| connection.closed().map(|closed| closed.code)))
        .flatten()
        .map_or(0, |code| code.as_u16().into())
}
