//! A product API on axum and SQLite, which tells its subscribers over WebSocket what changes.
//!
//! | path | what |
//! | --- | --- |
//! | `GET /` | a page that lists the products of a version, edits them, and shows the notifications |
//! | `GET`, `POST /api/{version}/productos` | the products, a page at a time with `?after=ID&limit=N`; a new one |
//! | `GET`, `PUT`, `DELETE /api/{version}/productos/{id}` | one of them |
//! | `/ws/{version}/productos` | the WebSocket feed: one message in JSON for each change |
//!
//! The layers, each of which knows only those below it: [`feed`] and `controller` speak WebSocket and
//! HTTP, [`service`] has the rules and tells the subscribers, [`notifications`] knows who they are, and
//! [`repository`] keeps the products.
//!
//! A write never waits for a subscriber, and never fails because of one: a notification is put where
//! [`notifications::QUEUE_MAX`] of them fit, and a subscriber that does not keep up is closed with 1013,
//! upon which it connects and lists the products anew. One that does not read for ten seconds is given
//! up.
#![forbid(unsafe_code)]

// In reading order; a module uses only modules declared below it.
pub mod app;
pub mod feed;
mod controller;
mod pages;
pub mod service;
pub mod notifications;
pub mod repository;
pub mod product;
