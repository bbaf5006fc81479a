//! PURE decisions: `fn(input, now) -> output`. No async, no I/O, no logging, no clock.
//!
//! * [`policy`]: what the user may choose (built by `config`).
//! * [`observation`]: what goes into a judgement.

pub mod observation;
pub mod policy;
