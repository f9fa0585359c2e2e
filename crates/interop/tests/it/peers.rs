//! Each peer against our server and, where it serves, against our client.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sockeye_interop::{Chromium, Fault, Foreign, Node, Python};

use crate::fastwebsockets_end::FastWebSocketsEnd;
use crate::scenarios::{Ability, SCENARIOS};
use crate::stage::{OurRole, Stage, Way};
use crate::tab::Tab;
use crate::tungstenite_end::TungsteniteEnd;
use crate::variants::{Choice, Variant, few_variants, variants};

/// What takes longer is told, since an end may have waited for the other in vain.
const LONG: Duration = Duration::from_secs(3);

/// A foreign implementation.
struct Peer {
    abilities: &'static [Ability],
    choice: Choice,
    start: fn() -> Result<Foreign, Fault>,
}

const WEBSOCKETS: Peer = Peer {
    abilities: &[
        Ability::Fragments,
        Ability::Ping,
        Ability::Status,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
        Ability::Compresses,
    ],
    choice: Choice::Parameters,
    start: || python("peer_websockets.py"),
};

const AIOHTTP: Peer = Peer {
    abilities: &[
        Ability::Ping,
        Ability::Status,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Compresses,
    ],
    choice: Choice::OnOff,
    start: || python("peer_aiohttp.py"),
};

const WS: Peer = Peer {
    abilities: &[
        Ability::Fragments,
        Ability::Ping,
        Ability::CloseWithoutCode,
        Ability::Status,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
        Ability::Compresses,
    ],
    choice: Choice::Parameters,
    start: || node("peer_ws.mjs"),
};

/// It inflates, and never compresses itself.
const BUILTIN: Peer = Peer {
    abilities: &[
        Ability::CloseWithoutCode,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
    ],
    choice: Choice::Always,
    start: || node("peer_builtin.mjs"),
};

const CHROMIUM: Peer = Peer {
    abilities: &[
        Ability::CloseWithoutCode,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
        Ability::Compresses,
    ],
    choice: Choice::Always,
    start: || Ok(Foreign::new(Tab::new(Chromium::start()?))),
};

const TUNGSTENITE: Peer = Peer {
    abilities: &[
        Ability::Fragments,
        Ability::Ping,
        Ability::CloseWithoutCode,
        Ability::Status,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
    ],
    choice: Choice::Never,
    start: || Ok(Foreign::new(TungsteniteEnd::default())),
};

const FASTWEBSOCKETS: Peer = Peer {
    abilities: &[
        Ability::Fragments,
        Ability::Ping,
        Ability::Status,
        Ability::CloseWithoutCode,
        Ability::Pong,
        Ability::Reason,
        Ability::Subprotocol,
        Ability::Echo,
    ],
    choice: Choice::Never,
    start: || Ok(Foreign::new(FastWebSocketsEnd::new()?)),
};

/// libcurl. It answers a ping only with what it does next, and shows no pong and no
/// header. Its binding closes with 1000, whatever it was told.
const CURL: Peer = Peer {
    abilities: &[Ability::Fragments, Ability::Status, Ability::Reason],
    choice: Choice::Never,
    start: || python("peer_curl.py"),
};

#[test]
fn curl_meets_our_server() -> Result<(), Fault> {
    play(&CURL, OurRole::Server, Way::Direct)
}

#[test]
fn websockets_meets_our_server() -> Result<(), Fault> {
    play(&WEBSOCKETS, OurRole::Server, Way::Direct)
}

#[test]
fn our_client_meets_websockets() -> Result<(), Fault> {
    play(&WEBSOCKETS, OurRole::Client, Way::Direct)
}

#[test]
fn aiohttp_meets_our_server() -> Result<(), Fault> {
    play(&AIOHTTP, OurRole::Server, Way::Direct)
}

#[test]
fn our_client_meets_aiohttp() -> Result<(), Fault> {
    play(&AIOHTTP, OurRole::Client, Way::Direct)
}

