//! The servers among the protocol's examples.

// An example is a program; here it is a module.
#[path = "../../../protocol/examples/blocking_echo.rs"]
#[expect(dead_code, reason = "its `main`")]
pub(crate) mod blocking_echo;
#[path = "../../../protocol/examples/mio_echo.rs"]
#[expect(dead_code, reason = "its `main`")]
pub(crate) mod mio_echo;
