//! The server under test, and the suite's fuzzing client against it.

use std::time::Duration;

use serde_json::json;
use sockeye::{Error, Event, Handler, Peer, Server, Socket};
use sockeye_interop::Fault;

use super::echo::{echo, make_room};
use super::report::Report;
use super::run::{AGENT, CASE_WITHIN, END_WITHIN, Progress, Role, Run, Selection, begun, planned};
use super::suite::Suite;

#[derive(Debug)]
struct Echo;

impl Handler for Echo {
    fn event(&mut self, peer: &mut Peer<'_>, event: Event<'_>) {
        echo(peer, event);
    }
}

async fn converse(mut socket: Socket) -> Result<(), Error> {
    loop {
        let message = socket.recv().await?;
        socket.send(message).await?;
    }
}

/// Runs the selected cases against a server of this process.
pub(crate) fn test(suite: &Suite, selection: &Selection) -> Result<Run, Fault> {
    let server = Server::builder()
        .connection(make_room)
        .route_events("/events", |_| Ok(Echo))
        .route("/conversation", converse)
        .bind("127.0.0.1:0")?;
    let address = server.local_addr().ok_or("the server has no address")?;
    let folder = suite.reports(Role::Server.name())?;
    let mut spec = selection.spec(&folder);
    spec["servers"] =
        json!([{ "agent": AGENT, "url": format!("ws://{address}/{}", selection.style.name()) }]);

    let mut program = suite.start("fuzzingclient", &spec, &folder)?;
    let planned = planned(&mut program)?;
    let mut progress = Progress::new(Role::Server, &planned);
    while let Some(line) = program.line(CASE_WITHIN)? {
        if let Some(case) = begun(&line) {
            progress.at(&case)?;
        }
    }
    let took = progress.done();
    program.succeed(END_WITHIN)?;
    server.shutdown(Duration::from_secs(1));
    let report = Report::read(&folder.join("index.json"), AGENT)?;
    Ok(Run { planned, report, folder, took })
}
