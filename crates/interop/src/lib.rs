//! Interop tests against foreign programs.
