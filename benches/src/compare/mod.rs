//! Servers side by side under the same loads, for `cargo run -p sockeye-benches --release --bin compare`.

// In reading order; a module uses only modules declared below it.
mod million;
mod section;
mod results;
mod processes;
mod statistics;
mod experiments;
mod peers;

use std::collections::BTreeMap;
use std::time::SystemTime;

pub use experiments::{EXPERIMENTS, Experiment, KINDS, Kind};
pub use million::{Crowded, Million, crowd, crowd_section};
pub use peers::{ASKED_FOR, ON_TOKIO, OTHERS, OURS, Peer, RAW, all};
pub use processes::Programs;
pub use results::{Outcome, Results};
pub use section::{crates, file_of, newest, plot, section, verdict};
pub use statistics::{Estimate, median};

use processes::{Load, Server, idle_bytes};

/// What runs, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'p> {
    /// What is started, and how.
    pub programs: Programs<'p>,
    /// How many rounds each server does, beside those that warm up.
    pub rounds: usize,
}

/// After so many rounds all start afresh: where a process got its memory, which is decided once, can matter as much as
/// what it does.
const ROUNDS_OF_A_START: usize = 5;

/// Measures `experiment` on all of `peers`, which take turns; `round` is told of each round that is over.
///
/// # Errors
///
/// When a server or a load fails.
pub fn measure(
    plan: &Plan<'_>,
    experiment: &Experiment,
    peers: &[Peer],
    mut round: impl FnMut(usize),
) -> Result<Outcome, String> {
    let mut costs: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut add = |peer: Peer, cost: f64| costs.entry(peer.name.to_owned()).or_default().push(cost);
    if experiment.kind == Kind::Idle {
        for index in 0..plan.rounds {
            for peer in peers {
                // A fresh one each time: memory that was used before would not grow.
                let server = Server::start(&plan.programs, *peer, experiment)?;
                add(*peer, idle_bytes(&plan.programs, &server, experiment)?);
            }
            round(index + 1);
        }
    } else {
        for first in (0..plan.rounds).step_by(ROUNDS_OF_A_START) {
            let mut pairs = start_all(&plan.programs, experiment, peers)?;
            for (_, load, _) in &mut pairs {
                // It warms up.
                load.round()?;
            }
            for index in first..plan.rounds.min(first + ROUNDS_OF_A_START) {
                let len = pairs.len();
                for turn in 0..len {
                    // Who comes first changes.
                    let (peer, load, _) = &mut pairs[(turn + index) % len];
                    let cost = load.round().map_err(|error| format!("{}: {error}", peer.name))?;
                    add(*peer, cost);
                }
                round(index + 1);
            }
        }
    }
    let congestion = plan.programs.congestion.map(str::to_owned);
    Ok(Outcome { measured: SystemTime::now(), congestion, costs })
}

/// A server of each of `peers`, and a load for it.
fn start_all(
    programs: &Programs<'_>,
    experiment: &Experiment,
    peers: &[Peer],
) -> Result<Vec<(Peer, Load, Server)>, String> {
    let start = |peer: &Peer| {
        let server = Server::start(programs, *peer, experiment)?;
        let load = Load::start(programs, &server, experiment);
        let load = load.map_err(|error| format!("{}: {error}", peer.name))?;
        // In this order, so that the load ends before the server that it would miss.
        Ok((*peer, load, server))
    };
    peers.iter().map(start).collect()
}
