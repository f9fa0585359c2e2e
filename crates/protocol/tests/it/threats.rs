//! The classes of defects of docs/security.md, as far as the protocol can have them: each with the
//! figure that shows its absence.

mod api;
mod fragments;
mod heads;
mod lengths;
