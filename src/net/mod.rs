//! The one place that builds TLS and HTTP clients, decides which addresses may be spoken to, bounds what is read from
//! strangers, and makes their words fit to be shown. Nothing above this room opens a connection in another way.

pub mod address;
pub mod client;
pub mod failure;
pub mod http;
pub mod reach;
pub mod redact;

pub use client::{Clients, Roots, body, bytes};
