//! Tests over the whole house and over the built program.

mod function_tables;
mod handover;
mod house;
