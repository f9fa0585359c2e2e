//! What runs on the microcontroller.
// A heap must be told where its memory is; this is the only place.
#![allow(unsafe_code)]

use cortex_m_rt::entry;
use embedded_alloc::LlffHeap as Heap;
use sockeye_embedded_example::{FrameEcho, Lost, MessageEcho, Wire};
use sockeye_protocol::{Config, Instant, Transport};

/// For `MessageEcho`; `FrameEcho` needs nothing of it.
const HEAP_BYTES: usize = 16 * 1024;
const MESSAGE_BYTES_MAX: usize = 2 * 1024;

#[global_allocator]
static HEAP: Heap = Heap::empty();

/// A wire that brings what a peer says, once, and counts what is said to it.
struct Script {
    said: &'static [u8],
    heard: usize,
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
        self.heard += core::hint::black_box(bytes).len();
        Ok(bytes.len())
    }
}

/// "Hello", masked (RFC 6455, section 5.7), and an empty Close frame.
const FRAMES: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\x01\x02\x03\x04";
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 256] = [0; 256];
    // SAFETY: the macro makes memory of its own for this heap, and this is the only call: `main` is
    // entered once.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_BYTES);
    }

    let mut wire = Script { said: FRAMES, heard: 0 };
    let mut echo = FrameEcho::new(&Config::default());
    while !matches!(echo.poll(&mut wire, BUFFER), Ok(true) | Err(Lost)) {}

    for said in [REQUEST, FRAMES] {
        wire.said = said;
        let mut now = Instant::ZERO;
        let mut echo = MessageEcho::new(MESSAGE_BYTES_MAX, now);
        while echo.poll(&mut wire, BUFFER, now) != Transport::Close {
            now += core::time::Duration::from_millis(1);
        }
    }
    core::hint::black_box(wire.heard);
    loop {
        cortex_m::asm::wfi();
    }
}
