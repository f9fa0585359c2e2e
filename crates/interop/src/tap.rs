//! A relay in front of a server that keeps the heads of the handshake and counts what goes over the wire, since no end
//! is to be asked what it put there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Fault;

/// Longer than any head of these tests.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A port that leads to another one.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    wires: Arc<Mutex<Vec<Wire>>>,
}

/// One connection through the tap.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    /// From the client to the server.
    pub up: Arc<Mutex<Flow>>,
    /// From the server to the client.
    pub down: Arc<Mutex<Flow>>,
}

/// What went one way.
#[derive(Debug, Clone, Default)]
pub struct Flow {
    /// The first bytes, with the head among them.
    pub beginning: Vec<u8>,
    /// All bytes.
    pub bytes: usize,
}

impl Tap {
    /// Leads a port of its own to `target`, for as long as the process lives.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub fn open(target: SocketAddr) -> Result<Self, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let wires = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&wires);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let wire = Wire::default();
                if let Ok(mut wires) = kept.lock() {
                    wires.push(wire.clone());
                }
                // A server that is not there is one that hangs up.
                if let Ok(server) = TcpStream::connect(target) {
                    let _ = join(&client, &server, &wire);
                }
            }
        });
        Ok(Self { address, wires })
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The latest connection.
    ///
    /// # Errors
    /// When there was none.
    pub fn latest(&self) -> Result<Wire, Fault> {
        let wires = self.wires.lock().map_err(|_| "the tap panicked")?;
        Ok(wires.last().cloned().ok_or("nobody came through the tap")?)
    }
}

impl Wire {
    /// The value of a header in the server's response, or of all its lines of that name with commas between them.
    pub fn answered(&self, name: &str) -> String {
        self.down.lock().map(|flow| header(&flow.beginning, name)).unwrap_or_default()
    }

    /// The same in the client's request.
    pub fn asked(&self, name: &str) -> String {
        self.up.lock().map(|flow| header(&flow.beginning, name)).unwrap_or_default()
    }

    /// Bytes so far: up, and down.
    pub fn bytes(&self) -> (usize, usize) {
        let count = |flow: &Mutex<Flow>| flow.lock().map(|flow| flow.bytes).unwrap_or_default();
        (count(&self.up), count(&self.down))
    }
}

fn join(client: &TcpStream, server: &TcpStream, wire: &Wire) -> std::io::Result<()> {
    for stream in [client, server] {
        stream.set_nodelay(true)?;
    }
    let pairs = [(client, server, &wire.up), (server, client, &wire.down)];
    for (from, to, flow) in pairs {
        let (from, to, flow) = (from.try_clone()?, to.try_clone()?, Arc::clone(flow));
        thread::spawn(move || relay(from, to, &flow));
    }
    Ok(())
}

/// Each direction ends by itself, as it does without a tap.
fn relay(mut from: TcpStream, mut to: TcpStream, flow: &Mutex<Flow>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let Ok(mut flow) = flow.lock() else { break };
        let rest = HEAD_BYTES_MAX - flow.beginning.len();
        flow.beginning.extend_from_slice(&buffer[..count.min(rest)]);
        flow.bytes += count;
        drop(flow);
        if to.write_all(&buffer[..count]).is_err() {
            let _ = from.shutdown(Shutdown::Read);
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn header(beginning: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(beginning);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let values = head.lines().filter_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    values.collect::<Vec<_>>().join(", ")
}
