//! One binary for all integration tests.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests may, and these are not inside #[cfg(test)]")]

mod function_tables;
mod models_status;
