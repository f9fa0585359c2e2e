//! An echo server on blocking threads: the whole contract of the protocol crate in one loop.
//!
//! Run with `cargo run -p sockeye-protocol --example blocking_echo -- 127.0.0.1:9002`.

#[path = "blocking/wire.rs"]
mod wire;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{Acceptance, Answered, HeadLimits, ServerHandshake, Upgrade};
use sockeye_protocol::{Closed, Config, Connection, Event, FrameHeader, Transport, Unmasked};

use wire::Wire;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    Ok(serve(listener, Config::default(), Duration::from_secs(5))?)
}

/// Serves each peer on a thread of its own; each has `open_within` for its request. Who serves the
/// world counts the threads as well.
pub(crate) fn serve(
    listener: TcpListener,
    mut config: Config,
    open_within: Duration,
) -> io::Result<()> {
    // Nothing is taken in above the mark, so an answer always has room.
    config.outbox_bytes_max =
        config.outbox_high_mark + config.message_bytes_max + FrameHeader::BYTES_MAX;
    let config = Arc::new(config);
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Something is missing, such as a descriptor, and will be again at once.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        let config = Arc::clone(&config);
        // How it ended would be for a log.
        std::thread::spawn(move || drop(talk(stream, config, open_within)));
    }
    Ok(())
}

/// Talks with one peer, and tells how it ended: `None` if its request was refused.
fn talk(stream: TcpStream, config: Arc<Config>, open_within: Duration) -> Result<Option<Closed>> {
    let mut wire = Wire::new(stream, Unmasked)?;
    let mut buffer = vec![0; 64 * 1024];
    let Some((mut connection, mut received)) = open(&mut wire, &mut buffer, config, open_within)?
    else {
        return Ok(None);
    };
    loop {
        // Every byte is taken, so the buffer is free again behind this loop. An error has put its
        // Close frame into the outbox, and shows in `transport` below.
        let mut input = &mut buffer[..received];
        while let Ok(Some(event)) = connection.receive(&mut input, &mut wire.output()) {
            match &event {
                Event::Text(text) => connection.send_text(text, &mut wire.output())?,
                Event::Binary(payload) => connection.send_binary(payload, &mut wire.output())?,
                // A ping and a Close have their answers in the outbox already.
                _ => {}
            }
            wire.buffers.recycle(event);
            // Backpressure: nothing more is taken in before this has left.
            if wire.outbox.len() > connection.config().outbox_high_mark {
                wire.flush(&mut connection);
            }
        }
        // In every turn, since bytes may come without a pause: a message in time has been received by
        // now, and nothing happens while nothing is due.
        let _ = connection.handle_timeout(&mut wire.output());
        // What one read brought is answered with one write.
        wire.flush(&mut connection);
        match connection.transport() {
            Transport::Keep => {}
            // Until the peer ends it too, or the deadline comes, what it sends is discarded above.
            Transport::Linger => drop(wire.stream.shutdown(Shutdown::Write)),
            Transport::Close => return Ok(connection.closed().cloned()),
        }
        received = match wire.read(&mut buffer, connection.poll_timeout()) {
            Ok(Some(len @ 1..)) => len,
            Ok(None) => 0,
            // It ended, or it broke.
            Ok(Some(0)) | Err(_) => {
                connection.receive_eof();
                0
            }
        };
    }
}

/// Runs the opening handshake. What came behind the request lies at the beginning of `buffer`
/// then, and its length is returned with the connection; `None` if the request was refused.
fn open(
    wire: &mut Wire<Unmasked>,
    buffer: &mut [u8],
    config: Arc<Config>,
    within: Duration,
) -> Result<Option<(Connection, usize)>> {
    // One for all of it: with a timeout for each read, a byte now and then keeps the thread.
    let deadline = wire.now() + within;
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let mut received = 0;
    loop {
        match wire.read(&mut buffer[received..], Some(deadline))? {
            read if read == Some(0) || wire.now() >= deadline => {
                return Err("no request within the time for it".into());
            }
            read => received += read.unwrap_or(0),
        }
        let accept = |_: &Upgrade<'_>| Ok(Acceptance::default());
        match handshake.answer(&buffer[..received], &config, &mut wire.output(), accept) {
            None => {}
            Some(Answered::Open { connection, head_len }) => {
                buffer.copy_within(head_len..received, 0);
                return Ok(Some((connection, received - head_len)));
            }
            Some(Answered::Refused { .. }) => break,
        }
    }
    wire.outbox.write_to(&mut wire.stream)?;
    // To close it with bytes unread would reset it, and destroy the answer on its way.
    wire.stream.shutdown(Shutdown::Write)?;
    while wire.now() < deadline && matches!(wire.read(buffer, Some(deadline))?, Some(1..)) {}
    Ok(None)
}
