//! Frames as they come, without a heap.

use sockeye_protocol::{Config, FrameHeader, FrameReader, Opcode, ProtocolError, Role};

use super::wire::{Lost, Wire};

/// Sends every frame back as its pieces come. The opening handshake has been done.
///
/// The rules on headers, on the order of frames and on sizes are kept. Whether text is UTF-8 is left
/// to whoever reads it, since a character may lie in two pieces.
#[derive(Debug)]
pub struct FrameEcho {
    reader: FrameReader,
    is_closed: bool,
}

impl FrameEcho {
    /// An echo for messages within the limits of `config`.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { reader: FrameReader::new(Role::Server, config), is_closed: false }
    }

    /// Reads once into `buffer`, and sends back what that brought; call it again and again. `true`
    /// means that the connection is closed: end the stream.
    ///
    /// # Errors
    ///
    /// When the stream has ended.
    pub fn poll(&mut self, wire: &mut impl Wire, buffer: &mut [u8]) -> Result<bool, Lost> {
        let read = wire.read(buffer)?;
        let mut input = buffer.get_mut(..read).unwrap_or_default();
        while !self.is_closed {
            // Each piece lies in the buffer, unmasked in place.
            match self.reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(chunk)) => {
                    let opcode = match chunk.header.opcode {
                        Opcode::Ping => Opcode::Pong,
                        Opcode::Pong => continue,
                        opcode => opcode,
                    };
                    if chunk.starts_frame {
                        let header = FrameHeader { opcode, mask: None, ..chunk.header };
                        write_header(&header, wire)?;
                    }
                    write_all(chunk.payload, wire)?;
                    self.is_closed = opcode == Opcode::Close && chunk.ends_frame;
                }
                Err(error) => self.fail(&error, wire)?,
            }
        }
        Ok(self.is_closed)
    }

    /// Says why it ends (RFC 6455, section 7.1.7).
    fn fail(&mut self, error: &ProtocolError, wire: &mut impl Wire) -> Result<(), Lost> {
        self.is_closed = true;
        let header = FrameHeader { fin: true, opcode: Opcode::Close, mask: None, payload_len: 2 };
        write_header(&header, wire)?;
        write_all(&error.close_code().as_u16().to_be_bytes(), wire)
    }
}

fn write_header(header: &FrameHeader, wire: &mut impl Wire) -> Result<(), Lost> {
    let mut bytes = [0; FrameHeader::BYTES_MAX];
    let len = header.encode(&mut bytes);
    write_all(bytes.get(..len).unwrap_or_default(), wire)
}

/// Waits for room by asking again; where the wire is slow, a task would yield here.
fn write_all(mut bytes: &[u8], wire: &mut impl Wire) -> Result<(), Lost> {
    while !bytes.is_empty() {
        let written = wire.write(bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
