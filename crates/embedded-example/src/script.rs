//! What the firmware does: both echoes on a wire in memory, since every board has its own.

use core::time::Duration;

use sockeye_embedded_example::{FrameEcho, Lost, MessageEcho, Wire};
use sockeye_protocol::{Config, Instant, Transport};

const MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// A request, "Hello", masked (RFC 6455, section 5.7), and an empty Close frame.
const SAID: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
    \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\x01\x02\x03\x04";
/// What comes behind the request.
const FRAMES: &[u8] = SAID.split_at(SAID.len() - 17).1;

/// A wire that brings what a peer says, once, and keeps what is said to it.
pub(crate) struct Script {
    said: &'static [u8],
    heard: [u8; 256],
    len: usize,
}

impl Script {
    const fn new(said: &'static [u8]) -> Self {
        Self { said, heard: [0; 256], len: 0 }
    }

    pub(crate) fn heard(&self) -> &[u8] {
        self.heard.get(..self.len).unwrap_or_default()
    }
}

impl Wire for Script {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Lost> {
        if self.said.is_empty() {
            return Err(Lost);
        }
        let (now, later) = self.said.split_at(self.said.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        self.said = later;
        Ok(now.len())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        let room = self.heard.get_mut(self.len..).unwrap_or_default();
        let len = bytes.len().min(room.len());
        room[..len].copy_from_slice(&bytes[..len]);
        self.len += len;
        Ok(len)
    }
}

/// Frames, without a heap.
pub(crate) fn frames(buffer: &mut [u8]) -> Script {
    let mut wire = Script::new(FRAMES);
    let mut echo = FrameEcho::new(&Config::default(), buffer);
    while !matches!(echo.poll(&mut wire), Ok(true) | Err(Lost)) {}
    wire
}

/// A whole connection.
pub(crate) fn messages(buffer: &mut [u8]) -> Script {
    let mut wire = Script::new(SAID);
    let mut now = Instant::ZERO;
    let mut echo = MessageEcho::new(MESSAGE_BYTES_MAX, now);
    while echo.poll(&mut wire, buffer, now) != Transport::Close {
        now += Duration::from_millis(1);
    }
    wire
}
