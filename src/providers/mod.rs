//! The provider catalog (data), probes (requests) and the classification of answers (pure).
//!
//! * [`answer`]: what stands in an answer.
//! * [`budget`]: how often, and which verdicts must be heard twice.
//! * [`catalog`]: what is known about each provider, and whether a secret may be asked about.
//! * [`classify`]: what an answer proves.
//! * [`mod@probe`]: asks about many credentials; [`gates`] says how many at a time, [`route`] where to, [`request`] makes one
//!   request (signed by [`sigv4`] where the key itself stays here), [`status_page`] looks why a provider has trouble.
//! * [`redact`]: a provider's words, fit to be shown.

pub mod answer;
pub mod budget;
pub mod catalog;
pub mod classify;
pub mod gates;
pub mod probe;
pub mod redact;
pub mod request;
pub mod route;
pub mod sigv4;
pub mod status_page;

pub use budget::{Asked, Pace, after_renewal, confirmation_delay, is_due, needs_confirmation};
pub use catalog::{Catalog, Provider};
pub use classify::{Facts, probe_word};
pub use probe::{Probed, Settings, Target, Watcher, probe};
