//! The tables and plots of the section, and what holds of what was promised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use super::experiments::{EXPERIMENTS, Experiment, KINDS, Kind};
use super::peers::{ON_TOKIO, OTHERS, OURS, Peer, RAW, all, beside_raw};
use super::results::{Outcome, Results};
use super::statistics::Estimate;
use crate::report::{Chart, Scale, Setting};

/// A bar holds when the interval ends no further above it than this.
const TOLERANCE: f64 = 0.02;
/// How much more than event routes async ones may cost: nanoseconds where they are cheapest, and a share elsewhere.
const ASYNC_NANOS_MAX: f64 = 60.0;
const ASYNC_SHARE_MAX: f64 = 1.05;

const RATIOS: Scale = Scale {
    least: 0.5,
    most: 20.0,
    origin: 1.0,
    ticks: &[0.5, 1.0, 2.0, 5.0, 10.0, 20.0],
    digits: 2,
};
const BYTES: Scale = Scale {
    least: 10.0,
    most: 200_000.0,
    origin: 10.0,
    ticks: &[10.0, 100.0, 1000.0, 10_000.0, 100_000.0],
    digits: 0,
};

/// Experiments of `kind` that have been measured.
fn measured(results: &Results, kind: Kind) -> Vec<(&Experiment, &Outcome)> {
    let of_kind = EXPERIMENTS.iter().filter(|experiment| experiment.kind == kind);
    of_kind.filter_map(|one| Some((one, results.experiments.get(&one.name())?))).collect()
}

/// The text of the section: the setting, and for each kind of load its plot and its table.
#[must_use]
pub fn section(results: &Results, setting: &Setting) -> String {
    let mut text = format!("\n{}\n{}\n", setting.in_words(), congestion_of(results));
    for kind in KINDS {
        let rows = measured(results, kind);
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "\n### {}\n\n", kind.title());
        let _ = write!(text, "![{}](figures/{})\n\n", kind.title(), file_of(kind));
        text.push_str(&table(kind, &rows, setting));
    }
    text.push('\n');
    text
}

/// What `congestion` is in words: the name of one, or that it was the system's own.
pub(super) fn in_words(congestion: Option<&str>) -> &str {
    congestion.unwrap_or("the system's own")
}

/// With which congestion control everything was measured, and what with another one.
fn congestion_of(results: &Results) -> String {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, outcome) in &results.experiments {
        named.entry(in_words(outcome.congestion.as_deref())).or_default().push(name);
    }
    let mut named: Vec<_> = named.into_iter().collect();
    named.sort_by_key(|(_, experiments)| std::cmp::Reverse(experiments.len()));
    let mut parts = named.into_iter();
    let mut text = match parts.next() {
        Some((most, _)) => format!("TCP congestion control: {most}"),
        None => return String::new(),
    };
    for (other, experiments) in parts {
        let _ = write!(text, "; {other} in {}", experiments.join(", "));
    }
    text.push('.');
    text
}

/// Where the plot of a kind is kept.
#[must_use]
pub fn file_of(kind: Kind) -> String {
    format!("loop-{}.svg", kind.command())
}

/// One line for each experiment: raw as it is, everyone else as a multiple of it; of memory all as it is.
fn table(kind: Kind, rows: &[(&Experiment, &Outcome)], setting: &Setting) -> String {
    let is_idle = kind == Kind::Idle;
    let unit = if is_idle { "bytes" } else { "ns" };
    let first = match kind {
        Kind::Echo => "connections:window:bytes",
        Kind::Connect | Kind::Broadcast | Kind::Idle => kind.command(),
    };
    let mut columns = vec![first.to_owned(), "rounds".to_owned(), format!("{}, {unit}", RAW.label)];
    columns.extend(beside_raw().map(|peer| label(peer, setting)));
    let mut text = line(&columns);
    text.push_str(&line(&vec!["---".to_owned(); columns.len()]));
    for (experiment, outcome) in rows {
        let raw =
            outcome.median(RAW.name).map_or_else(|| "-".to_owned(), |raw| format!("{raw:.0}"));
        let mut cells = vec![experiment.name(), outcome.rounds().to_string(), raw];
        cells.extend(beside_raw().map(|peer| {
            if is_idle {
                outcome
                    .median(peer.name)
                    .map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}"))
            } else {
                outcome.ratio(peer.name, None).map_or_else(|| "-".to_owned(), interval)
            }
        }));
        text.push_str(&line(&cells));
    }
    text
}

