//! sockeye-reactor
