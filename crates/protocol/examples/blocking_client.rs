//! A client on a blocking socket: opens, sends its arguments, prints what comes back, closes.
//!
//! Run with `cargo run -p sockeye-protocol --example blocking_client -- ws://127.0.0.1:9002/ hi`.

#[path = "blocking/wire.rs"]
mod wire;

use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};
use sockeye_protocol::{CloseCode, Closed, Config, Connection, Event, MaskKeys, Output, Transport};

use wire::Wire;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Masking keys from the operating system: nobody can predict them (RFC 6455, section 10.3).
pub(crate) struct OsKeys;

impl MaskKeys for OsKeys {
    fn next_key(&mut self) -> [u8; 4] {
        let mut key = [0; 4];
        getrandom::fill(&mut key).expect("the operating system has random numbers");
        key
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = Url::parse(&arguments.next().ok_or("a URL is needed")?)?;
    let messages: Vec<String> = arguments.collect();
    let mut client = Client::open(&url, Config::default(), Duration::from_secs(5))?;
    for message in &messages {
        client.connection.send_text(message, &mut client.wire.output())?;
    }
    let mut missing = messages.len();
    let closed = client.run(|event, connection, output| {
        match event {
            Event::Text(text) => println!("{}", &**text),
            Event::Binary(payload) => println!("{} bytes", payload.len()),
            _ => return Ok(()),
        }
        missing = missing.saturating_sub(1);
        if missing == 0 && connection.is_open() {
            connection.close(Some(CloseCode::NORMAL.into()), output)?;
        }
        Ok(())
    })?;
    println!("{closed:?}");
    Ok(())
}

/// A connection with its socket.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) wire: Wire<OsKeys>,
    buffer: Vec<u8>,
    /// How many bytes of `buffer` have come and were not taken.
    received: usize,
}

impl Client {
    /// Connects and runs the opening handshake, each within `within`.
    pub(crate) fn open(url: &Url, config: Config, within: Duration) -> Result<Self> {
        let address = (url.host(), url.port()).to_socket_addrs()?.next().ok_or("no such host")?;
        let stream = TcpStream::connect_timeout(&address, within)?;
        let mut wire = Wire::new(stream, OsKeys)?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let request = ClientRequest::new(url).offering(&config);
        let limits = HeadLimits::default();
        let mut handshake = ClientHandshake::start(&request, nonce, limits, &mut wire.outbox);
        wire.outbox.write_to(&mut wire.stream)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        let deadline = wire.now() + within;
        loop {
            match wire.read(&mut buffer[received..], Some(deadline))? {
                read if read == Some(0) || wire.now() >= deadline => {
                    return Err("no answer within the time for it".into());
                }
                read => received += read.unwrap_or(0),
            }
            match handshake.receive(&buffer[..received])? {
                None => {}
                Some(Reply::Switched(switched)) => {
                    let connection = switched.connection(Arc::new(config), wire.now());
                    // What came behind the answer are frames already.
                    buffer.copy_within(switched.head_len..received, 0);
                    received -= switched.head_len;
                    return Ok(Self { connection, wire, buffer, received });
                }
                Some(Reply::Refused(refusal)) => {
                    return Err(format!("refused with status {}", refusal.status()).into());
                }
            }
        }
    }

    /// Gives each event to `heard` until the connection has ended, and tells how it did.
    pub(crate) fn run(
        mut self,
        mut heard: impl FnMut(&Event<'_>, &mut Connection, &mut Output<'_>) -> Result<()>,
    ) -> Result<Closed> {
        let Self { connection, wire, buffer, received } = &mut self;
        loop {
            let mut input = &mut buffer[..*received];
            while let Ok(Some(event)) = connection.receive(&mut input, &mut wire.output()) {
                heard(&event, connection, &mut wire.output())?;
                wire.buffers.recycle(event);
                if wire.outbox.len() > connection.config().outbox_high_mark {
                    wire.flush(connection);
                }
            }
            let _ = connection.handle_timeout(&mut wire.output());
            wire.flush(connection);
            match connection.transport() {
                // A client leaves it to the server to end the transport, until the deadline.
                Transport::Keep => {}
                Transport::Linger => drop(wire.stream.shutdown(Shutdown::Write)),
                Transport::Close => break,
            }
            *received = match wire.read(buffer, connection.poll_timeout()) {
                Ok(Some(len @ 1..)) => len,
                Ok(None) => 0,
                Ok(Some(0)) | Err(_) => {
                    connection.receive_eof();
                    0
                }
            };
        }
        Ok(connection.closed().cloned().ok_or("it ended without an end")?)
    }
}
