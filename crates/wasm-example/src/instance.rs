//! What an instance of the module holds: one client, and what the host wants to say next.

use std::cell::RefCell;

use sockeye_protocol::{Connection, Output, SendError};

use super::client::Client;

thread_local! {
    static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
    /// A URL, or a message.
    static SAID: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for `len` bytes that the host says; they lie there until it says something else.
pub(crate) fn make_room(len: usize) -> *mut u8 {
    SAID.with_borrow_mut(|said| {
        said.clear();
        said.resize(len, 0);
        said.as_mut_ptr()
    })
}

/// Calls `code` with what the host has said.
pub(crate) fn said<R>(code: impl FnOnce(&[u8]) -> R) -> R {
    SAID.with_borrow(|said| code(said))
}

/// Begins with the client that `make` makes of what the host has said. Returns whether there is one.
pub(crate) fn start_with(make: impl FnOnce(&[u8]) -> Option<Client>) -> bool {
    let client = said(make);
    CLIENT.with_borrow_mut(|place| {
        *place = client;
        place.is_some()
    })
}

/// Calls `code` with the client; before there is one, that comes to `default`.
pub(crate) fn with<R>(default: R, code: impl FnOnce(&mut Client) -> R) -> R {
    CLIENT.with_borrow_mut(|client| client.as_mut().map_or(default, code))
}

/// Lets the connection say something. Returns whether it could.
pub(crate) fn speak(
    say: impl FnOnce(&mut Connection, &mut Output<'_>) -> Result<(), SendError>,
) -> bool {
    matches!(with(None, |client| client.speak(say)), Some(Ok(())))
}
