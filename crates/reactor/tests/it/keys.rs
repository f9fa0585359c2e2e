//! Where masking keys come from, and that nobody else sees them: read in the sources, as what is
//! not there cannot be called.

use std::fs;
use std::path::{Path, PathBuf};

/// The sources of the layers that mask frames by themselves, with their paths below `crates`.
fn sources() -> Vec<(String, String)> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates folder");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["reactor/src", "server/src", "cli/src"].map(|folder| crates.join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(crates).expect("below it").display().to_string();
                found.push((path, source));
            }
        }
    }
    assert!(found.len() > 50);
    found.sort();
    found
}

/// One source of keys, which asks the operating system; beside it that of the simulated peer in
/// `sockeye::testing`, which no connection of this crate can get.
#[test]
fn msk_04_keys_come_from_the_operating_system() {
    let sources = sources();
    let with = |word: &str| -> Vec<&str> {
        let found = sources.iter().filter(|(_, source)| source.contains(word));
        found.map(|(path, _)| path.as_str()).collect()
    };
    assert_eq!(with("impl MaskKeys for"), ["reactor/src/entropy.rs", "server/src/testing.rs"]);
    for (path, source) in &sources {
        for given in source.lines().filter(|line| line.contains("mask_keys:")) {
            assert!(given.contains(".entropy") || path.ends_with("testing.rs"), "{path}: {given}");
        }
    }
    assert_eq!(with("getrandom::"), ["reactor/src/entropy.rs"]);
    let (_, entropy) = sources.iter().find(|(path, _)| path.ends_with("entropy.rs")).expect("it");
    let code = entropy.split("#[cfg(test)]").next().expect("the code before its tests");
    assert!(code.contains("getrandom::fill(&mut self.bytes).expect("), "failure is no zero key");
    for word in ["seed", "wrapping_mul", "RandomState", "rand::", "crate::"] {
        assert!(!code.contains(word), "{word}");
    }
}

/// No public item takes a key, returns one, or lends the source of them.
#[test]
fn msk_06_no_public_item_takes_or_returns_a_key() {
    for (path, source) in sources() {
        let mut signature = String::new();
        for line in source.lines().map(str::trim_start) {
            if line.starts_with("pub ") || !signature.is_empty() {
                signature.push_str(line);
                signature.push(' ');
            }
            if line.ends_with(['{', ';', '}', ',']) {
                for word in ["MaskKeys", "mask_key", "[u8; 4]", "Output<", "Entropy"] {
                    assert!(!signature.contains(word), "{path}: {signature}");
                }
                signature.clear();
            }
        }
    }
}
