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

/// The modules that the crate's root declares, in order.
fn declared(root: &str) -> Vec<&str> {
    root.lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect()
}

#[test]
fn files_are_small_and_modules_use_only_those_below_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(folder.join("lib.rs")).expect("the root");
    let order = declared(&root);
    let mut files = Vec::new();
    sources(&folder, &mut files);
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut files);
    for file in &files {
        let source = fs::read_to_string(file).expect("a source file");
        let lines = source.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
        let Ok(name) = file.strip_prefix(&folder) else { continue };
        let first = name.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs");
        let Some(own) = order.iter().position(|other| *other == module) else { continue };
        // Unit tests at the end of a file may use what they like.
        let code = source.split("#[cfg(test)]").next().expect("the part before the tests");
        for above in &order[..own] {
            for line in code.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
                let uses = [format!("crate::{above}::"), format!("crate::{above};")];
                let used = uses.iter().any(|used| line.contains(used));
                assert!(!used, "{} uses {above}, which stands above it: {line}", name.display());
            }
        }
    }
}
