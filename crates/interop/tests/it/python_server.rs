//! Python's `websockets` as the server, `sockeye connect` as the client.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sockeye_interop::{Fault, Program, Python, Server};

const SOON: Duration = Duration::from_secs(20);

/// The foreign server and the line to reach it.
struct Foreign {
    program: Program,
    base: String,
}

impl Foreign {
    fn start() -> Result<Self, Fault> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/python/server.py");
        let mut program = Python::with_peers()?.start(&script, &[])?;
        let line = program.line_with("port ", Duration::from_secs(30))?;
        let port = line.trim_start_matches("port ").to_owned();
        Ok(Self { program, base: format!("ws://127.0.0.1:{port}") })
    }

    /// `sockeye connect` to one of its paths.
    fn client(&self, path: &str, options: &[&str]) -> Result<Program, Fault> {
        let mut command = Command::new(Server::executable()?);
        command.arg("connect").args(options).arg(format!("{}{path}", self.base));
        Program::start(command)
    }
}

#[test]
fn our_client_echoes_and_closes_with_1000() -> Result<(), Fault> {
    let mut foreign = Foreign::start()?;
    let mut client = foreign.client("/echo", &[])?;
    for line in ["hello", "¡Hola, 鮭!", "once more"] {
        client.write_line(line)?;
        client.line_with(line, SOON)?;
    }
    client.end_input();
    client.succeed(SOON)?;
    foreign.program.line_with("/echo closed 1000", SOON)?;
    Ok(())
}

#[test]
fn our_client_reports_the_code_and_reason_of_the_peer() -> Result<(), Fault> {
    let mut foreign = Foreign::start()?;
    let mut client = foreign.client("/leave", &[])?;
    // The message and the end come on two pipes, in no order that could be relied on.
    let status = client.wait(SOON)?;
    assert!(!status.success(), "an abnormal end is not zero");
    assert!(client.heard().iter().any(|line| line == "soon gone"), "{:?}", client.heard());
    assert!(client.heard().iter().any(|line| line.contains("4001")), "{:?}", client.heard());
    assert!(client.heard().iter().any(|line| line.contains("¡adiós!")), "{:?}", client.heard());
    foreign.program.line_with("/leave closed 4001", SOON)?;
    Ok(())
}

#[test]
fn our_client_joins_fragments_and_answers_pings() -> Result<(), Fault> {
    let mut foreign = Foreign::start()?;
    for (path, said) in [("/fragments", "one twø three"), ("/pings", "ten pongs")] {
        let mut client = foreign.client(path, &[])?;
        client.line_with(said, SOON)?;
        client.write_line("heard")?;
        client.end_input();
        client.succeed(SOON)?;
        foreign.program.line_with(&format!("{path} closed 1000"), SOON)?;
    }
    Ok(())
}

#[test]
fn our_client_takes_a_message_of_one_mebibyte() -> Result<(), Fault> {
    let foreign = Foreign::start()?;
    let mut client = foreign.client("/large", &[])?;
    let line = client.line_with("éé", SOON)?;
    assert_eq!(line.len(), 1 << 20);
    client.end_input();
    client.succeed(SOON)?;
    Ok(())
}

#[test]
fn our_client_offers_subprotocols_and_headers() -> Result<(), Fault> {
    let foreign = Foreign::start()?;
    let options =
        ["--subprotocol", "chat.v3", "--subprotocol", "chat.v2", "--header", "X-Reason: because"];
    let mut client = foreign.client("/headers", &options)?;
    client.line_with("chat.v2 because", SOON)?;
    client.end_input();
    client.succeed(SOON)?;
    Ok(())
}

#[test]
fn our_client_shows_a_refusal_with_its_status_and_body() -> Result<(), Fault> {
    let foreign = Foreign::start()?;
    let mut client = foreign.client("/elsewhere", &[])?;
    let status = client.wait(SOON)?;
    assert!(!status.success());
    let said = client.heard().join("\n");
    assert!(said.contains("403") && said.contains("only for members"), "{said}");
    Ok(())
}

#[test]
fn our_client_notices_a_peer_that_vanishes() -> Result<(), Fault> {
    let foreign = Foreign::start()?;
    let mut client = foreign.client("/vanish", &[])?;
    client.line_with("here and gone", SOON)?;
    let status = client.wait(SOON)?;
    assert!(!status.success());
    let said = client.heard().join("\n");
    assert!(said.contains("1006"), "{said}");
    Ok(())
}