fn label(peer: Peer, setting: &Setting) -> String {
    match peer.crate_name {
        Some(name) if OTHERS.contains(&peer) => setting.with_version(name),
        _ => peer.label.to_owned(),
    }
}

fn interval(ratio: Estimate) -> String {
    format!("**{:.2}** {:.2}–{:.2}", ratio.median, ratio.low, ratio.high)
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The plot of a kind, if any of it was measured.
#[must_use]
pub fn plot(results: &Results, kind: Kind, setting: &Setting) -> Option<String> {
    let rows = measured(results, kind);
    if rows.is_empty() {
        return None;
    }
    let peers: Vec<Peer> =
        if kind == Kind::Idle { all().collect() } else { beside_raw().collect() };
    let value = |outcome: &Outcome, peer: &Peer| match kind {
        Kind::Idle => outcome.median(peer.name),
        _ => outcome.ratio(peer.name, None).map(|ratio| ratio.median),
    };
    let bars = |(experiment, outcome): &(&Experiment, &Outcome)| {
        let bar = |(index, peer): (usize, &Peer)| Some((index, value(outcome, peer)?));
        (experiment.name(), peers.iter().enumerate().filter_map(bar).collect())
    };
    let explanation = match kind {
        Kind::Idle => format!("Bytes for each connection. {}.", setting.date),
        _ => format!(
            "As a multiple of a raw TCP server's (the line at 1), medians of the rounds' ratios. {}.",
            setting.date
        ),
    };
    let chart = Chart {
        title: kind.title(),
        explanation: &explanation,
        names: peers.iter().map(|peer| label(*peer, setting)).collect(),
        rows: rows.iter().map(bars).collect(),
        scale: if kind == Kind::Idle { BYTES } else { RATIOS },
    };
    Some(chart.svg())
}

/// The crates whose versions the section tells.
pub fn crates() -> impl Iterator<Item = &'static str> {
    ["tokio", "mio"].into_iter().chain(OTHERS.into_iter().filter_map(|peer| peer.crate_name))
}

/// Whether what was promised of one experiment holds, a line for each promise.
#[must_use]
pub fn verdict(experiment: &Experiment, outcome: &Outcome) -> String {
    let [events, conversations] = OURS;
    let mut text = String::new();
    let mut promise = |what: &str, value: String, holds: bool| {
        let word = if holds { "holds" } else { "DOES NOT HOLD" };
        let _ = writeln!(text, "    {what}: {value}, {word}");
    };
    if experiment.kind == Kind::Idle {
        for (peer, most) in
            [(events, experiment.bar.unwrap_or(256.0)), (conversations, 1024.0), (ON_TOKIO, 1536.0)]
        {
            let Some(bytes) = outcome.median(peer.name) else { continue };
            promise(
                &format!("{} at most {most} bytes", peer.label),
                format!("{bytes:.0}"),
                bytes <= most,
            );
        }
        return text;
    }
    if let (Some(bar), Some(ratio)) = (experiment.bar, outcome.ratio(events.name, None)) {
        promise(
            &format!("events at most {bar:.2}"),
            interval(ratio),
            ratio.high <= bar + TOLERANCE,
        );
    }
    if experiment.kind == Kind::Echo {
        let is_least = experiment.name() == "100:32:20";
        let more = if is_least {
            outcome.difference(conversations.name, events.name)
        } else {
            outcome.ratio(conversations.name, Some(events.name))
        };
        let most = if is_least { ASYNC_NANOS_MAX } else { ASYNC_SHARE_MAX };
        if let Some(more) = more {
            let what = if is_least {
                "async at most 60 ns above events"
            } else {
                "async at most 1.05 events"
            };
            promise(what, interval(more), more.median <= most);
        }
    }
    for peer in OTHERS {
        if let Some(ratio) = outcome.ratio(events.name, Some(peer.name)) {
            promise(
                &format!("events not behind {}", peer.label),
                interval(ratio),
                ratio.low <= 1.0,
            );
        }
        if let Some(ratio) = outcome.ratio(ON_TOKIO.name, Some(peer.name)) {
            let (what, most) = match (peer.name, experiment.name().as_str()) {
                ("fastwebsockets", "100:32:20" | "100:32:125") => ("a fifth of", 0.2),
                _ => ("ahead of", 1.0),
            };
            promise(
                &format!("tokio {what} {}", peer.label),
                interval(ratio),
                ratio.high <= most + TOLERANCE,
            );
        }
    }
    text
}

