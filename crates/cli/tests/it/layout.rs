//! The layout of the commands and of the tests against foreign programs: files stay small, and a
//! module uses only modules that are declared below it.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

/// Checks the modules that `root` declares; a module says `prefix` when it names a sibling.
fn check_order(root: &Path, prefix: &str) {
    let folder = root.parent().expect("a file lies in a folder");
    let source = fs::read_to_string(root).expect("a source file");
    let declared = |line: &str| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let order: Vec<_> = source.lines().filter_map(declared).collect();
    assert!(order.len() > 1, "{} declares its modules", root.display());
    for (own, module) in order.iter().enumerate() {
        let mut sources = Vec::new();
        if folder.join(module).is_dir() {
            files(&folder.join(module), &mut sources);
        } else {
            sources.push(folder.join(format!("{module}.rs")));
        }
        for file in sources {
            let text = fs::read_to_string(&file).expect("a source file");
            for above in &order[..own] {
                let named = format!("{prefix}::{above}::");
                assert!(!text.contains(&named), "{} uses {above} above it", file.display());
            }
        }
    }
}

#[test]
fn files_are_small_and_modules_use_only_those_below_them() {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interop = cli.join("../interop");
    let conformance = cli.join("../conformance/src");
    check_order(&cli.join("src/main.rs"), "crate");
    check_order(&cli.join("src/serve/mod.rs"), "super");
    check_order(&cli.join("src/bench/mod.rs"), "super");
    check_order(&interop.join("src/lib.rs"), "crate");
    check_order(&conformance.join("main.rs"), "crate");
    check_order(&conformance.join("autobahn/mod.rs"), "super");
    let mut all = Vec::new();
    let interop = [interop.join("src"), interop.join("tests")];
    for folder in [cli.join("src"), cli.join("tests"), conformance].iter().chain(&interop) {
        files(folder, &mut all);
    }
    for file in all {
        let lines = fs::read_to_string(&file).expect("text").lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}
