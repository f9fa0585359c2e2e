//! What was measured, kept in a file, so that one experiment can be measured again without the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::peers::RAW;
use super::statistics::{Estimate, median};

/// All experiments, by their names.
#[derive(Debug, Default)]
pub struct Results {
    /// What each came to.
    pub experiments: BTreeMap<String, Outcome>,
}

/// What an experiment came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When it ended.
    pub measured: SystemTime,
    /// The congestion control that all sockets had; `None`: the system's own.
    pub congestion: Option<String>,
    /// The rounds of each server, by its name.
    pub costs: BTreeMap<String, Vec<f64>>,
}

impl Outcome {
    /// How often each was measured.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.costs.values().map(Vec::len).min().unwrap_or(0)
    }

    /// The median of one server.
    #[must_use]
    pub fn median(&self, name: &str) -> Option<f64> {
        self.costs.get(name).map(|costs| median(costs))
    }

    /// One server as a multiple of another, or of the raw one.
    #[must_use]
    pub fn ratio(&self, name: &str, base: Option<&str>) -> Option<Estimate> {
        let base = self.costs.get(base.unwrap_or(RAW.name))?;
        Some(Estimate::of_ratios(self.costs.get(name)?, base))
    }

    /// By how much one server costs more than another.
    #[must_use]
    pub fn difference(&self, name: &str, base: &str) -> Option<Estimate> {
        let (costs, base) = (self.costs.get(name)?, self.costs.get(base)?);
        Some(Estimate::of(
            &costs.iter().zip(base).map(|(cost, base)| cost - base).collect::<Vec<_>>(),
        ))
    }
}

impl Results {
    /// What `file` holds; nothing, if it does not exist.
    ///
    /// # Errors
    ///
    /// It is not one of ours.
    pub fn read(file: &Path) -> Result<Self, String> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(Self::default()) };
        let no_results = || format!("{} holds no results; remove it", file.display());
        let value: Value = serde_json::from_str(&text).map_err(|_| no_results())?;
        let mut results = Self::default();
        for (name, outcome) in value.as_object().ok_or_else(no_results)? {
            let outcome = outcome_of(outcome).ok_or_else(no_results)?;
            results.experiments.insert(name.clone(), outcome);
        }
        Ok(results)
    }

    /// Writes them to `file`.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let experiments = self.experiments.iter().map(|(name, outcome)| {
            let seconds = outcome.measured.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let Outcome { congestion, costs, .. } = outcome;
            let value = json!({ "measured": seconds, "congestion": congestion, "costs": costs });
            (name.clone(), value)
        });
        let value = Value::Object(experiments.collect());
        let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(file, format!("{value:#}\n")))
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}

fn outcome_of(value: &Value) -> Option<Outcome> {
    let measured = UNIX_EPOCH + Duration::from_secs(value["measured"].as_u64()?);
    let costs = value["costs"].as_object()?.iter().map(|(name, costs)| {
        let costs: Option<Vec<f64>> = costs.as_array()?.iter().map(Value::as_f64).collect();
        Some((name.clone(), costs?))
    });
    let congestion = value["congestion"].as_str().map(str::to_owned);
    Some(Outcome { measured, congestion, costs: costs.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_in_a_file() {
        let file = std::env::temp_dir().join(format!("compare-{}.json", std::process::id()));
        let costs = [("raw", vec![100.0, 200.0, 100.0]), ("events", vec![110.5, 221.0, 111.0])];
        let costs = costs.map(|(name, costs)| (name.to_owned(), costs));
        let measured = UNIX_EPOCH + Duration::from_secs(86_400);
        let congestion = Some("reno".to_owned());
        let outcome = Outcome { measured, congestion, costs: BTreeMap::from(costs) };
        let mut results = Results::default();
        results.experiments.insert("100:1:20".to_owned(), outcome);
        let back = results.write(&file).and_then(|()| Results::read(&file));
        let _ = fs::remove_file(&file);
        let back = back.expect("it was written");
        let outcome = &back.experiments["100:1:20"];
        assert_eq!((outcome.rounds(), outcome.measured), (3, measured));
        assert_eq!(outcome.congestion.as_deref(), Some("reno"));
        assert_eq!(outcome.median("raw"), Some(100.0));
        assert_eq!(outcome.ratio("events", None).map(|ratio| ratio.median), Some(1.105));
        assert_eq!(outcome.difference("events", "raw").map(|more| more.median), Some(11.0));
        assert_eq!(outcome.ratio("nobody", None), None);
        assert!(Results::read(Path::new("/nowhere")).expect("nothing yet").experiments.is_empty());
    }
}
