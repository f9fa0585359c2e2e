//! A page in the browser: scripts run in it, conditions awaited in it, and what it complained about.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Devtools, Fault, Target};

/// One page that shows a URL.
#[derive(Debug)]
pub struct Page {
    target: Target,
}

impl Page {
    /// Opens `url` in a new page of the given width and height in CSS pixels.
    ///
    /// # Errors
    /// When the browser cannot load it.
    pub fn open(
        devtools: &mut Devtools,
        url: &str,
        width: u32,
        height: u32,
    ) -> Result<Self, Fault> {
        let target = devtools.open()?;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        devtools.call(Some(&target), "Emulation.setDeviceMetricsOverride", size)?;
        let loaded = devtools.call(Some(&target), "Page.navigate", json!({ "url": url }))?;
        if let Some(error) = loaded["errorText"].as_str() {
            return Err(format!("{url} does not load: {error}").into());
        }
        Ok(Self { target })
    }

    /// Runs a JavaScript expression and returns its value, awaited when it is a promise.
    ///
    /// # Errors
    /// When the expression throws; the message holds what it threw.
    pub fn evaluate(&self, devtools: &mut Devtools, expression: &str) -> Result<Value, Fault> {
        let parameters =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = devtools.call(Some(&self.target), "Runtime.evaluate", parameters)?;
        let thrown = &answer["exceptionDetails"];
        if thrown.is_null() {
            return Ok(answer["result"]["value"].take());
        }
        let text = thrown["exception"]["description"]
            .as_str()
            .or_else(|| thrown["exception"]["value"].as_str());
        Err(format!("the page threw {}", text.unwrap_or("something unnamed")).into())
    }

    /// Waits in the page until a JavaScript expression is true, and returns its value.
    ///
    /// # Errors
    /// When `within` passes first.
    pub fn until(
        &self,
        devtools: &mut Devtools,
        expression: &str,
        within: Duration,
    ) -> Result<Value, Fault> {
        let script = format!(
            "new Promise((done, fail) => {{
                const end = performance.now() + {};
                const look = () => {{
                    let value = null;
                    try {{ value = {expression}; }} catch (error) {{ value = null; }}
                    if (value) done(value);
                    else if (performance.now() > end) fail(`it stayed untrue; the page said: ${{document.body?.innerText}}`);
                    else setTimeout(look, 20);
                }};
                look();
            }})",
            within.as_millis()
        );
        self.evaluate(devtools, &script)
            .map_err(|error| format!("waiting for `{expression}`: {error}").into())
    }

    /// Everything that the page complained about: exceptions, console warnings and errors, and the browser's own log.
    ///
    /// # Errors
    /// When the browser has gone.
    pub fn complaints(&self, devtools: &mut Devtools) -> Result<Vec<String>, Fault> {
        // The answer to a call comes after every event that preceded it.
        self.evaluate(devtools, "1")?;
        Ok(devtools.events(&self.target).filter_map(complaint).collect())
    }

    /// The URLs that the page asked for over plain HTTP, in order.
    pub fn requests(&self, devtools: &Devtools) -> Vec<String> {
        devtools
            .events(&self.target)
            .filter(|event| event["method"] == "Network.requestWillBeSent")
            .filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }

    /// The URLs of the WebSockets that the page opened, in order.
    pub fn sockets(&self, devtools: &Devtools) -> Vec<String> {
        devtools
            .events(&self.target)
            .filter(|event| event["method"] == "Network.webSocketCreated")
            .filter_map(|event| event["params"]["url"].as_str().map(str::to_owned))
            .collect()
    }

    /// A PNG image of the whole page.
    ///
    /// # Errors
    /// When the browser cannot draw it.
    pub fn screenshot(&self, devtools: &mut Devtools) -> Result<Vec<u8>, Fault> {
        let answer = devtools.call(
            Some(&self.target),
            "Page.captureScreenshot",
            json!({ "captureBeyondViewport": true }),
        )?;
        let data = answer["data"].as_str().ok_or("the browser drew nothing")?;
        Ok(STANDARD.decode(data)?)
    }
}

/// What an event complains about, if it does.
fn complaint(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled"
            if ["error", "warning", "assert"].contains(&parameters["type"].as_str()?) =>
        {
            Some(parameters["args"].to_string())
        }
        "Log.entryAdded"
            if ["error", "warning"].contains(&parameters["entry"]["level"].as_str()?) =>
        {
            Some(parameters["entry"].to_string())
        }
        _ => None,
    }
}
