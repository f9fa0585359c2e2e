//! Sockeye against foreign programs; see the crate's documentation.

// The table that every peer runs.
mod peers;
mod scenarios;
mod stage;
mod variants;
mod tab;
mod fastwebsockets_end;
mod tungstenite_end;
mod curl_command;
// The command and its page.
mod page;
// And that of the product application.
mod products_page;
mod python_client;
mod python_server;
// The protocol in a foreign program.
mod wasm_client;
