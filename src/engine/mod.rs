//! PURE decisions: `fn(input, now) -> output`. No async, no I/O, no logging, no clock.
//!
//! * [`policy`]: what the user may choose (built by `config`).
//! * [`observation`]: what goes into a judgement.
//! * [`order`]: which of a gateway's profiles would be used.

pub mod observation;
pub mod order;
pub mod policy;
