//! Tests over the whole house and over the built program, in one binary.

mod function_tables;
mod handover;
mod house;
