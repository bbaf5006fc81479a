//! Tests over the whole house and over the built program.

mod handover;
mod house;
