//! The examples: the README shows the first, and all of them run.

mod autobahn_client;
#[cfg(feature = "axum")]
mod axum_websockets;
mod chat;
mod client;
mod foreign;
mod interval;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect(path)
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `cargo test` has built it beside this binary.
fn example(argument: &str) -> Command {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    let mut command = Command::new(path.join("examples/echo"));
    command.arg(argument).stdout(Stdio::piped());
    command
}

#[test]
fn the_readme_shows_the_example() {
    let readme = read("README.md");
    let section = readme.split("## On tokio").nth(1).expect("a section about tokio");
    let block = section.split("```").nth(1).expect("a block");
    let (_, block) = block.split_once('\n').expect("lines");
    let normalize = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let example = normalize(&read("crates/tokio/examples/echo.rs"));
    let block = normalize(block);
    assert!(block.len() > 100 && example.contains(&block), "{block}");
}

#[test]
fn the_example_echoes() {
    let mut server = Ended(example("127.0.0.1:0").spawn().expect("it runs"));
    let mut url = String::new();
    let stdout = server.0.stdout.take().expect("standard output");
    BufReader::new(stdout).read_line(&mut url).expect("a line");
    let said = example(url.trim()).args(["hello", "grüße"]).output().expect("it runs");
    assert!(said.status.success());
    assert_eq!(String::from_utf8(said.stdout).expect("text"), "hello\ngrüße\n");
}
