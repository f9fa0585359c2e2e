//! The conformance matrix of `docs/conformance.md` against the tests of the workspace: every row
//! has a test that names it or a reason for having none, and no test names a row that is not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a row says about its tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At least one test names it, whether it is done as the row says or otherwise.
    Tested,
    /// No test names it, for the reason given.
    Absent,
}

impl State {
    /// Reads the last column of a row.
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(": ") {
            None if text.is_empty() => Ok(Self::Tested),
            // A reason of one word is none.
            Some((_, reason)) if reason.split(' ').count() < 3 => {
                Err(format!("no reason: {reason}"))
            }
            Some(("otherwise", _)) => Ok(Self::Tested),
            Some(("not done" | "not applicable", _)) => Ok(Self::Absent),
            _ => Err(format!("unknown state: {text}")),
        }
    }
}

/// A series and a number, as in FRM-05.
fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(series, number)| {
        series.len() >= 3
            && series.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.len() == 2
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The rows of a matrix in Markdown: lines of a table whose first cell is an id.
fn rows(matrix: &str) -> Result<BTreeMap<&str, State>, String> {
    let mut rows = BTreeMap::new();
    for line in matrix.lines() {
        let Some(inner) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else {
            continue;
        };
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let id = cells[0];
        if !is_id(id) {
            continue;
        }
        let [_, section, requirement, who, state] = cells[..] else {
            return Err(format!("{id} has {} columns", cells.len()));
        };
        if section.is_empty() || requirement.split(": ").count() < 2 {
            return Err(format!("{id} says nothing"));
        }
        if !matches!(who, "server" | "client" | "both") {
            return Err(format!("{id} binds nobody: {who}"));
        }
        let state = State::parse(state).map_err(|error| format!("{id}: {error}"))?;
        if rows.insert(id, state).is_some() {
            return Err(format!("{id} stands there twice"));
        }
    }
    Ok(rows)
}

/// The ids in a function's name: `frm_12_13_msk_01_sent` names FRM-12, FRM-13 and MSK-01.
fn ids_of_name<'n>(name: &'n str, series: &[&str]) -> impl Iterator<Item = String> + use<'n> {
    let series: Vec<String> = series.iter().map(|name| name.to_lowercase()).collect();
    let mut current = None;
    name.split('_').filter_map(move |word| {
        if series.iter().any(|series| series == word) {
            current = Some(word.to_uppercase());
            return None;
        }
        let number = word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit());
        if !number {
            current = None;
        }
        current.as_ref().map(|series| format!("{series}-{word}"))
    })
}

/// The ids that a source file names, in functions that are tests and in strings of nothing but ids.
fn named(source: &str, series: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        if line == "#[test]" {
            is_test = true;
        } else if let Some(signature) = line.strip_prefix("fn ") {
            let name = signature.split(['(', '<']).next().unwrap_or_default();
            if is_test {
                ids.extend(ids_of_name(name, series));
            }
            is_test = false;
        }
        for text in line.split('"') {
            let words = || text.split([',', ' ']).filter(|word| !word.is_empty());
            let known = |word: &str| word.split_once('-').is_some_and(|(s, _)| series.contains(&s));
            if words().all(|word| is_id(word) && known(word)) {
                ids.extend(words().map(str::to_owned));
            }
        }
    }
    ids
}

/// What is wrong between a matrix and the sources, a line for each fault.
fn faults(matrix: &str, sources: &[(String, String)]) -> Vec<String> {
    let rows = match rows(matrix) {
        Ok(rows) => rows,
        Err(fault) => return vec![fault],
    };
    let mut series: Vec<&str> = rows.keys().filter_map(|id| Some(id.split_once('-')?.0)).collect();
    series.dedup();
    let mut faults = Vec::new();
    let mut tests: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, source) in sources {
        for id in named(source, &series) {
            match rows.get_key_value(id.as_str()) {
                Some((&id, _)) => _ = tests.insert(id, path),
                None => faults.push(format!("{path} names {id}, which is no row")),
            }
        }
    }
    for (id, state) in rows {
        match (state, tests.get(id)) {
            (State::Tested, None) => faults.push(format!("{id} has neither a test nor a reason")),
            (State::Absent, Some(path)) => {
                faults.push(format!("{id} says why it has no test, and {path} has one"));
            }
            _ => {}
        }
    }
    faults
}

/// The sources of the workspace below `folder`, but for this file, whose examples are made up.
fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, into);
        } else if name.ends_with(".rs") && !path.ends_with("it/matrix.rs") {
            let source = fs::read_to_string(&path).expect("a source file");
            into.push((path.display().to_string(), source));
        }
    }
}

