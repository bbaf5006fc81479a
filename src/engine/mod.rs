//! PURE decisions: `fn(input, now) -> output`. No async, no I/O, no logging, no clock.
//!
//! * [`policy`]: what the user may choose (built by `config`).
//! * [`observation`]: what goes into a judgement.
//! * [`assess`]: the judgement itself.
//! * [`tiers`]: bands and reminder steps before an end.
//! * [`check`]: the answer of `--check`.
//! * [`clock_trust`]: whether dates can be judged now.

pub mod assess;
pub mod check;
pub mod clock_trust;
pub mod observation;
pub mod policy;
pub mod tiers;
