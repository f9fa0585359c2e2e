//! A client and a server without any transport: what one has to send, the other receives.
//!
//! Run with `cargo run -p sockeye-protocol --example in_memory`.

use std::sync::Arc;

use sockeye_protocol::{
    Buffers, CloseCode, Config, Connection, Event, Instant, MaskKeys, Outbox, Output, Role,
};

/// Masking keys must be unpredictable; these are not, and serve where nobody else listens.
struct Counter(u32);

impl MaskKeys for Counter {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(1);
        self.0.to_be_bytes()
    }
}

/// One end: the connection, what it has to send, and its name.
struct End(&'static str, Connection, Outbox);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in converse()? {
        println!("{line}");
    }
    Ok(())
}

/// What each end receives, in order.
pub(crate) fn converse() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut heard = Vec::new();
    let config = Arc::new(Config::default());
    let (now, mut mask_keys, mut buffers) = (Instant::ZERO, Counter(0), Buffers::default());
    let end = |name, role| End(name, Connection::new(role, config.clone(), now), Outbox::new());
    let mut ends = [end("server", Role::Server), end("client", Role::Client)];

    let End(_, client, outbox) = &mut ends[1];
    client.send_text(
        "Hello",
        &mut Output { outbox, mask_keys: &mut mask_keys, buffers: &mut buffers, now },
    )?;

    while ends.iter().any(|End(_, _, outbox)| !outbox.is_empty()) {
        ends.reverse();
        let mut bytes = ends[1].2.chunks().collect::<Vec<_>>().concat();
        ends[1].2.advance(bytes.len());

        let End(name, connection, outbox) = &mut ends[0];
        let mut output = Output { outbox, mask_keys: &mut mask_keys, buffers: &mut buffers, now };
        let mut input = &mut bytes[..];
        while let Some(event) = connection.receive(&mut input, &mut output)? {
            heard.push(format!("{name} receives {event:?}"));
            match event {
                Event::Text(text) if *name == "server" => {
                    connection.send_text(&text, &mut output)?
                }
                Event::Text(_) => connection.close(Some(CloseCode::NORMAL.into()), &mut output)?,
                _ => {}
            }
        }
    }
    Ok(heard)
}
