//! sockeye-protocol
