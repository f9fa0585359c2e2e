//! Benches of Sockeye side by side with its peers.
