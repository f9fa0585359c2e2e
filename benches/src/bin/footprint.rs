//! How much code an echo in memory comes to with the protocol crate and with tungstenite, and how
//! long either takes to compile from clean.
//!
//! Writes small programs below `target/footprint` and builds them. Code is the size of `.text` in a
//! release build with fat link-time optimization, less that of a program that does nothing; it is
//! exact. Compiling is the processor time in user mode of a release build without link-time
//! optimization, dependencies included. Needs `size` of the binutils, and Linux.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// A program that is built.
struct Program {
    name: &'static str,
    dependency: Option<&'static str>,
    features: &'static str,
    source: &'static str,
}

const TUNGSTENITE: &str = "tungstenite = { version = \"=VERSION\", default-features = DEFAULT }";
const SOCKEYE: &str =
    "sockeye-protocol = { path = \"ROOT/crates/protocol\", default-features = DEFAULT }";

const PROGRAMS: [Program; 7] = [
    Program { name: "nothing", dependency: None, features: "-", source: NOTHING },
    Program { name: "echo", dependency: Some(SOCKEYE), features: "default", source: SOCKEYE_ECHO },
    Program { name: "echo", dependency: Some(SOCKEYE), features: "none", source: SOCKEYE_ECHO },
    Program {
        name: "echo",
        dependency: Some(TUNGSTENITE),
        features: "default",
        source: TUNGSTENITE_ECHO,
    },
    Program {
        name: "echo",
        dependency: Some(TUNGSTENITE),
        features: "none",
        source: TUNGSTENITE_ECHO,
    },
    Program {
        name: "handshake and echo",
        dependency: Some(SOCKEYE),
        features: "default",
        source: SOCKEYE_HANDSHAKE,
    },
    Program {
        name: "handshake and echo",
        dependency: Some(TUNGSTENITE),
        features: "default",
        source: TUNGSTENITE_HANDSHAKE,
    },
];

/// Reads and writes as the others do.
const NOTHING: &str = r#"
use std::io::{Read, Write};

fn main() {
    let mut received = Vec::new();
    std::io::stdin().read_to_end(&mut received).unwrap();
    std::io::stdout().write_all(&received).unwrap();
}
"#;

const SOCKEYE_ECHO: &str = r#"
use std::io::{Read, Write};
use std::sync::Arc;
use sockeye_protocol::{Buffers, Config, Connection, Event, Instant, Outbox, Output, Role, Unmasked};

fn main() {
    let mut received = Vec::new();
    std::io::stdin().read_to_end(&mut received).unwrap();
    let now = Instant::ZERO;
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
    let mut outbox = Outbox::new();
    let mut buffers = Buffers::default();
    let mut output = Output { outbox: &mut outbox, mask_keys: &mut Unmasked, buffers: &mut buffers, now };
    let mut input = &mut received[..];
    while let Ok(Some(event)) = connection.receive(&mut input, &mut output) {
        match event {
            Event::Text(text) => drop(connection.send_text(&text, &mut output)),
            Event::Binary(payload) => drop(connection.send_binary(&payload, &mut output)),
            _ => {}
        }
    }
    outbox.chunks().for_each(|chunk| std::io::stdout().write_all(chunk).unwrap());
}
"#;

const SOCKEYE_HANDSHAKE: &str = r#"
use std::io::{Read, Write};
use std::sync::Arc;
use sockeye_protocol::handshake::{Acceptance, HeadLimits, ServerHandshake};
use sockeye_protocol::{Buffers, Config, Connection, Event, Instant, Outbox, Output, Role, Unmasked};

fn main() {
    let mut received = Vec::new();
    std::io::stdin().read_to_end(&mut received).unwrap();
    let now = Instant::ZERO;
    let mut outbox = Outbox::new();
    let mut buffers = Buffers::default();
    let mut handshake = ServerHandshake::new(HeadLimits::default());
    let head_len = match handshake.receive(&received) {
        Ok(Some(head)) => {
            let Ok(upgrade) = head.upgrade() else { return };
            let Ok(()) = upgrade.accept(&Acceptance::default(), &mut outbox) else { return };
            head.head_len()
        }
        _ => return,
    };
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
    let mut output = Output { outbox: &mut outbox, mask_keys: &mut Unmasked, buffers: &mut buffers, now };
    let mut input = &mut received[head_len..];
    while let Ok(Some(event)) = connection.receive(&mut input, &mut output) {
        match event {
            Event::Text(text) => drop(connection.send_text(&text, &mut output)),
            Event::Binary(payload) => drop(connection.send_binary(&payload, &mut output)),
            _ => {}
        }
    }
    outbox.chunks().for_each(|chunk| std::io::stdout().write_all(chunk).unwrap());
}
"#;

