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

/// The file of the module `name` that is declared in `parent`, and the folder of its own modules.
fn module(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let inner = folder.join(name);
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { (file, inner) } else { (inner.join("mod.rs"), inner) }
}

/// Asserts that each module declared in `file`, whose modules lie in `folder`, uses only those of
/// its siblings that are declared below it; `path` is how they call each other.
fn check_order(file: &Path, folder: &Path, path: &str) {
    let source = fs::read_to_string(file).expect("a source file");
    let order = declared(&source);
    for (own, name) in order.iter().enumerate() {
        let (file, inner) = module(folder, name);
        let mut files = vec![file.clone()];
        // From the crate's root everything in a module's folder calls it by the same path.
        if path == "crate::" && inner.is_dir() {
            sources(&inner, &mut files);
        }
        for file in &files {
            let source = fs::read_to_string(file).expect("a source file");
            for line in source.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
                for above in &order[..own] {
                    assert!(
                        !line.contains(&format!("{path}{above}::"))
                            && !line.contains(&format!("{path}{above};")),
                        "{} uses {above}, which is declared above it: {line}",
                        file.display()
                    );
                }
            }
        }
        check_order(&file, &inner, " super::");
    }
}

/// Asserts the rules for the crate whose sources are in `folder`.
fn check(folder: &Path) {
    let mut files = Vec::new();
    sources(folder, &mut files);
    assert!(!files.is_empty());
    for file in &files {
        let lines = fs::read_to_string(file).expect("a source file").lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
    check_order(&folder.join("lib.rs"), folder, "crate::");
}

#[test]
fn files_are_small_and_dependencies_point_down() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    for name in ["protocol", "reactor", "server", "tokio", "products-example"] {
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

/// A fuzz target is a crate of its own: what it includes from ours stands alone.
#[test]
fn what_fuzz_targets_include_uses_nothing_of_its_crate() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let mut files = Vec::new();
    sources(&targets, &mut files);
    let mut included = 0;
    for file in files {
        let source = fs::read_to_string(&file).expect("a fuzz target");
        for line in source.lines() {
            let Some(path) = line.strip_prefix("#[path = \"") else { continue };
            let path = targets.join(path.strip_suffix("\"]").expect("a path"));
            let source = fs::read_to_string(&path).expect("what a fuzz target includes");
            let product = source.split("#[cfg(test)]").next().expect("the product's part");
            assert!(!product.contains("crate::"), "{} uses its crate", path.display());
            included += 1;
        }
    }
    assert_eq!(included, 1, "the router");
}
