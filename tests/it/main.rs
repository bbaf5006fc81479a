//! The integration tests, one binary.

mod fake_provider;
mod probes;
