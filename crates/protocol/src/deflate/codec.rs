//! Messages to deflate data and back (RFC 7692, sections 7.2.1 and 7.2.2).
//!
//! What the codec needs while it works is large, so a connection has it only while it is needed:
//! an inflater during a message, a deflater during a call, both lent by the thread. What stays
//! with the connection is the context that was agreed on, and nothing without one.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use zlib_rs::{DeflateFlush, Inflate, InflateFlush, Status};

use super::{Deflate, WindowBits};

/// What ends the data of every message and is not sent (section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What is inflated behind the last byte of a message: the tail that was not sent, and an empty
/// final block. Only data that ends where a block does lets that block be read as one.
const END_OF_MESSAGE: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// The most bytes that one step of inflating appends.
const STEP_BYTES_MAX: usize = 16 * 1024;

/// So many bytes are copied in the time in which one is inflated, roughly.
const COPIED_FOR_ONE: usize = 16;

/// With less room than this at the end of a message it grows before a step.
const ROOM_BYTES_MIN: usize = 64;

/// The most blocks of a message that say they are the last: as many as a sender needs that ends a
/// mebibyte every 4 KiB. Going on after one costs a copy of the window, for two bytes sent.
const FINAL_BLOCKS_MAX: u32 = 256;

/// 4096 symbols are collected for a block, a quarter of what is usual: few messages have more, and a
/// deflater is 60 KiB smaller for it.
const MEMORY_LEVEL: i32 = 6;

/// With a context a message this many times shorter is worth compressing: it finds what it repeats
/// in the messages before it.
const GAIN_OF_CONTEXT: usize = 4;

/// How many deflaters a thread keeps, each for one setting: one for each window that peers can ask
/// for, so that none of them can make others be built anew for each message.
const SPARE_DEFLATERS_MAX: usize = 7;

thread_local! {
    /// Not in use, for the next message on this thread.
    static SPARE_INFLATER: RefCell<Option<Inflate>> = const { RefCell::new(None) };
    /// For messages that may not refer to others, the one used last at the end.
    static SPARE_DEFLATERS: RefCell<Vec<(Setting, zlib_rs::Deflate)>> =
        const { RefCell::new(Vec::new()) };
}

/// What is wrong with compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what a deflater makes.
    Invalid,
    /// It inflates to more than the limit.
    TooLong,
    /// It ends and begins again too often.
    TooManyFinalBlocks,
}

/// Whether a step of inflating was the last one for its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    Done,
}

/// Inflates what the peer sends.
pub(crate) struct Inflater {
    /// While a message is in progress.
    stream: Option<Inflate>,
    /// Whether the stream's last block said that it is the last one.
    is_ended: bool,
    final_blocks: u32,
    /// The end of what was inflated before this message, if it may be referred to. It is kept bare,
    /// without the state of an inflater around it.
    window: Vec<u8>,
    window_bytes_max: usize,
    keeps_context: bool,
    message_bytes_max: usize,
    /// What inflating has cost since that was last asked, in bytes inflated.
    cost: usize,
}

impl Inflater {
    pub(crate) fn new(agreed: &Deflate, message_bytes_max: usize) -> Self {
        // Widespread deflaters use 9 where 8 was agreed on.
        let window = agreed.peer_window.max(WindowBits::DEFLATER_MIN);
        Self {
            stream: None,
            is_ended: false,
            final_blocks: 0,
            window: Vec::new(),
            window_bytes_max: window.bytes(),
            keeps_context: agreed.keeps_peer_context,
            message_bytes_max,
            cost: 0,
        }
    }

    /// What inflating has cost since the last call, in bytes inflated. Copying counts as well, since
    /// two bytes of input can make it copy a window.
    pub(crate) const fn take_cost(&mut self) -> usize {
        core::mem::replace(&mut self.cost, 0)
    }

    /// Inflates from the beginning of `input` and appends to `message` what comes of it, up to a
    /// chunk's worth. `message` holds all that came of this message before, and nothing else.
    pub(crate) fn step(&mut self, input: &mut &[u8], message: &mut Vec<u8>) -> Result<Step, Fault> {
        if self.is_ended && !input.is_empty() {
            self.restart(message)?;
        }
        if self.stream.is_none() {
            let mut stream = spare_inflater();
            remember(&mut stream, &self.window)?;
            self.stream = Some(stream);
            self.cost = self.cost.saturating_add(self.window.len() / COPIED_FOR_ONE);
        }
        let Some(stream) = &mut self.stream else { return Err(Fault::Invalid) };
        let len = message.len();
        // One byte more than the limit tells that there is more.
        let left = self.message_bytes_max.saturating_sub(len).saturating_add(1);
        let mut room = input.len().saturating_mul(4).clamp(256, STEP_BYTES_MAX).min(left);
        let spare = message.capacity() - len;
        if spare >= ROOM_BYTES_MIN {
            room = room.min(spare);
        }
        reserve(message, room, len.saturating_add(left));
        message.resize(len + room, 0);
        let (taken, produced) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(
            input,
            message.get_mut(len..).unwrap_or_default(),
            InflateFlush::NoFlush,
        );
        // No more than the lengths of the slices, so these fit.
        let taken = usize::try_from(stream.total_in() - taken).unwrap_or(usize::MAX);
        let produced = usize::try_from(stream.total_out() - produced).unwrap_or(usize::MAX);
        message.truncate(len.saturating_add(produced));
        self.cost = self.cost.saturating_add(produced);
        *input = input.get(taken..).unwrap_or_default();
        // What is too long comes before what the stream may have found to be wrong behind it.
        if message.len() > self.message_bytes_max {
            return Err(Fault::TooLong);
        }
        match status {
            Ok(Status::StreamEnd) => self.is_ended = true,
            Ok(_) if taken == 0 && produced == 0 && !input.is_empty() => {
                return Err(Fault::Invalid);
            }
            Ok(_) => {}
            Err(_) => return Err(Fault::Invalid),
        }
        Ok(if input.is_empty() && produced < room { Step::Done } else { Step::More })
    }

