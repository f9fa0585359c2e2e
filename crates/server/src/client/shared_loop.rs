//! The loop of clients that have none: one for the process, started when it is first needed.

use std::io;
use std::sync::{Arc, OnceLock};

use sockeye_reactor::Spreading;

use crate::service::{App, Loops};
use crate::socket::Context;
use sockeye_reactor::mutex::Mutex;

/// The loop's context. It runs until the process ends; a failure to start it is tried again.
pub(super) fn context() -> io::Result<Arc<Context>> {
    static LOOP: OnceLock<Mutex<Option<Loops>>> = OnceLock::new();
    let mut running = LOOP.get_or_init(Mutex::default).lock();
    if running.is_none() {
        let config = sockeye_reactor::Config::default();
        *running = Some(Loops::start(
            Vec::new(),
            1,
            Spreading::default(),
            &Arc::new(App::new(0)),
            &config,
            &[],
        )?);
    }
    running.as_ref().and_then(Loops::context).ok_or_else(|| io::Error::other("no loop"))
}
