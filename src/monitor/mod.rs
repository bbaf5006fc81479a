//! The flow: observe, cycle, ticker, daemon.

pub mod observe;
pub mod variables;
