//! The monitor: observe, decide, commit, deliver; again and again in the daemon, once in `monitor once`.
//!
//! * [`cycle`]: the flow, the same for both.
//! * [`daemon`]: start-up, the loop, reload, the end.
//! * [`ticker`]: the heartbeat.
//! * [`demo`]: everything on sample credentials in a throw-away home.
//! * [`desk`]: the store on its own thread.
//! * [`systemd`]: what the service manager is told.
//! * [`logs`]: what goes to stderr.
//! The flow: observe, cycle, ticker, daemon.

pub mod cycle;
pub mod daemon;
pub mod delivery;
pub mod demo;
pub mod desk;
pub mod ground;
pub mod logs;
pub mod once;
pub mod systemd;
pub mod ticker;

pub mod observe;
pub mod variables;