#[test]
fn every_row_of_the_matrix_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let matrix = fs::read_to_string(root.join("docs/conformance.md")).expect("the matrix");
    let mut files = Vec::new();
    for folder in ["crates", "benches", "fuzz"] {
        sources(&root.join(folder), &mut files);
    }
    // A reader that understands nothing finds no fault either.
    assert!(rows(&matrix).is_ok_and(|rows| rows.len() >= 306) && files.len() > 200);
    let faults = faults(&matrix, &files);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The faults of a matrix with the rows `rows` beside a file `t.rs` with the text `source`.
fn judged(rows: &str, source: &str) -> Vec<String> {
    let matrix = format!("| id | section | requirement | who | state |\n| --- |\n{rows}\n");
    faults(&matrix, &[("t.rs".to_owned(), source.to_owned())])
}

const FRM_01: &str = "| FRM-01 | 5.2 | M: one | both | |";

#[test]
fn a_row_without_test_and_reason_is_a_fault() {
    let missing = ["FRM-01 has neither a test nor a reason"];
    assert_eq!(judged(FRM_01, ""), missing);
    let tests = [
        "#[test]\nfn frm_01_one() {}",
        "    #[test]\n    #[cfg(unix)]\n    fn frm_01() {}",
        "#[test]\nfn msk_02_frm_02_01_one() {}",
        "rows: \"FRM-01\",",
        "refused!(\"FRM-02, FRM-01\", BOTH)",
    ];
    let three = format!("{FRM_01}\n| FRM-02 | 5 | S: two | server | otherwise: for a reason |");
    for source in tests {
        let faults = judged(&three, source);
        assert!(!faults.iter().any(|fault| fault.contains("FRM-01")), "{source}: {faults:?}");
    }
    let none = [
        "fn frm_01_a_helper() {}",
        "// \"FRM-01\" is mentioned",
        "/// #[test]\nfn frm_01() {}",
        "#[test]\nfn frm() {}\nfn frm_01_a_helper() {}",
        "#[test]\nfn frm_1_one() {}",
        "#[test]\nfn form_01_one() {}",
        "panic!(\"FRM-01 is broken\")",
    ];
    for source in none {
        assert_eq!(judged(FRM_01, source), missing, "{source}");
    }
}

#[test]
fn a_test_of_a_row_that_is_not_there_is_a_fault() {
    for source in ["#[test]\nfn frm_01_02_two() {}", "#[test]\nfn frm_01() {}\n\"FRM-02\""] {
        assert_eq!(judged(FRM_01, source), ["t.rs names FRM-02, which is no row"]);
    }
    // Other words are no ids: an encoding, a test with numbers of its own.
    let source = "#[test]\nfn frm_01_takes_02_bytes() {}\n\"ABC-16\"\n\"UTF-16\"\n\"FRM-011\"";
    assert_eq!(judged(FRM_01, source), [""; 0]);
}

#[test]
fn a_reason_and_a_test_together_are_a_fault() {
    let source = "#[test]\nfn frm_01_one() {}";
    for state in ["not done: it is too hard", "not applicable: there is no such thing"] {
        let row = FRM_01.replace("| |", &format!("| {state} |"));
        assert_eq!(judged(&row, ""), [""; 0]);
        assert_eq!(judged(&row, source), ["FRM-01 says why it has no test, and t.rs has one"]);
    }
    let otherwise = FRM_01.replace("| |", "| otherwise: as it is better |");
    assert_eq!(judged(&otherwise, ""), ["FRM-01 has neither a test nor a reason"]);
    assert_eq!(judged(&otherwise, source), [""; 0]);
}

#[test]
fn a_row_that_is_not_well_formed_is_a_fault() {
    let twice = format!("{FRM_01}\n{FRM_01}");
    let cases = [
        (twice.as_str(), "FRM-01 stands there twice"),
        ("| FRM-01 | 5.2 | M: one | |", "FRM-01 has 4 columns"),
        ("| FRM-01 | | M: one | both | |", "FRM-01 says nothing"),
        ("| FRM-01 | 5.2 | one | both | |", "FRM-01 says nothing"),
        ("| FRM-01 | 5.2 | M: one | nobody | |", "FRM-01 binds nobody: nobody"),
        ("| FRM-01 | 5.2 | M: one | both | tested |", "FRM-01: unknown state: tested"),
        ("| FRM-01 | 5.2 | M: one | both | pending |", "FRM-01: unknown state: pending"),
        ("| FRM-01 | 5.2 | M: one | both | not done: later |", "FRM-01: no reason: later"),
        (
            "| FRM-01 | 5.2 | M: one | both | some day: when it suits |",
            "FRM-01: unknown state: some day: when it suits",
        ),
    ];
    for (rows, fault) in cases {
        assert_eq!(judged(rows, ""), [fault]);
    }
}
