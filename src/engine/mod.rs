//! PURE decisions: `fn(input, now) -> output`. No async, no I/O, no logging, no clock.
//!
//! * [`policy`]: what the user may choose (built by `config`).
//! * [`observation`]: what goes into a judgement.
//! * [`assess`]: the judgement itself.
//! * [`tiers`]: bands and reminder steps before an end.
//! * [`check`]: the answer of `--check`.
//! * [`clock_trust`]: whether dates can be judged now.
//! * [`cooldown`]: how a gateway sets a profile aside.
//! * [`oauth_id`]: which login an early config means.
//! * [`order`]: which of a gateway's profiles would be used.
//! * [`incidents`]: from a snapshot and what stands open to what is said to whom.
//! * [`overlays`]: what keeps an alert from being heard: [`silences`], acks, [`windows`] of maintenance, quiet hours.
//! * `grouping`: which of it shares a message.
//! * [`routing`]: who hears of what.
//! * [`links`]: what signed links offer and allow.
//! * [`retry`]: when a failed delivery is tried again.
//! * [`due`]: when something is due.
//! * [`heartbeat`]: whether the dead-man's ping is deserved.

pub mod assess;
pub mod check;
pub mod clock_trust;
pub mod cooldown;
pub mod due;
pub mod glob;
mod grouping;
pub mod heartbeat;
pub mod incidents;
mod jitter;
pub mod links;
pub mod oauth_id;
pub mod observation;
pub mod order;
pub mod overlays;
pub mod policy;
pub mod retry;
pub mod routing;
pub mod runway;
pub mod silences;
pub mod tiers;
pub mod windows;
