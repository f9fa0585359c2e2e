//! The browser's end: `peers/end.js` in a page that our server has given out.

use serde_json::Value;
use sockeye_interop::{Chromium, Fault, Line, Page};

const SCRIPT: &str = include_str!("../../peers/end.js");

/// One tab at a time.
pub(crate) struct Tab {
    chromium: Chromium,
    /// The host that the page is from, so that what it asks that host for is of the same origin.
    page: Option<(String, Page)>,
}

impl Tab {
    pub(crate) fn new(chromium: Chromium) -> Self {
        Self { chromium, page: None }
    }

    fn open(&mut self, host: &str) -> Result<(), Fault> {
        if self.page.as_ref().is_some_and(|(own, _)| own == host) {
            return Ok(());
        }
        let devtools = self.chromium.devtools();
        let page = Page::open(devtools, &format!("http://{host}/"), 400, 300)?;
        page.evaluate(devtools, &format!("{SCRIPT}\nglobalThis.end = new StandardEnd(); true"))?;
        self.page = Some((host.to_owned(), page));
        Ok(())
    }
}

impl Line for Tab {
    fn call(&mut self, call: &Value) -> Result<Value, Fault> {
        if let Some(host) = call["url"].as_str().and_then(|url| url.split('/').nth(2)) {
            self.open(host)?;
        }
        let op = call["op"].as_str().ok_or("a call has an op")?;
        let (_, page) = self.page.as_ref().ok_or("there is no page yet")?;
        page.evaluate(self.chromium.devtools(), &format!("end.{op}({call})"))
    }
}
