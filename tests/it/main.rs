//! Tests over the whole house and over the built program: one binary, linked once.

mod fake_provider;
mod function_tables;
mod handover;
mod house;
mod probes;
