//! Sockeye against foreign programs; see the crate's documentation.

mod page;
mod python_client;
mod python_server;
