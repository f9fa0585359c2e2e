//! Each layer by itself, and all of them over real sockets.

mod controller;
mod feed;
mod http;
mod repository;
mod running;
mod scratch;
mod service;
mod slow;
