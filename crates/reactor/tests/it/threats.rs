//! The classes of defects of docs/security.md that a loop can have: what is left behind, what spins,
//! what user code may do in its callbacks, and what an engine may claim.

mod callbacks;
mod claims;
mod leaks;
mod spinning;
