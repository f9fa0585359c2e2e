//! What was found in what has come, as the host is told it.

use sockeye_protocol::{Buffers, Event};

/// What `receive` has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Found {
    /// All that was brought has been taken.
    Nothing = 0,
    /// The connection is open.
    Open = 1,
    /// A text message.
    Text = 2,
    /// A binary message.
    Binary = 3,
    /// Something that needs no answer from the host.
    Control = 4,
    /// The server refused, or did not speak the protocol: end the transport.
    Refused = 5,
}

/// Where the message lies that was found last: in what the host has brought, or, if it is one of
/// several reads, in memory of its own.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) address: usize,
    pub(crate) len: usize,
    owned: Vec<u8>,
}

impl Place {
    /// Keeps a message where the host can read it until the next is found.
    pub(crate) fn note(&mut self, event: Event<'_>, buffers: &mut Buffers) -> Found {
        // To move a vector leaves its bytes in place, so the address holds.
        let (found, owned) = match event {
            Event::Text(text) => {
                (self.address, self.len) = (text.as_ptr() as usize, text.len());
                let owned = (!text.is_borrowed()).then(|| text.into_string().into_bytes());
                (Found::Text, owned)
            }
            Event::Binary(payload) => {
                (self.address, self.len) = (payload.as_ptr() as usize, payload.len());
                (Found::Binary, (!payload.is_borrowed()).then(|| payload.into_vec()))
            }
            _ => return Found::Control,
        };
        if let Some(owned) = owned {
            buffers.give_back(std::mem::replace(&mut self.owned, owned));
        }
        found
    }
}
