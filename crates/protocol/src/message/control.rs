//! The bodies of control frames (RFC 6455, section 5.5).

use alloc::vec::Vec;

use crate::close::{CloseCode, CloseReason};
use crate::error::Violation;
use crate::event::{Event, Payload};
use crate::frame::{CONTROL_BYTES_MAX, Opcode};
use crate::utf8;

/// The body of a control frame that comes in pieces.
#[derive(Debug)]
pub(super) struct ControlBody {
    bytes: [u8; CONTROL_BYTES_MAX],
    len: usize,
    /// How many bytes of a Close frame's reason are known to be whole characters.
    checked: usize,
}

impl ControlBody {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; CONTROL_BYTES_MAX], len: 0, checked: 0 }
    }

    /// Forgets what has come.
    pub(super) const fn clear(&mut self) {
        self.len = 0;
        self.checked = 0;
    }

    /// Appends a piece; the frame reader lets no more than 125 bytes in all pass.
    pub(super) fn append(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if let Some(target) = self.bytes.get_mut(self.len..end) {
            target.copy_from_slice(piece);
            self.len = end;
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Checks what has come of a Close body, so that a violation is seen at its first byte.
    pub(super) fn check_close_start(&mut self) -> Result<(), Violation> {
        if let Some((code, reason)) = self.as_slice().split_first_chunk() {
            legal_code(*code)?;
            let unchecked = reason.get(self.checked..).unwrap_or_default();
            self.checked += utf8::check_prefix(unchecked).map_err(|_| Violation::ReasonNotUtf8)?;
        }
        Ok(())
    }

    /// The event, independent of this body.
    pub(super) fn event(&self, opcode: Opcode) -> Result<Event<'static>, Violation> {
        Ok(match opcode {
            Opcode::Close => {
                Event::Close(close_reason(self.as_slice())?.map(CloseReason::into_owned))
            }
            Opcode::Ping => Event::Ping(Payload::owned(Vec::from(self.as_slice()))),
            _ => Event::Pong(Payload::owned(Vec::from(self.as_slice()))),
        })
    }
}

/// The event of a control frame whose body is whole.
pub(super) fn event(opcode: Opcode, body: &[u8]) -> Result<Event<'_>, Violation> {
    Ok(match opcode {
        Opcode::Close => Event::Close(close_reason(body)?),
        Opcode::Ping => Event::Ping(Payload::borrowed(body)),
        _ => Event::Pong(Payload::borrowed(body)),
    })
}

/// What a Close body says (section 5.5.1): nothing, or a code and a reason.
fn close_reason(body: &[u8]) -> Result<Option<CloseReason<'_>>, Violation> {
    let Some((code, reason)) = body.split_first_chunk() else {
        return if body.is_empty() { Ok(None) } else { Err(Violation::CloseBodyTooShort) };
    };
    let code = legal_code(*code)?;
    let reason = utf8::check(reason).map_err(|_| Violation::ReasonNotUtf8)?;
    Ok(Some(CloseReason::new(code, reason)))
}

const fn legal_code(bytes: [u8; 2]) -> Result<CloseCode, Violation> {
    let number = u16::from_be_bytes(bytes);
    let code = CloseCode::from_u16(number);
    if code.is_legal_on_wire() { Ok(code) } else { Err(Violation::IllegalCloseCode(number)) }
}