#[test]
fn ws_meets_our_server() -> Result<(), Fault> {
    play(&WS, OurRole::Server, Way::Direct)
}

#[test]
fn our_client_meets_ws() -> Result<(), Fault> {
    play(&WS, OurRole::Client, Way::Direct)
}

#[test]
fn node_meets_our_server() -> Result<(), Fault> {
    play(&BUILTIN, OurRole::Server, Way::Direct)
}

#[test]
fn chromium_meets_our_server() -> Result<(), Fault> {
    play(&CHROMIUM, OurRole::Server, Way::Direct)
}

#[test]
fn tungstenite_meets_our_server() -> Result<(), Fault> {
    play(&TUNGSTENITE, OurRole::Server, Way::Direct)
}

#[test]
fn our_client_meets_tungstenite() -> Result<(), Fault> {
    play(&TUNGSTENITE, OurRole::Client, Way::Direct)
}

#[test]
fn fastwebsockets_meets_our_server() -> Result<(), Fault> {
    play(&FASTWEBSOCKETS, OurRole::Server, Way::Direct)
}

#[test]
fn our_client_meets_fastwebsockets() -> Result<(), Fault> {
    play(&FASTWEBSOCKETS, OurRole::Client, Way::Direct)
}

#[test]
fn clients_meet_our_server_through_nginx() -> Result<(), Fault> {
    for peer in [&CHROMIUM, &WS, &BUILTIN, &WEBSOCKETS] {
        play(peer, OurRole::Server, Way::Nginx)?;
    }
    Ok(())
}

#[test]
fn our_client_meets_servers_through_nginx() -> Result<(), Fault> {
    for peer in [&WS, &WEBSOCKETS] {
        play(peer, OurRole::Client, Way::Nginx)?;
    }
    Ok(())
}

/// Every scenario that the peer can play, in every variant that it lets its user choose.
fn play(peer: &Peer, role: OurRole, way: Way) -> Result<(), Fault> {
    let variants = match way {
        Way::Direct => variants(peer.choice, role),
        Way::Nginx => few_variants(peer.choice, role),
    };
    let mut foreign = (peer.start)()?;
    let mut failures = Vec::new();
    let mut played = 0;
    for variant in &variants {
        let failed = play_variant(peer, &mut foreign, variant, role, way, &mut played)?;
        if !failed.is_empty() {
            // What it is in the middle of is unknown.
            foreign = (peer.start)()?;
        }
        failures.extend(failed);
    }
    println!("{} variants, {played} scenarios played", variants.len());
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("{} of {played} failed:\n{}", failures.len(), failures.join("\n")).into())
    }
}

/// The failures of one variant, up to the first, after which the peer is in no known state.
fn play_variant(
    peer: &Peer,
    foreign: &mut Foreign,
    variant: &Variant,
    role: OurRole,
    way: Way,
    played: &mut usize,
) -> Result<Vec<String>, Fault> {
    let mut stage = Stage::set(foreign, variant, role, way)?;
    for scenario in &SCENARIOS {
        if scenario.needs.iter().any(|ability| !peer.abilities.contains(ability)) {
            continue;
        }
        *played += 1;
        let begun = Instant::now();
        let outcome = (scenario.run)(&mut stage, peer.abilities);
        if begun.elapsed() > LONG {
            println!("{:.1?}: {}, {}", begun.elapsed(), variant.name, scenario.name);
        }
        if let Err(fault) = outcome {
            return Ok(vec![format!("{}, {}: {fault}", variant.name, scenario.name)]);
        }
    }
    Ok(Vec::new())
}

fn python(script: &str) -> Result<Foreign, Fault> {
    Ok(Foreign::new(Python::with_peers()?.start(&peers(script), &[])?))
}

fn node(script: &str) -> Result<Foreign, Fault> {
    Ok(Foreign::new(Node::with_ws()?.start(&peers(script))?))
}

fn peers(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script)
}
