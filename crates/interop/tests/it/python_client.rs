//! Python's `websockets` as the client, `sockeye serve` as the server.

use std::path::Path;
use std::time::Duration;

use sockeye_interop::{Fault, Python, Server};

/// The script prints a line for each of these once it holds.
const CHECKS: [&str; 14] = [
    "echo text and binary at every length form on /echo",
    "echo text and binary at every length form on /echo/async",
    "echo text and binary at every length form on /echo/blocking",
    "fragmented message with a ping between its fragments",
    "ten pings, ten pongs",
    "a hundred messages in flight come back in order",
    "an idle connection answers a ping",
    "closing echoes the code",
    "an empty close frame",
    "oversized message gets 1009",
    "greeter answers Hello!",
    "dialogue asks again and closes with 1000",
    "ticker ticks",
    "productos of one version only",
];

#[test]
fn python_client_talks_to_every_route() -> Result<(), Fault> {
    let python = Python::with_peers()?;
    let mut server = Server::start()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/python/client.py");
    let said = python.start(&script, &[&server.url("")])?.succeed(Duration::from_secs(120))?;
    for check in CHECKS {
        assert!(
            said.iter().any(|line| line == &format!("ok {check}")),
            "no `{check}` in {said:#?}"
        );
    }
    server.interrupt(Duration::from_secs(20))
}

#[test]
fn python_client_hears_1001_when_the_server_stops() -> Result<(), Fault> {
    let python = Python::with_peers()?;
    let mut server = Server::start()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/python/last_words.py");
    let mut client = python.start(&script, &[&server.url("/echo")])?;
    client.line_with("open", Duration::from_secs(30))?;
    server.interrupt(Duration::from_secs(20))?;
    client.line_with("closed 1001", Duration::from_secs(20))?;
    client.succeed(Duration::from_secs(20))?;
    Ok(())
}
