//! docs/security.md and the tests name the same threats.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A threat or an attack, as tests spell it: `l1`, `09`.
type Id = String;

fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    crates.parent().expect("the repository").to_owned()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn is_threat(word: &str) -> bool {
    let (class, number) = word.split_at_checked(1).unwrap_or_default();
    "lfcqhk".contains(class) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_attack(word: &str) -> bool {
    word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ids that the name of a test carries: those behind `threat_` and behind `attack_`.
fn carried(name: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    let mut is_id: fn(&str) -> bool = |_| false;
    for word in name.split('_') {
        match word {
            "threat" => is_id = is_threat,
            "attack" => is_id = is_attack,
            word if is_id(word) => ids.push(word.to_owned()),
            _ => is_id = |_| false,
        }
    }
    ids
}

/// The ids that tests carry, each with the test's file, from the repository's root.
fn carried_by_tests() -> BTreeSet<(Id, String)> {
    let mut files = Vec::new();
    for folder in ["crates", "benches"] {
        sources(&root().join(folder), &mut files);
    }
    let mut all = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(&file).expect("a source file");
        let path = file.strip_prefix(root()).expect("a file of the repository").to_string_lossy();
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            if let Some(signature) = line.strip_prefix("fn ") {
                let (name, _) = signature.split_once('(').unwrap_or_default();
                let ids = carried(name);
                assert!(ids.is_empty() || is_test, "{path}: {name} is no test");
                all.extend(ids.into_iter().map(|id| (id, path.to_string())));
            }
            is_test = line == "#[test]" || (is_test && line.starts_with("#["));
        }
    }
    all
}

/// The rows of both tables: the id as tests spell it, and the last column.
fn rows() -> Vec<(Id, String)> {
    let text = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let id = cells[0].to_lowercase();
        if is_threat(&id) || is_attack(&id) {
            assert_eq!(cells.len(), 4, "{line}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{line}");
            rows.push((id, cells[3].to_owned()));
        }
    }
    rows
}

#[test]
fn every_threat_has_its_test_and_every_test_its_threat() {
    let tests = carried_by_tests();
    let rows = rows();
    let mut named = BTreeSet::new();
    for (id, test) in &rows {
        let files: Vec<&str> = test.split('`').filter(|word| word.ends_with(".rs")).collect();
        assert!(
            !files.is_empty() || test.starts_with("no test: "),
            "{id} has no test and gives no reason: {test}"
        );
        for file in files {
            assert!(named.insert((id.clone(), file.to_owned())), "{id} names {file} twice");
        }
    }
    let missing: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "named in docs/security.md and not found: {missing:#?}");
    let unnamed: Vec<_> = tests.difference(&named).collect();
    assert!(unnamed.is_empty(), "not named in docs/security.md: {unnamed:#?}");
    let ids: BTreeSet<&Id> = rows.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), rows.len(), "an id has two rows");
}

/// Code without its comments and without what is in quotes.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

/// No memory is shown that was not written: `unsafe` stands in two files, and each of its blocks
/// takes bytes for UTF-8 that are proved to be, or calls what the machine was asked for.
#[test]
fn threat_q9_c11_unsafe_code_is_where_it_is_proved() {
    let mut found = Vec::new();
    for package in ["protocol", "reactor", "server", "tokio", "cli"] {
        let mut files = Vec::new();
        sources(&root().join("crates").join(package).join("src"), &mut files);
        for file in files {
            let source = fs::read_to_string(&file).expect("a source file");
            let blocks = code(&source).filter(|line| line.contains("unsafe {")).count();
            let others = code(&source)
                .filter(|line| line.contains("unsafe fn") || line.contains("unsafe impl"))
                .count();
            if blocks + others > 0 {
                let path = file.strip_prefix(root()).expect("a file of the repository");
                found.push((path.to_string_lossy().into_owned(), blocks, others));
            }
        }
    }
    found.sort();
    let expected = [("frame/mask.rs", 6, 0), ("utf8.rs", 2, 0)];
    let expected = expected
        .map(|(file, blocks, others)| (format!("crates/protocol/src/{file}"), blocks, others));
    assert_eq!(found, expected);
}

/// RFC 6455, section 10.8: SHA-1 proves nothing but that the peer speaks WebSocket.
#[test]
fn sec_10_sha_1_makes_the_accept_value_and_nothing_else() {
    let mut files = Vec::new();
    for package in ["protocol", "reactor", "server", "cli"] {
        sources(&root().join("crates").join(package).join("src"), &mut files);
    }
    let says_sha = |file: &PathBuf| {
        let source = fs::read_to_string(file).expect("a source file");
        code(&source).any(|line| line.contains("sha1") || line.contains("Sha1"))
    };
    files.retain(says_sha);
    assert_eq!(files, [root().join("crates/protocol/src/handshake/key.rs")]);
}

#[test]
fn names_carry_their_ids() {
    assert_eq!(carried("threat_l1_boundaries"), ["l1"]);
    assert_eq!(carried("msk_03_threat_k1_q5_keys_l2"), ["k1", "q5"]);
    assert_eq!(carried("attack_09_10_threat_q1_floods"), ["09", "10", "q1"]);
    assert!(carried("an_attack_is_no_threat_at_all").is_empty());
}
