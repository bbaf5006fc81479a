//! Tests over the whole house and over the built program: one binary for all of them.

mod function_tables;
mod handover;
mod house;
mod monitor;