    /// Ends the message, all of which `message` holds. The stream goes back to the thread, and what
    /// may be referred to later is kept.
    pub(crate) fn end(&mut self, message: &mut Vec<u8>) -> Result<(), Fault> {
        let (len, mut input) = (message.len(), &END_OF_MESSAGE[..]);
        let mut step = Ok(Step::More);
        while step == Ok(Step::More) {
            step = self.step(&mut input, message);
        }
        // Only data that was cut off takes what stands behind it for a part of itself.
        if message.len() > len {
            message.truncate(len);
            return Err(Fault::Invalid);
        }
        step?;
        if !self.is_ended {
            return Err(Fault::Invalid);
        }
        self.is_ended = false;
        self.final_blocks = 0;
        if let Some(stream) = self.stream.take() {
            give_back_inflater(stream);
        }
        if self.keeps_context {
            let recent = last(message, self.window_bytes_max);
            self.remember(recent);
        }
        Ok(())
    }

    /// Appends what came last to the window, and forgets what does not fit any more.
    fn remember(&mut self, recent: &[u8]) {
        let older = last(&self.window, self.window_bytes_max - recent.len()).len();
        self.window.drain(..self.window.len() - older);
        let needed = older + recent.len();
        if needed > self.window.capacity() {
            // It doubles, so that short messages do not have it copied each time.
            let capacity = needed.saturating_mul(2).min(self.window_bytes_max);
            self.window.reserve_exact(capacity - older);
        }
        self.window.extend_from_slice(recent);
        self.cost = self.cost.saturating_add(needed / COPIED_FOR_ONE);
    }

    /// Goes on after a final block: with a new stream that knows what came before it, also of this
    /// message.
    fn restart(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.final_blocks += 1;
        if self.final_blocks > FINAL_BLOCKS_MAX {
            return Err(Fault::TooManyFinalBlocks);
        }
        self.is_ended = false;
        let Some(stream) = &mut self.stream else { return Err(Fault::Invalid) };
        stream.reset(false);
        let recent = last(message, self.window_bytes_max);
        let older = last(&self.window, self.window_bytes_max - recent.len());
        self.cost = self.cost.saturating_add((older.len() + recent.len()) / COPIED_FOR_ONE);
        remember(stream, older)?;
        remember(stream, recent)
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            give_back_inflater(stream);
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Inflater")
            .field("is_in_message", &self.stream.is_some())
            .field("window_bytes", &self.window.len())
            .finish_non_exhaustive()
    }
}

/// The last `len` bytes, or all if there are fewer.
fn last(bytes: &[u8], len: usize) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(len)..).unwrap_or_default()
}

/// Makes room for `additional` bytes in a message of at most `len_max`: for all of these, or half, or
/// a quarter, and so on, so that the last move is from half to all and holds no more than both.
fn reserve(message: &mut Vec<u8>, additional: usize, len_max: usize) {
    let needed = message.len().saturating_add(additional);
    if needed <= message.capacity() {
        return;
    }
    let mut capacity = len_max.max(needed);
    while capacity.div_ceil(2) >= needed && capacity > 1 {
        capacity = capacity.div_ceil(2);
    }
    message.reserve_exact(capacity - message.len());
}

/// Lets later data refer to `bytes`.
fn remember(stream: &mut Inflate, bytes: &[u8]) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Ok(());
    }
    stream.set_dictionary(bytes).map(drop).map_err(|_| Fault::Invalid)
}

/// An inflater at the beginning of its stream, with the largest window: what obeys a smaller one
/// obeys this.
fn spare_inflater() -> Inflate {
    let spare = SPARE_INFLATER.try_with(|spare| spare.borrow_mut().take()).ok().flatten();
    match spare {
        Some(mut stream) => {
            stream.reset(false);
            stream
        }
        None => Inflate::new(false, WindowBits::MAX.bits()),
    }
}

fn give_back_inflater(stream: Inflate) {
    // While a thread ends there is nothing to give it back to.
    let _ = SPARE_INFLATER.try_with(|spare| *spare.borrow_mut() = Some(stream));
}

/// What a deflater is made for. Messages that were compressed on their own in the same setting are
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    window: WindowBits,
    level: u8,
}

