//! Frames as they come, without a heap.

use core::ops::Range;

use sockeye_protocol::{CloseCode, Config, FrameHeader, FrameReader, Opcode, Role};

use super::wire::{Lost, Wire};

/// The longest body of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// Sends every frame back as its pieces come, through one buffer of any length. The opening handshake
/// has been done.
///
/// The rules on headers, on the order of frames, on sizes and on Close frames are kept. Whether a
/// message's text is UTF-8 is left to whoever reads it, since a character may lie in two pieces. It
/// has no clock: how long a peer may be silent, or take nothing, is for the loop to say.
#[derive(Debug)]
pub struct FrameEcho<'b> {
    reader: FrameReader,
    /// What a read has brought, of which `unread` is still to be looked at, and `payload` to be sent.
    buffer: &'b mut [u8],
    unread: Range<usize>,
    payload: Range<usize>,
    /// What goes before the payload: a header, or a whole Close frame.
    head: [u8; FrameHeader::BYTES_MAX],
    head_unsent: Range<usize>,
    /// The body of a Close frame whose pieces still come.
    close: [u8; CONTROL_BYTES_MAX],
    close_len: usize,
    is_closed: bool,
}

impl<'b> FrameEcho<'b> {
    /// An echo for messages within the limits of `config`.
    #[must_use]
    pub fn new(config: &Config, buffer: &'b mut [u8]) -> Self {
        Self {
            reader: FrameReader::new(Role::Server, config),
            buffer,
            unread: 0..0,
            payload: 0..0,
            head: [0; FrameHeader::BYTES_MAX],
            head_unsent: 0..0,
            close: [0; CONTROL_BYTES_MAX],
            close_len: 0,
            is_closed: false,
        }
    }

    /// Sends what there is room for, and reads once when all is sent; call it again and again. It
    /// never waits: where the wire takes nothing, nothing is read either.
    ///
    /// `true` means that all is said: end the sending half. What still comes is discarded by further
    /// calls, so that it does not make a reset of the end; call it until the stream has ended, or for
    /// as long as you like.
    ///
    /// # Errors
    ///
    /// When the stream has ended.
    pub fn poll(&mut self, wire: &mut impl Wire) -> Result<bool, Lost> {
        let mut has_read = false;
        while self.is_sent(wire)? && !(has_read && self.unread.is_empty()) {
            if self.unread.is_empty() {
                has_read = true;
                self.unread = 0..wire.read(self.buffer)?.min(self.buffer.len());
            }
            self.answer_next();
        }
        Ok(self.is_closed && self.head_unsent.is_empty())
    }

    /// Whether nothing is left to be sent.
    fn is_sent(&mut self, wire: &mut impl Wire) -> Result<bool, Lost> {
        Ok(write(&self.head, &mut self.head_unsent, wire)?
            && write(self.buffer, &mut self.payload, wire)?)
    }

    /// Takes the next piece of a frame, which lies in the buffer and is unmasked in place.
    fn answer_next(&mut self) {
        if self.is_closed {
            return self.unread = 0..0;
        }
        let end = self.unread.end;
        let mut input = self.buffer.get_mut(self.unread.clone()).unwrap_or_default();
        let next = self.reader.next(&mut input);
        self.unread.start = end - input.len();
        let chunk = match next {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return,
            Err(error) => return self.say_close(Some(error.close_code())),
        };
        let opcode = match chunk.header.opcode {
            Opcode::Close => {
                let target = self.close.get_mut(self.close_len..).unwrap_or_default();
                target.iter_mut().zip(&*chunk.payload).for_each(|(to, from)| *to = *from);
                self.close_len += chunk.payload.len();
                if chunk.ends_frame {
                    self.say_close(answer(self.close.get(..self.close_len).unwrap_or_default()));
                }
                return;
            }
            Opcode::Pong => return,
            Opcode::Ping => Opcode::Pong,
            opcode => opcode,
        };
        self.payload = self.unread.start - chunk.payload.len()..self.unread.start;
        if chunk.starts_frame {
            let header = FrameHeader { opcode, mask: None, ..chunk.header };
            self.head_unsent = 0..header.encode(&mut self.head);
        }
    }

    /// Ends it with a Close frame (RFC 6455, sections 5.5.1 and 7.1.7).
    fn say_close(&mut self, code: Option<CloseCode>) {
        self.is_closed = true;
        let code = code.map(|code| code.as_u16().to_be_bytes());
        let body = code.as_ref().map_or(&[][..], |code| &code[..]);
        let (opcode, payload_len) = (Opcode::Close, body.len() as u64);
        let header = FrameHeader { fin: true, opcode, mask: None, payload_len };
        let len = header.encode(&mut self.head);
        let target = self.head.get_mut(len..).unwrap_or_default();
        target.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
        self.head_unsent = 0..len + body.len();
    }
}

/// What a Close frame is answered with: its code, or the one for what is wrong with it.
fn answer(body: &[u8]) -> Option<CloseCode> {
    let Some((code, reason)) = body.split_first_chunk() else {
        return (!body.is_empty()).then_some(CloseCode::PROTOCOL_ERROR);
    };
    let code = CloseCode::from_u16(u16::from_be_bytes(*code));
    Some(match core::str::from_utf8(reason) {
        _ if !code.is_legal_on_wire() => CloseCode::PROTOCOL_ERROR,
        Err(_) => CloseCode::INVALID_PAYLOAD,
        Ok(_) => code,
    })
}

/// Writes what there is room for of `bytes`; whether that was all.
fn write(bytes: &[u8], unsent: &mut Range<usize>, wire: &mut impl Wire) -> Result<bool, Lost> {
    while let Some(rest @ [_, ..]) = bytes.get(unsent.clone()) {
        match wire.write(rest)? {
            0 => return Ok(false),
            written => unsent.start += written.min(rest.len()),
        }
    }
    Ok(true)
}
