use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::{NEIGHBOURS, OURS, PEERS};

/// All inputs of one group.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its inputs, in order.
    pub rows: Vec<Row>,
}

/// One input.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub input: String,
    /// Nanoseconds of one operation, by who did it.
    pub times: BTreeMap<String, f64>,
}

impl Row {
    /// How many times as long as Sockeye `name` took.
    #[must_use]
    pub fn ratio(&self, name: &str) -> Option<f64> {
        Some(self.times.get(name)? / self.times.get(OURS)?)
    }

    /// The best ratio of a peer.
    #[must_use]
    pub fn best_peer(&self) -> Option<f64> {
        PEERS.iter().filter_map(|peer| self.ratio(peer)).min_by(f64::total_cmp)
    }
}

impl Group {
    /// Who takes part in it beside Sockeye: peers first, in the order of [`PEERS`] and
    /// [`NEIGHBOURS`].
    #[must_use]
    pub fn others(&self) -> Vec<&'static str> {
        let takes_part = |name: &&str| self.rows.iter().any(|row| row.times.contains_key(*name));
        PEERS.into_iter().chain(NEIGHBOURS).filter(takes_part).collect()
    }
}

/// Reads what criterion left below `folder`: the median of each bench that counts its operations.
/// Returns the groups by their names, and when the last of them was measured.
///
/// # Errors
///
/// A file cannot be read, or is not criterion's.
pub fn read(folder: &Path) -> Result<(Vec<Group>, SystemTime), String> {
    let mut groups: BTreeMap<String, BTreeMap<Vec<Word>, Row>> = BTreeMap::new();
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut files = Vec::new();
    benchmarks(folder, &mut files)?;
    for file in files {
        let Some((group, input, name, operations)) = describe(&json(&file)?) else { continue };
        let file = file.with_file_name("estimates.json");
        let estimates = json(&file)?;
        let median = &estimates["median"]["point_estimate"];
        let median = median.as_f64().ok_or_else(|| format!("{}: no median", file.display()))?;
        let measured = fs::metadata(&file).and_then(|metadata| metadata.modified());
        newest = newest.max(measured.map_err(|error| format!("{}: {error}", file.display()))?);
        let rows = groups.entry(group).or_default();
        let row = rows.entry(words(&input)).or_insert(Row { input, times: BTreeMap::new() });
        row.times.insert(name, median / operations);
    }
    let group = |(name, rows): (String, BTreeMap<_, Row>)| Group {
        name,
        rows: rows.into_values().collect(),
    };
    Ok((groups.into_iter().map(group).collect(), newest))
}

/// Finds the descriptions of all benches, each beside its newest figures.
fn benchmarks(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), String> {
    let in_folder = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(in_folder)? {
        let path = entry.map_err(in_folder)?.path();
        if path.is_dir() {
            benchmarks(&path, into)?;
        } else if path.ends_with("new/benchmark.json") {
            into.push(path);
        }
    }
    Ok(())
}

fn json(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// The group, the input, who did it, and how many operations one run has. Other benches do not
/// count them.
fn describe(benchmark: &Value) -> Option<(String, String, String, f64)> {
    let word = |name: &str| benchmark[name].as_str().map(str::to_owned);
    let operations = benchmark["throughput"]["ElementsAndBytes"]["elements"].as_f64()?;
    Some((word("group_id")?, word("value_str")?, word("function_id")?, operations))
}

/// A piece of an input's name, by which inputs are put in order: numbers by their value in bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Number(u64),
    Other(String),
}

fn words(input: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for word in input.split([' ', ',']).filter(|word| !word.is_empty()) {
        match (word, word.parse(), words.last_mut()) {
            ("KiB", _, Some(Word::Number(number))) => *number *= 1024,
            ("MiB", _, Some(Word::Number(number))) => *number *= 1024 * 1024,
            (_, Ok(number), _) => words.push(Word::Number(number)),
            _ => words.push(Word::Other(word.to_owned())),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Row, describe, words};

    #[test]
    fn inputs_are_put_in_order_by_their_sizes() {
        let mut inputs =
            ["text, 1 MiB", "text, 20 B", "text, 1 KiB", "echo, 64 KiB", "text, 125 B"];
        inputs.sort_by_key(|input| words(input));
        assert_eq!(
            inputs,
            ["echo, 64 KiB", "text, 20 B", "text, 125 B", "text, 1 KiB", "text, 1 MiB"]
        );
    }

    #[test]
    fn a_ratio_is_the_others_time_over_ours() {
        let times = [("sockeye", 10.0), ("tungstenite", 30.0), ("soketto", 25.0), ("memcpy", 1.0)];
        let times = times.map(|(name, time)| (name.to_owned(), time));
        let row = Row { input: String::new(), times: BTreeMap::from(times) };
        assert_eq!(row.ratio("memcpy"), Some(0.1));
        assert_eq!(row.ratio("std"), None);
        assert_eq!(row.best_peer(), Some(2.5));
    }

    #[test]
    fn only_benches_that_count_their_operations_are_read() {
        let benchmark = |throughput: &str| {
            let text = format!(
                r#"{{"group_id":"mask","function_id":"memcpy","value_str":"4 B","throughput":{throughput}}}"#
            );
            describe(&serde_json::from_str(&text).expect("JSON"))
        };
        let counted = benchmark(r#"{"ElementsAndBytes":{"elements":8,"bytes":32}}"#);
        let expected = ("mask".to_owned(), "4 B".to_owned(), "memcpy".to_owned(), 8.0);
        assert_eq!(counted, Some(expected));
        assert_eq!(benchmark(r#"{"Bytes":4}"#), None);
    }
}
