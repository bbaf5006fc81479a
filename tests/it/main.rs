//! One binary for all integration tests.

mod function_tables;
