//! The provider catalog (data), probes (requests) and the classification of answers (pure).
//!
//! * [`catalog`]: what is known about each provider, and whether a secret may be asked about.
//! * [`classify`]: what an answer proves.
//! * [`redact`]: a provider's words, fit to be shown.

pub mod catalog;
pub mod classify;
pub mod redact;

pub use catalog::{Catalog, Provider};
pub use classify::{Balance, Facts, probe_word};
