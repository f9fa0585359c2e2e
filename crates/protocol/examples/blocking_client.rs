//! A client on a blocking socket: opens, sends its arguments, prints what comes back, closes.
//!
//! Run with `cargo run -p sockeye-protocol --example blocking_client -- ws://127.0.0.1:9001/echo hi`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use sockeye_protocol::handshake::{ClientHandshake, ClientRequest, HeadLimits, Reply, Url};
use sockeye_protocol::{
    Buffers, CloseCode, Config, Connection, Event, Instant, MaskKeys, Outbox, Output, Role,
    Transport,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Masking keys from the operating system: nobody can predict them (RFC 6455, section 10.3).
struct OsKeys;

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

    let origin = std::time::Instant::now();
    let now = || Instant::ZERO + origin.elapsed();
    let mut stream = TcpStream::connect((url.host(), url.port()))?;
    stream.set_nodelay(true)?;
    let mut outbox = Outbox::new();
    let mut buffers = Buffers::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut received = open(&mut stream, &url, &mut outbox, &mut buffer)?;

    let config = Arc::new(Config::default());
    let mut connection = Connection::new(Role::Client, config, now());
    let mut output =
        Output { outbox: &mut outbox, mask_keys: &mut OsKeys, buffers: &mut buffers, now: now() };
    for message in &messages {
        connection.send_text(message, &mut output)?;
    }
    let mut missing = messages.len();
    loop {
        let mut input = &mut buffer[..received];
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut OsKeys,
            buffers: &mut buffers,
            now: now(),
        };
        while let Some(event) = connection.receive(&mut input, &mut output)? {
            match event {
                Event::Text(text) => println!("{}", &*text),
                Event::Binary(payload) => println!("{} bytes", payload.len()),
                _ => continue,
            }
            missing = missing.saturating_sub(1);
        }
        if missing == 0 && connection.is_open() {
            connection.close(Some(CloseCode::NORMAL.into()), &mut output)?;
        }
        flush(&mut stream, output.outbox)?;
        // A client leaves it to the server to end the transport, within a bound.
        if connection.transport() == Transport::Close {
            break;
        }
        let due = connection.poll_timeout().map(|due| due.saturating_duration_since(now()));
        stream.set_read_timeout(due.map(|due| due.max(std::time::Duration::from_millis(1))))?;
        received = match stream.read(&mut buffer) {
            Ok(0) => {
                connection.receive_eof();
                0
            }
            Ok(received) => received,
            Err(error) if is_timeout(&error) => {
                let mut output = Output {
                    outbox: &mut outbox,
                    mask_keys: &mut OsKeys,
                    buffers: &mut buffers,
                    now: now(),
                };
                // Whatever it says, the outbox and `transport` tell what follows.
                let _ = connection.handle_timeout(&mut output);
                0
            }
            Err(error) => return Err(error.into()),
        };
    }
    println!("{:?}", connection.closed());
    Ok(())
}

/// Runs the opening handshake; what came behind the answer lies at the beginning of `buffer`, and
/// its length is returned.
fn open(
    stream: &mut TcpStream,
    url: &Url,
    outbox: &mut Outbox,
    buffer: &mut [u8],
) -> Result<usize> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)?;
    let request = ClientRequest::new(url);
    let mut handshake = ClientHandshake::start(&request, nonce, HeadLimits::default(), outbox);
    flush(stream, outbox)?;
    let mut received = 0;
    loop {
        let len = stream.read(&mut buffer[received..])?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        received += len;
        match handshake.receive(&buffer[..received])? {
            None => {}
            Some(Reply::Switched(switched)) => {
                buffer.copy_within(switched.head_len..received, 0);
                return Ok(received - switched.head_len);
            }
            Some(Reply::Refused(refusal)) => {
                return Err(format!("refused with status {}", refusal.status()).into());
            }
        }
    }
}

fn flush(stream: &mut TcpStream, outbox: &mut Outbox) -> io::Result<()> {
    while !outbox.is_empty() {
        let written = stream.write(outbox.first_chunk())?;
        outbox.advance(written);
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
