//! State that is scraped or pushed: Prometheus metrics.

pub mod metrics;
pub mod own;
pub mod process;
