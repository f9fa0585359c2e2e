//! The client under test, and the suite's fuzzing server that it visits once for each case.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use serde_json::json;
use sockeye_interop::Fault;

use super::blocking::Blocking;
use super::report::Report;
use super::role::Role;
use super::run::{AGENT, END_WITHIN, Progress, Run, START_WITHIN, Selection, planned};
use super::suite::Suite;
use super::tokio_driver::Tokio;
use super::visit::{Answer, Conversations, Events, Visitor};
use crate::arguments::Subject;

/// Runs the selected cases, each as a visit to the suite's server.
pub(crate) fn test(suite: &Suite, selection: &Selection) -> Result<Run, Fault> {
    let address = free_address()?;
    let folder = suite.reports(&selection.folder(Role::Client))?;
    let mut spec = selection.spec(&folder);
    spec["url"] = json!(format!("ws://{address}"));

    let mut program = suite.start("fuzzingserver", &spec, &folder)?;
    let planned = planned(&mut program)?;
    program.line_with("Listening on ", START_WITHIN)?;
    let mut visitor: Box<dyn Visitor> = match selection.subject {
        Subject::Events => Box::new(Events::new(address)?),
        Subject::Conversation => Box::new(Conversations::new(address)),
        Subject::Tokio => Box::new(Tokio::new(address)?),
        Subject::Blocking => Box::new(Blocking::new(address)),
        _ => return Err("this subject is no client".into()),
    };
    let count = visitor.visit("/getCaseCount", Answer::Nothing)?;
    if count.parse() != Ok(planned.len()) {
        return Err(format!("the suite plans {} cases and counts {count}", planned.len()).into());
    }
    let mut progress = Progress::new(Role::Client, &planned);
    for (number, case) in (1..).zip(&planned) {
        progress.at(case)?;
        visitor
            .visit(&format!("/runCase?case={number}&agent={AGENT}"), Answer::Echo)
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    let took = progress.done();
    // It writes its reports and ends, before it has answered this handshake.
    let _ = visitor
        .visit(&format!("/updateReports?agent={AGENT}&shutdownOnComplete=true"), Answer::Nothing);
    program.succeed(END_WITHIN)?;
    let report = Report::read(&folder.join("index.json"), AGENT)?;
    Ok(Run { planned, report, folder, took })
}

/// The suite must be told a port, and has no way to say which one the system chose.
fn free_address() -> Result<SocketAddr, Fault> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