impl Setting {
    fn deflater(self) -> zlib_rs::Deflate {
        zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
            level: i32::from(self.level),
            // Negative: without the header and the checksum of zlib.
            window_bits: -i32::from(self.window.bits()),
            mem_level: MEMORY_LEVEL,
            ..zlib_rs::DeflateConfig::default()
        })
    }

    /// Compresses a message that refers to no other and is referred to by none.
    pub(crate) fn compress_alone(self, payload: &[u8]) -> Option<Vec<u8>> {
        SPARE_DEFLATERS
            .try_with(|spares| {
                let mut spares = spares.borrow_mut();
                let index = spares.iter().position(|(setting, _)| *setting == self);
                let (_, mut stream) = match index {
                    Some(index) => spares.remove(index),
                    None => {
                        if spares.len() == SPARE_DEFLATERS_MAX {
                            spares.remove(0);
                        }
                        (self, self.deflater())
                    }
                };
                let compressed = compress(&mut stream, payload);
                stream.reset();
                spares.push((self, stream));
                compressed
            })
            .ok()
            .flatten()
    }
}

/// Compresses what we send.
pub(crate) struct Deflater {
    setting: Setting,
    payload_bytes_min: usize,
    keeps_context: bool,
    /// What knows the messages sent so far, if they may be referred to; from the first one on.
    context: Option<Box<zlib_rs::Deflate>>,
    /// Whether the peer's window has bytes that the context does not know.
    is_stale: bool,
    /// Whether the context was used since it was last asked to rest.
    is_in_use: bool,
}

impl Deflater {
    /// `None` if nothing can be compressed with the window that was agreed on.
    pub(crate) fn new(agreed: &Deflate) -> Option<Self> {
        if agreed.own_window < WindowBits::DEFLATER_MIN {
            return None;
        }
        let setting = Setting { window: agreed.own_window, level: agreed.level.clamp(1, 9) };
        Some(Self {
            setting,
            payload_bytes_min: agreed.payload_bytes_min,
            keeps_context: agreed.keeps_own_context,
            context: None,
            is_stale: false,
            is_in_use: false,
        })
    }

    /// The payload of a compressed message, or `None` if it is better sent as it is.
    pub(crate) fn compress(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let gain = if self.keeps_context { GAIN_OF_CONTEXT } else { 1 };
        if payload.len() < self.payload_bytes_min / gain {
            return None;
        }
        if payload.is_empty() {
            // An empty stored block without its tail. A deflater that has just been flushed would
            // add nothing at all.
            return Some(vec![0]);
        }
        if !self.keeps_context {
            let compressed = self.setting.compress_alone(payload)?;
            return (compressed.len() < payload.len()).then_some(compressed);
        }
        let context = self.context.get_or_insert_with(|| Box::new(self.setting.deflater()));
        if core::mem::take(&mut self.is_stale) {
            context.reset();
        }
        self.is_in_use = true;
        // From here on the message is part of the context, so it is sent this way even if it has
        // grown.
        let compressed = compress(context, payload);
        self.is_stale = compressed.is_none();
        compressed
    }

    /// The setting in which a message that goes to several connections is compressed for this one,
    /// unless it is too short.
    pub(crate) fn setting_for(&self, payload: &[u8]) -> Option<Setting> {
        (!payload.is_empty() && payload.len() >= self.payload_bytes_min).then_some(self.setting)
    }

    /// Refers to nothing that was sent before: a compressed message that this deflater does not
    /// know has been sent. It starts anew with the next message that it is given, so that many such
    /// messages in a row cost it nothing.
    pub(crate) const fn forget_context(&mut self) {
        self.is_stale = true;
    }

    /// Gives the context back if it was not used since the last call. What comes next refers to
    /// nothing before it then, which it need not.
    pub(crate) fn rest(&mut self) {
        if !core::mem::take(&mut self.is_in_use) {
            self.context = None;
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Deflater")
            .field("setting", &self.setting)
            .field("has_context", &self.context.is_some())
            .finish_non_exhaustive()
    }
}

/// Compresses `payload`, which is not empty, up to a flush, without the tail. `None` if the
/// deflater fails, which it has no reason to.
fn compress(stream: &mut zlib_rs::Deflate, payload: &[u8]) -> Option<Vec<u8>> {
    let mut compressed = vec![0; payload.len() / 2 + 64];
    let (mut input, mut len) = (payload, 0);
    loop {
        let (taken, produced) = (stream.total_in(), stream.total_out());
        let target = compressed.get_mut(len..)?;
        stream.compress(input, target, DeflateFlush::SyncFlush).ok()?;
        input = input.get(usize::try_from(stream.total_in() - taken).ok()?..)?;
        len += usize::try_from(stream.total_out() - produced).ok()?;
        // The flush is complete when it leaves room.
        if input.is_empty() && len < compressed.len() {
            break;
        }
        compressed.resize(2 * compressed.len(), 0);
    }
    compressed.truncate(len);
    let body_len = compressed.strip_suffix(&TAIL)?.len();
    compressed.truncate(body_len);
    Some(compressed)
}
