//! Very many idle connections with keepalive, over as many processes as descriptors ask for.

use rustix::process::{Resource, getrlimit};
use serde_json::Value;

use super::peers::{OURS, Peer, RAW};
use super::processes::{Programs, Server, keep_idle};
use super::section::in_words;
use crate::report::Setting;

/// Descriptors that a server needs beside its connections.
const DESCRIPTORS_OWN: usize = 1000;

/// How many connections, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Million {
    /// Connections of all servers together.
    pub connections: usize,
    /// Seconds for which all are open and counted.
    pub seconds: u64,
    /// Seconds of silence before a ping.
    pub interval: u64,
}

/// What one kind of server came to.
#[derive(Clone, Debug)]
pub struct Crowded {
    peer: Peer,
    processes: usize,
    /// The sum of the proportional set sizes with all connections, less what it was with none.
    bytes: f64,
    /// Pings that were answered.
    pings: f64,
    cpu_nanos: f64,
}

/// Opens that many on each of the raw server and ours, one kind after the other.
///
/// # Errors
///
/// When a server or the load fails, as where ports, descriptors or memory do not suffice.
pub fn crowd(programs: &Programs<'_>, million: &Million) -> Result<Vec<Crowded>, String> {
    let limit = getrlimit(Resource::Nofile).maximum.and_then(|limit| usize::try_from(limit).ok());
    let per_process = limit.unwrap_or(1 << 20).saturating_sub(DESCRIPTORS_OWN).max(1);
    let processes = million.connections.div_ceil(per_process);
    let options = [format!("--heartbeat={}", million.interval)];
    let mut all = Vec::new();
    for peer in [RAW, OURS[0], OURS[1]] {
        eprintln!("{}: {} connections over {processes} processes", peer.label, million.connections);
        let servers = (0..processes).map(|_| Server::start_with(programs, peer, &options));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let result = keep_idle(programs, &servers, million.connections, million.seconds)?;
        all.push(read(peer, processes, &result).ok_or_else(|| format!("no result: {result}"))?);
    }
    Ok(all)
}

fn read(peer: Peer, processes: usize, result: &Value) -> Option<Crowded> {
    let server = &result["server"];
    let bytes = |name: &str| server["memory"][name].as_f64();
    Some(Crowded {
        peer,
        processes,
        bytes: bytes("proportional")? - bytes("proportional_before")?,
        pings: result["pings"].as_f64()?,
        cpu_nanos: server["cpu"].as_f64()?,
    })
}

/// The text of the section: the setting, and a line for each kind of server.
#[must_use]
pub fn crowd_section(
    million: &Million,
    all: &[Crowded],
    congestion: Option<&str>,
    setting: &Setting,
) -> String {
    let mut text = format!(
        "\n{}\nTCP congestion control: {}.\n\n{} connections, a ping after {} s of silence, counted for {} s when all were open.\n\n\
         | server | processes | memory, MB | bytes per connection | pings | processor time per ping, ns | against raw |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        setting.in_words(),
        in_words(congestion),
        million.connections,
        million.interval,
        million.seconds
    );
    let raw = all.first().map_or(f64::NAN, Crowded::nanos_each);
    for one in all {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let each = one.bytes / million.connections as f64;
        text.push_str(&format!(
            "| {} | {} | {:.1} | {each:.0} | {:.0} | {:.0} | {:.2} |\n",
            one.peer.label,
            one.processes,
            one.bytes / 1e6,
            one.pings,
            one.nanos_each(),
            one.nanos_each() / raw
        ));
    }
    text.push('\n');
    text
}

impl Crowded {
    fn nanos_each(&self) -> f64 {
        self.cpu_nanos / self.pings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_tells_memory_and_time_in_proportion() {
        let result = |cpu: u64| {
            json!({
                "pings": 1000,
                "server": {
                    "cpu": cpu,
                    "memory": { "proportional": 3_000_000, "proportional_before": 1_000_000 },
                },
            })
        };
        let all = [(RAW, 5_000_000), (OURS[0], 5_500_000)];
        let all = all.map(|(peer, cpu)| read(peer, 2, &result(cpu)).expect("a result"));
        let million = Million { connections: 10_000, seconds: 60, interval: 20 };
        let text = crowd_section(&million, &all, Some("reno"), &Setting::default());
        assert!(text.contains("\nTCP congestion control: reno.\n"), "{text}");
        assert!(text.contains("| raw TCP | 2 | 2.0 | 200 | 1000 | 5000 | 1.00 |"), "{text}");
        assert!(
            text.contains("| Sockeye, events | 2 | 2.0 | 200 | 1000 | 5500 | 1.10 |"),
            "{text}"
        );
        assert!(read(RAW, 2, &json!({})).is_none());
    }
}
