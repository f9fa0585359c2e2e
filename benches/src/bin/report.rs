//! Writes what `cargo bench -p sockeye-benches --bench protocol` measured last into
//! docs/performance.md, between its markers, and into docs/figures.
//!
//! Results of benches that no longer exist stay below `target/criterion` until they are removed
//! from there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use sockeye_benches::report::{GROUPS, Setting, plot, read, replace_between, section};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let (groups, measured) = read(&target.join("criterion"))?;
    let setting = Setting::read(root, measured);
    let figures = root.join("docs/figures");
    let in_docs = |error| format!("docs: {error}");
    fs::create_dir_all(&figures).map_err(in_docs)?;
    for group in groups.iter().filter(|group| GROUPS.iter().any(|(name, _)| *name == group.name)) {
        let file = figures.join(format!("{}.svg", group.name));
        fs::write(file, plot(group, &setting)).map_err(in_docs)?;
    }
    let document = root.join("docs/performance.md");
    let text = fs::read_to_string(&document).map_err(in_docs)?;
    let text = replace_between(&text, "protocol", &section(&groups, &setting))?;
    fs::write(document, text).map_err(in_docs)
}