/// When the newest of all was measured.
#[must_use]
pub fn newest(results: &Results) -> std::time::SystemTime {
    results.experiments.values().map(|outcome| outcome.measured).max().unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        let outcome = |factor: f64| {
            let costs = all().enumerate().map(|(index, peer)| {
                let cost = factor * (10.0 + f64::from(u8::try_from(index).expect("few")));
                (peer.name.to_owned(), vec![cost; 3])
            });
            let congestion = Some("reno".to_owned());
            Outcome { measured: UNIX_EPOCH, congestion, costs: BTreeMap::from_iter(costs) }
        };
        let names = [EXPERIMENTS[0].name(), EXPERIMENTS[11].name()];
        let experiments = names.map(|name| (name, outcome(10.0)));
        Results { experiments: BTreeMap::from(experiments) }
    }

    #[test]
    fn the_section_has_a_table_for_each_kind_that_was_measured() {
        let setting =
            Setting { versions: vec![("sockudo-ws".into(), "3.1.0".into())], ..Setting::default() };
        let text = section(&results(), &setting);
        assert!(text.contains("| 100:1:20 | 3 | 100 | **1.10** 1.10–1.10 | **1.20** 1.20–1.20 |"));
        assert!(text.contains("| idle 15000 | 3 | 100 | 110 | 120 |"), "{text}");
        assert!(text.contains("| sockudo-ws 3.1.0 |"), "{text}");
        assert!(!text.contains(Kind::Broadcast.title()), "{text}");
    }

    #[test]
    fn the_section_tells_with_which_congestion_control_it_was_measured() {
        let mut results = results();
        let text = section(&results, &Setting::default());
        assert!(text.contains("\nTCP congestion control: reno.\n"), "{text}");
        let first = EXPERIMENTS[0].name();
        results.experiments.get_mut(&first).expect("it was measured").congestion = None;
        let third = Outcome { congestion: None, ..results.experiments[&first].clone() };
        results.experiments.insert("another".to_owned(), third);
        let text = section(&results, &Setting::default());
        let told = "TCP congestion control: the system's own; reno in idle 15000.";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn plots_are_drawn_of_what_was_measured() {
        let setting = Setting::default();
        let svg = plot(&results(), Kind::Echo, &setting).expect("it was measured");
        assert_eq!(svg.matches("height=\"8.0\"").count(), 7);
        let svg = plot(&results(), Kind::Idle, &setting).expect("it was measured");
        assert_eq!(svg.matches("height=\"8.0\"").count(), 8);
        assert_eq!(plot(&results(), Kind::Connect, &setting), None);
    }

    #[test]
    fn a_promise_that_does_not_hold_is_told() {
        let results = results();
        let outcome = &results.experiments[&EXPERIMENTS[0].name()];
        let text = verdict(&EXPERIMENTS[0], outcome);
        assert!(text.contains("events at most 1.04: **1.10** 1.10–1.10, DOES NOT HOLD"), "{text}");
        assert!(
            text.contains("events not behind fastwebsockets: **0.79** 0.79–0.79, holds"),
            "{text}"
        );
        assert!(
            text.contains("tokio ahead of fastwebsockets: **0.93** 0.93–0.93, holds"),
            "{text}"
        );
        let text = verdict(&EXPERIMENTS[11], outcome);
        assert!(text.contains("at most 256 bytes: 110, holds"), "{text}");
    }
}
