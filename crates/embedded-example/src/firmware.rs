//! What runs on the microcontroller.
// A heap must be told where its memory is; this is the only place.
#![allow(unsafe_code)]

use cortex_m_rt::entry;
use embedded_alloc::LlffHeap as Heap;

use super::script;

/// For messages; frames need nothing of it. Twice what the host's tests count, since a heap this
/// simple loses some between its pieces.
const HEAP_BYTES: usize = 16 * 1024;

#[global_allocator]
static HEAP: Heap = Heap::empty();

#[entry]
fn main() -> ! {
    static mut BUFFER: [u8; 256] = [0; 256];
    // SAFETY: the macro makes memory of its own for this heap, nothing has asked the heap for any yet,
    // and this is the only call: `main` is entered once. Who asks later does so in a critical section,
    // which `Cargo.toml` provides for a processor with one core.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_BYTES);
    }
    for converse in [script::frames, script::messages] {
        core::hint::black_box(converse(BUFFER).heard());
    }
    loop {
        cortex_m::asm::wfi();
    }
}
