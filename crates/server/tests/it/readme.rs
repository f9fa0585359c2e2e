//! The README says what is so: its blocks are compiled and run, and CI runs its commands.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sockeye::connect_blocking;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect(path)
}

/// The fenced blocks whose opening fence says `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let starts = text.match_indices(&fence).map(|(start, _)| &text[start + fence.len()..]);
    starts.map(|rest| rest[..rest.find("```").expect("a closing fence")].to_owned()).collect()
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_servers_block_is_the_example_and_the_example_serves() {
    let block = blocks(&read("README.md"), "rust,no_run");
    assert_eq!(block, [read("crates/server/examples/rooms.rs")]);
    assert!(block[0].lines().filter(|line| !line.trim().is_empty()).count() <= 20);

    // `cargo test` has built the examples beside this binary.
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/rooms"));
    let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut server = Ended(child.expect("the example runs"));
    let mut url = String::new();
    let stdout = server.0.stdout.take().expect("standard output");
    BufReader::new(stdout).read_line(&mut url).expect("a line");

    let mut one = connect_blocking(url.trim()).expect("connected");
    let mut two = connect_blocking(url.trim()).expect("connected");
    // The second has joined when it hears itself.
    two.send_text("hello").expect("sent");
    assert_eq!(two.recv().expect("a message").as_text(), Some("hello"));
    assert_eq!(one.recv().expect("a message").as_text(), Some("hello"));
}

#[test]
fn the_protocols_block_is_short_and_runs_as_a_documentation_test() {
    let block = blocks(&read("README.md"), "rust");
    assert_eq!(block.len(), 1);
    assert!(block[0].lines().filter(|line| !line.trim().is_empty()).count() <= 20);
    assert!(read("crates/server/src/lib.rs").contains("include_str!(\"../../../README.md\")"));
}

#[test]
fn ci_runs_the_commands_of_the_readme() {
    let ci = read(".ci/run");
    let readme = read("README.md");
    for command in blocks(&readme, "sh").iter().flat_map(|block| block.lines()) {
        let tested = command.starts_with("cargo test");
        assert!(!tested || ci.lines().any(|line| line == command), "CI does not run {command}");
    }
}
