//! The layout is the architecture: files stay small, and a module uses only modules that are
//! declared below it.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The modules declared in a file, in order, without its tests.
fn declared(source: &str) -> Vec<&str> {
    source
        .lines()
        .filter_map(|line| {
            let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';')
        })
        .filter(|name| *name != "tests")
        .collect()
}

/// Asserts the rules for the crate whose sources are in `folder`.
fn check(folder: &Path) {
    let mut files = Vec::new();
    sources(folder, &mut files);
    assert!(!files.is_empty());
    let root = fs::read_to_string(folder.join("lib.rs")).expect("lib.rs");
    let order = declared(&root);
    for file in &files {
        let source = fs::read_to_string(file).expect("a source file");
        let lines = source.lines().count();
        let name = file.strip_prefix(folder).expect("below the folder");
        assert!(lines <= LINES_MAX, "{} has {lines} lines", name.display());
        let first = name.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        let Some(own) = order.iter().position(|other| *other == module) else {
            continue;
        };
        for above in &order[..own] {
            for line in source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
                assert!(
                    !line.contains(&format!("crate::{above}::"))
                        && !line.contains(&format!("crate::{above};")),
                    "{} uses {above}, which is declared above it: {line}",
                    name.display()
                );
            }
        }
    }
}

#[test]
fn files_are_small_and_dependencies_point_down() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    for name in ["protocol", "reactor", "server"] {
        check(&crates.join(name).join("src"));
    }
}

#[test]
fn tests_are_small_too() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    let mut files = Vec::new();
    sources(crates, &mut files);
    for file in files {
        let lines = fs::read_to_string(&file).expect("a source file").lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

/// The words that a crate without I/O, clock, randomness and threads does not say.
#[test]
fn the_protocol_opens_no_socket_and_reads_no_clock() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).expect("a source file");
        let code = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        for line in code {
            for word in ["std::net", "std::time", "std::thread", "std::fs", "getrandom", "println!"]
            {
                assert!(!line.contains(word), "{} says {word}", file.display());
            }
        }
    }
}
