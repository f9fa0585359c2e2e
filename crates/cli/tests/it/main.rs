//! The real binary over real sockets.

mod attacks;
mod bench;
mod connect;
mod hostile;
mod lagging;
mod layout;
mod refusals;
mod routes;
mod stopping;
mod violations;

mod bystander;
mod crowd;
mod running;
mod wire;
