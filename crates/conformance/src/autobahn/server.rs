//! The server under test, and the suite's fuzzing client against it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::json;
use sockeye_interop::Fault;
use sockeye_protocol::Config;

use super::drivers;
use super::echo::make_room;
use super::report::Report;
use super::role::Role;
use super::run::{
    AGENT, CASE_WITHIN, END_WITHIN, Progress, Run, START_WITHIN, Selection, begun, planned,
};
use super::sockeye_server;
use super::suite::Suite;
use super::tokio_driver;
use crate::arguments::Subject;

/// Runs the selected cases against a server of this process.
pub(crate) fn test(suite: &Suite, selection: &Selection) -> Result<Run, Fault> {
    let serving = Serving::start(selection.subject)?;
    let folder = suite.reports(&selection.folder(Role::Server))?;
    let mut spec = selection.spec(&folder);
    spec["servers"] = json!([{ "agent": AGENT, "url": serving.url }]);

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
    drop(serving);
    let report = Report::read(&folder.join("index.json"), AGENT)?;
    Ok(Run { planned, report, folder, took })
}

/// A subject that listens, until this is dropped or the process ends.
struct Serving {
    url: String,
    _server: Option<sockeye::Server>,
}

impl Serving {
    fn start(subject: Subject) -> Result<Self, Fault> {
        match subject {
            Subject::Events | Subject::Conversation => {
                let server = sockeye_server::serve()?;
                let address = server.local_addr().ok_or("the server has no address")?;
                let url = format!("ws://{address}/{}", subject.name());
                Ok(Self { url, _server: Some(server) })
            }
            Subject::Blocking => Self::driver(drivers::blocking_echo::serve),
            Subject::Tokio => Self::driver(tokio_driver::serve),
            Subject::Mio => Self::driver(drivers::mio_echo::serve),
            #[cfg(target_os = "linux")]
            Subject::Uring => {
                sockeye_uring_example::check()?;
                Self::driver(sockeye_uring_example::serve)
            }
        }
    }

    /// A driver from the examples, on a thread that lasts as long as the process.
    fn driver(serve: fn(TcpListener, Config, Duration) -> io::Result<()>) -> Result<Self, Fault> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("ws://{}/", listener.local_addr()?);
        let mut config = Config::default();
        make_room(&mut config);
        std::thread::spawn(move || serve(listener, config, START_WITHIN));
        Ok(Self { url, _server: None })
    }
}
