//! What the suite says of each case.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sockeye_interop::Fault;

use super::case::Case;

/// The suite's verdict on one case, in its own words: OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED,
/// FAILED, and for the close also WRONG CODE, UNCLEAN, FAILED BY CLIENT.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Verdict {
    /// On the frames of the case.
    pub(crate) behavior: String,
    /// On how the connection ended.
    pub(crate) behavior_close: String,
}

impl Verdict {
    /// Whether both are OK.
    pub(crate) fn is_ok(&self) -> bool {
        self.behavior == "OK" && self.behavior_close == "OK"
    }
}

/// The verdicts of one run.
#[derive(Debug, Default)]
pub(crate) struct Report(pub(crate) BTreeMap<Case, Verdict>);

impl Report {
    /// Reads the suite's index; it has an object for each agent, with an object for each case.
    pub(crate) fn read(index: &Path, agent: &str) -> Result<Self, Fault> {
        let text = fs::read_to_string(index)
            .map_err(|error| format!("the suite left no report {}: {error}", index.display()))?;
        Self::parse(&text, agent)
    }

    fn parse(text: &str, agent: &str) -> Result<Self, Fault> {
        let index: Value = serde_json::from_str(text)?;
        let cases = index[agent].as_object().ok_or("the suite's report knows nothing of us")?;
        let word = |verdict: &Value| verdict.as_str().unwrap_or("MISSING").to_owned();
        let mut verdicts = BTreeMap::new();
        for (case, entry) in cases {
            let verdict = Verdict {
                behavior: word(&entry["behavior"]),
                behavior_close: word(&entry["behaviorClose"]),
            };
            verdicts.insert(case.parse()?, verdict);
        }
        Ok(Self(verdicts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_for_its_agent() {
        let text = r#"{
            "sockeye": {
                "1.1.10": { "behavior": "OK", "behaviorClose": "UNCLEAN", "duration": 2 },
                "1.1.2": { "behavior": "FAILED" }
            },
            "another": {}
        }"#;
        let report = Report::parse(text, "sockeye").expect("a report");
        let lines: Vec<_> = report
            .0
            .iter()
            .map(|(case, verdict)| {
                format!("{case} {} {}", verdict.behavior, verdict.behavior_close)
            })
            .collect();
        assert_eq!(lines, ["1.1.2 FAILED MISSING", "1.1.10 OK UNCLEAN"]);
        assert!(Report::parse("{}", "sockeye").is_err());
    }
}
