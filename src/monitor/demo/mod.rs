//! `monitor demo`.
pub mod home;
pub mod hook_sink;
pub mod mail_sink;
