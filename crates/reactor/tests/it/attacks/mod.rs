//! The catalogue of attacks in docs/security.md, as far as the loop alone withstands them.

#[cfg(feature = "deflate")]
mod bombs;
mod floods;
mod fragments;
mod groups;
mod handshakes;
mod herds;
mod masks;
mod silence;

use std::time::Duration;

use crate::world::{Client, World};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How many turns a loop may take for the echo of one who behaves, whatever the others do: one
/// brings the message and its echo, and one more may pass before either is looked at.
const TURNS_MAX: usize = 2;

/// Asserts that one who behaves gets its echo at once; no time passes.
#[track_caller]
fn assert_served(world: &mut World, client: &mut Client) {
    world.network.set_horizon(Some(world.network.now()));
    client.text("am I served?");
    for _ in 0..TURNS_MAX {
        world.turn();
        while let Some((_, payload)) = client.next() {
            if payload == b"am I served?" {
                return;
            }
        }
    }
    panic!("no echo after {TURNS_MAX} turns");
}
