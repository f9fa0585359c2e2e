use std::sync::Arc;

use sockeye_benches::pages::{Paged, UNALIGNED};
use sockeye_benches::{BROUGHT_BYTES, bring};
use sockeye_protocol::{
    Buffers, Config, Connection, Event, FrameReader, Instant, MaskKeys, Outbox, Output, Prepared,
    Role, Unmasked,
};

use super::{Broadcast, End, Endpoint, Sender, Wire};

/// A server's connection and the buffer that its reads go to.
pub(super) struct Sockeye {
    connection: Connection,
    outbox: Outbox,
    buffers: Buffers,
    wire: Wire,
    buffer: Paged,
}

impl Sockeye {
    pub(super) fn new(wire: &Wire) -> Self {
        let config = Arc::new(Config::default());
        Self {
            connection: Connection::new(Role::Server, config, Instant::ZERO),
            outbox: Outbox::new(),
            buffers: Buffers::default(),
            buffer: Paged::new(wire.bytes.len().min(wire.read_bytes_max), &UNALIGNED),
            wire: wire.clone(),
        }
    }

    /// Receives the whole wire and shows each event to `handle`. As every driver does, it reads
    /// straight into a large message in progress where the connection lends that.
    #[inline]
    fn each(&mut self, mut handle: impl FnMut(&mut Connection, Event<'_>, &mut Output<'_>)) {
        let Self { connection, outbox, buffers, wire, buffer } = self;
        let mut output = Output { outbox, mask_keys: &mut Unmasked, buffers, now: Instant::ZERO };
        let mut rest = &wire.bytes[..];
        while !rest.is_empty() {
            let read_bytes_max = rest.len().min(wire.read_bytes_max);
            if let Some(message) = connection.input_buffer() {
                let room = message.capacity() - message.len();
                let (read, behind) = rest.split_at(read_bytes_max.min(room));
                read.chunks(BROUGHT_BYTES).for_each(|piece| message.extend_from_slice(piece));
                rest = behind;
                let event = connection.received(read.len(), &mut output).expect("legal");
                event.into_iter().for_each(|event| handle(connection, event, &mut output));
                continue;
            }
            let (read, behind) = rest.split_at(read_bytes_max);
            rest = behind;
            let mut input = &mut buffer.next_place()[..read.len()];
            bring(input, read);
            while let Some(event) = connection.receive(&mut input, &mut output).expect("legal") {
                handle(connection, event, &mut output);
            }
        }
    }
}

impl Endpoint for Sockeye {
    fn receive(&mut self, _: usize) -> usize {
        let mut bytes = 0;
        self.each(|_, event, output| {
            bytes += match &event {
                Event::Text(text) => text.len(),
                Event::Binary(payload) => payload.len(),
                other => panic!("{other:?}"),
            };
            output.buffers.recycle(event);
        });
        bytes
    }

    fn echo(&mut self, _: usize) -> usize {
        self.each(|connection, event, output| {
            let sent = match event {
                Event::Text(text) if text.is_borrowed() => connection.send_text(&text, output),
                Event::Text(text) => connection.send_text_owned(text.into_string(), output),
                other => panic!("{other:?}"),
            };
            sent.expect("room");
        });
        drain(&mut self.outbox)
    }
}

/// Takes what waits, as a transport does, and returns how much it was.
fn drain(outbox: &mut Outbox) -> usize {
    let len = outbox.len();
    outbox.advance(len);
    len
}

/// The frames of the wire, without messages.
pub(super) struct Frames {
    reader: FrameReader,
    wire: Wire,
    buffer: Paged,
}

impl Frames {
    pub(super) fn new(wire: &Wire) -> Self {
        Self {
            reader: FrameReader::new(Role::Server, &Config::default()),
            wire: wire.clone(),
            buffer: Paged::new(wire.bytes.len(), &UNALIGNED),
        }
    }
}

impl Endpoint for Frames {
    fn receive(&mut self, count: usize) -> usize {
        let mut input = self.buffer.next_place();
        bring(input, &self.wire.bytes);
        let (mut frames, mut bytes) = (0, 0);
        while let Some(chunk) = self.reader.next(&mut input).expect("legal") {
            frames += usize::from(chunk.ends_frame);
            bytes += chunk.payload.len();
        }
        assert_eq!(frames, count);
        bytes
    }

    fn echo(&mut self, _: usize) -> usize {
        unreachable!("frames are not echoed")
    }
}

/// Masking keys from the operating system's generator, many at a time, as a driver should draw
/// them: the peers pay for theirs as well.
struct Keys {
    drawn: [u8; 1024],
    used: usize,
}

impl Keys {
    const fn new() -> Self {
        Self { drawn: [0; 1024], used: 1024 }
    }
}

impl MaskKeys for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        if self.used == self.drawn.len() {
            getrandom::fill(&mut self.drawn).expect("the operating system gives random bytes");
            self.used = 0;
        }
        let key = self.drawn[self.used..].first_chunk().expect("a multiple of four");
        self.used += 4;
        *key
    }
}

/// Text that is sent again and again.
pub(super) struct Text {
    connection: Connection,
    outbox: Outbox,
    keys: Keys,
    text: String,
}

impl Text {
    pub(super) fn new(end: End, text: &str) -> Self {
        let role = match end {
            End::Server => Role::Server,
            End::Client => Role::Client,
        };
        Self {
            connection: Connection::new(role, Arc::default(), Instant::ZERO),
            outbox: Outbox::new(),
            keys: Keys::new(),
            text: text.to_owned(),
        }
    }
}

impl Sender for Text {
    fn send(&mut self, count: usize) -> usize {
        let Self { connection, outbox, keys, text } = self;
        let mut output = Output {
            outbox,
            mask_keys: keys,
            buffers: &mut Buffers::default(),
            now: Instant::ZERO,
        };
        for _ in 0..count {
            connection.send_text(text, &mut output).expect("room");
        }
        drain(outbox)
    }
}

/// Sends a text to `count` clients at a time, prepared once.
pub(super) fn broadcast(count: usize, text: &str) -> Broadcast {
    let config = Arc::new(Config::default());
    let connection = || Connection::new(Role::Server, config.clone(), Instant::ZERO);
    let mut clients: Vec<_> = (0..count).map(|_| (connection(), Outbox::new())).collect();
    let text = text.to_owned();
    Box::new(move || {
        let prepared = Prepared::text(&text);
        let mut written = 0;
        for (connection, outbox) in &mut clients {
            let mut output = Output {
                outbox,
                mask_keys: &mut Unmasked,
                buffers: &mut Buffers::default(),
                now: Instant::ZERO,
            };
            connection.send_prepared(&prepared, &mut output).expect("room");
            written += drain(outbox);
        }
        written
    })
}
