//! State that is scraped or pushed: Prometheus metrics, Alertmanager, dead-man's pings.
//!
//! Metrics are made once, as families ([`metrics`], [`own`]); whoever shows or pushes them writes them in a language of its own:
//! text, [`remote_write`], [`otlp`].
//!
//! A push carries the whole state each time and is never kept for later: these stand outside the outbox. What a failed one
//! means for people is decided in [`crate::monitor::pushes`].

pub mod alertmanager;
pub mod badge;
pub mod calendar;
mod exchange;
pub mod heartbeat;
pub mod metrics;
mod otlp;
pub mod outlet;
pub mod own;
pub mod process;
mod pushgateway;
mod remote_write;
pub mod series;
mod textfile;

pub use exchange::Failure;

/// The word for a peer of Alertmanager.
pub const ALERTMANAGER: &str = "alertmanager";
/// The word for a heartbeat.
pub const HEARTBEAT: &str = "heartbeat";