/// A program with tungstenite whose socket comes from the statement given.
macro_rules! over_tungstenite {
    ($socket:literal) => {
        concat!(
            r#"
use std::io::{Cursor, Read, Write};

struct Stream(Cursor<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(target)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
}

fn main() {
    let mut received = Vec::new();
    std::io::stdin().read_to_end(&mut received).unwrap();
    let stream = Stream(Cursor::new(received));
    "#,
            $socket,
            r#"
    while let Ok(message) = socket.read() {
        if message.is_text() || message.is_binary() {
            socket.write(message).unwrap();
        }
    }
    drop(socket.flush());
}
"#
        )
    };
}

const TUNGSTENITE_ECHO: &str = over_tungstenite!(
    "let role = tungstenite::protocol::Role::Server;
    let mut socket = tungstenite::WebSocket::from_raw_socket(stream, role, None);"
);

const TUNGSTENITE_HANDSHAKE: &str =
    over_tungstenite!("let Ok(mut socket) = tungstenite::accept(stream) else { return };");

const MANIFEST: &str = r#"[package]
name = "echo"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
DEPENDENCY

[profile.release]
lto = "fat"
codegen-units = 1

[profile.plain]
inherits = "release"
lto = "off"
codegen-units = 16
"#;

fn main() -> ExitCode {
    match table() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> Result<(), String> {
    println!("| program | crate | features | code, KiB | compiling, s | crates |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut nothing = 0;
    for (index, program) in PROGRAMS.iter().enumerate() {
        let folder = write(index, program)?;
        let code = code_bytes(&folder)?;
        let Some(dependency) = program.dependency else {
            nothing = code;
            continue;
        };
        let seconds = compiling_seconds(&folder)?;
        let (name, _) = dependency.split_once(" =").unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let code = (code.saturating_sub(nothing)) as f64 / 1024.0;
        println!(
            "| {} | {name} | {} | {code:.1} | {seconds:.1} | {} |",
            program.name,
            program.features,
            crates(&folder)?
        );
    }
    Ok(())
}

/// Writes the program's package and returns its folder.
fn write(index: usize, program: &Program) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let in_root = |error| format!("{}: {error}", root.display());
    let folder = root.join("target/footprint").join(index.to_string());
    fs::create_dir_all(folder.join("src")).map_err(in_root)?;
    let lock = fs::read_to_string(root.join("Cargo.lock")).map_err(in_root)?;
    let version = lock.split("name = \"tungstenite\"\nversion = \"").nth(1);
    let version = version.and_then(|rest| rest.split('"').next()).ok_or("no tungstenite")?;
    let dependency = program
        .dependency
        .unwrap_or_default()
        .replace("ROOT", &root.display().to_string())
        .replace("VERSION", version)
        .replace("DEFAULT", if program.features == "default" { "true" } else { "false" });
    fs::write(folder.join("Cargo.toml"), MANIFEST.replace("DEPENDENCY", &dependency))
        .map_err(in_root)?;
    // The versions of the dependencies are those of the workspace.
    fs::write(folder.join("Cargo.lock"), lock).map_err(in_root)?;
    fs::write(folder.join("src/main.rs"), program.source).map_err(in_root)?;
    Ok(folder)
}

fn cargo(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS")
        .args(arguments)
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The size of the release build's `.text`.
fn code_bytes(folder: &Path) -> Result<u64, String> {
    cargo(folder, &["build", "--release"])?;
    let output = Command::new("size")
        .arg("-A")
        .arg(folder.join("target/release/echo"))
        .output()
        .map_err(|error| format!("size cannot be run ({error}); install the binutils"))?;
    let sections = String::from_utf8_lossy(&output.stdout);
    let text = sections.lines().find_map(|line| line.strip_prefix(".text "));
    text.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| "no .text".to_owned())
}

/// The processor time in user mode of a build from clean.
fn compiling_seconds(folder: &Path) -> Result<f64, String> {
    cargo(folder, &["clean", "--profile", "plain"])?;
    let before = children_seconds()?;
    cargo(folder, &["build", "--profile", "plain"])?;
    Ok(children_seconds()? - before)
}

/// How long all children that have ended, and theirs, spent in user mode (proc(5): the 16th field of
/// `stat`, in hundredths of a second).
fn children_seconds() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    // The name, the second field, may hold anything, and ends at the last parenthesis.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().nth(13).and_then(|field| field.parse::<f64>().ok());
    Ok(ticks.ok_or("no times of children")? / 100.0)
}

/// How many crates are built, the program itself left out.
fn crates(folder: &Path) -> Result<usize, String> {
    let tree =
        cargo(folder, &["tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"])?;
    let mut crates: Vec<&str> =
        tree.lines().skip(1).filter_map(|line| line.split(" (").next()).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len())
}
