//! From what criterion measured to the section of docs/performance.md and its figures.

// In reading order; a module uses only modules declared below it.
mod table;
mod plot;
mod chart;
mod results;
mod setting;

pub use chart::{Chart, Scale};
pub use plot::plot;
pub use results::{Group, Row, read};
pub use setting::Setting;
pub use table::{replace_between, section};

/// What stands in for everyone else's time in ratios.
pub const OURS: &str = "sockeye";

/// The implementations that do the same job, in the order of tables and plots.
pub const PEERS: [&str; 5] =
    ["tungstenite", "fastwebsockets", "tokio-websockets", "soketto", "websocket-sans-io"];

/// What does less than the job: a part of it, or all of it without a rule or a limit.
pub const NEIGHBOURS: [&str; 10] = [
    "by hand",
    "memcpy",
    "memcpy and simdutf8",
    "std",
    "simdutf8",
    "httparse",
    "parts",
    "zlib-rs",
    "flate2",
    "miniz_oxide",
];

/// The groups, in the order of the section, each with what it is about.
pub const GROUPS: [(&str, &str); 7] = [
    ("mask", "Masking, in place and while copying"),
    ("utf8", "Text received, by its characters and pieces"),
    ("frame", "Headers written, and streams of masked frames read"),
    ("message", "Whole messages received, and echoed"),
    ("send", "Text sent, by either end and to many clients"),
    ("handshake", "The opening handshake"),
    ("deflate", "Compression, beside the bare libraries"),
];
