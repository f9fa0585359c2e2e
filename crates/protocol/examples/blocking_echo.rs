//! An echo server on blocking threads: the whole contract of the protocol crate in one loop.
//!
//! Run with `cargo run -p sockeye-protocol --example blocking_echo -- 127.0.0.1:9002`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use sockeye_protocol::handshake::{
    Acceptance, BodyMode, HandshakeError, Head, HeadLimits, Response, ServerHandshake,
};
use sockeye_protocol::{
    Buffers, Config, Connection, Event, Instant, Outbox, Output, Role, Transport, Unmasked,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("listening on ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> Result<()> {
    let origin = std::time::Instant::now();
    let now = || Instant::ZERO + origin.elapsed();
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut outbox = Outbox::new();
    let Some(behind) = open(&mut stream, &mut outbox)? else {
        flush(&mut stream, &mut outbox)?;
        return Ok(stream.shutdown(Shutdown::Write)?);
    };

    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now());
    let mut buffers = Buffers::default();
    let mut buffer = vec![0; 64 * 1024];
    buffer[..behind.len()].copy_from_slice(&behind);
    let mut received = behind.len();
    loop {
        let mut input = &mut buffer[..received];
        let mut output = Output {
            outbox: &mut outbox,
            mask_keys: &mut Unmasked,
            buffers: &mut buffers,
            now: now(),
        };
        // An error has put its Close frame into the outbox and shows in `transport` below.
        while let Ok(Some(event)) = connection.receive(&mut input, &mut output) {
            match event {
                Event::Text(text) => connection.send_text(&text, &mut output)?,
                Event::Binary(payload) => connection.send_binary(&payload, &mut output)?,
                _ => {}
            }
            flush(&mut stream, output.outbox)?;
        }
        flush(&mut stream, output.outbox)?;
        match connection.transport() {
            Transport::Keep => {}
            Transport::Linger => stream.shutdown(Shutdown::Write)?,
            Transport::Close => return Ok(()),
        }

        let due = connection.poll_timeout().map(|due| due.saturating_duration_since(now()));
        // A timeout of zero would mean to wait for ever.
        stream.set_read_timeout(due.map(|due| due.max(Duration::from_millis(1))))?;
        received = match stream.read(&mut buffer) {
            Ok(0) => {
                connection.receive_eof();
                0
            }
            Ok(received) => received,
            Err(error) if is_timeout(&error) => {
                let mut output = Output {
                    outbox: &mut outbox,
                    mask_keys: &mut Unmasked,
                    buffers: &mut buffers,
                    now: now(),
                };
                // As above: the outbox and `transport` say what follows.
                let _ = connection.handle_timeout(&mut output);
                0
            }
            Err(error) => return Err(error.into()),
        };
    }
}

/// Runs the opening handshake; returns the bytes that came behind an accepted request, or `None`
/// if it was refused. The answer is in the outbox either way.
fn open(stream: &mut TcpStream, outbox: &mut Outbox) -> Result<Option<Vec<u8>>> {
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let len = stream.read(&mut piece)?;
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        received.extend_from_slice(&piece[..len]);
        let refusal = match handshake.receive(&received) {
            Ok(None) => continue,
            Ok(Some(Head::Upgrade(upgrade))) => {
                upgrade.accept(&Acceptance::default(), outbox)?;
                let head_len = upgrade.request().head_len();
                flush(stream, outbox)?;
                return Ok(Some(received[head_len..].to_vec()));
            }
            Ok(Some(head)) => head.upgrade().err().unwrap_or(HandshakeError::UpgradeRequired),
            Err(error) => error,
        };
        Response::from(refusal).write(BodyMode::Whole, outbox);
        return Ok(None);
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
