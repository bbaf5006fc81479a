//! Tests over the whole house and over the built program: one binary, linked once.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may, and these are not inside #[cfg(test)]")]

mod asking;
#[path = "../asks/mod.rs"]
mod asks;
mod documented_channels;
mod documented_config;
mod documented_metrics;
mod documented_sources;
mod documents;
mod fake_provider;
mod fixture_home;
mod function_tables;
mod fuzz;
mod golden;
mod handover;
mod house;
mod models_status;
mod monitor;
mod probes;
