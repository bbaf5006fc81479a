//! The monitor: observe, decide, commit, deliver; again and again in the daemon, once in `monitor once`.
//!
//! * [`observe`]: one look at the machine, shared with every command; [`variables`] belongs to it.
//! * [`cycle`]: observe, decide, ONE transaction. [`delivery`]: from the outbox to the receivers. [`pushes`]: state for
//!   Alertmanagers and heartbeats.
//! * [`probing`]: which credentials are asked about, and hearing a failure twice.
//! * [`ground`]: what the daemon and `once` stand on. [`daemon`]: start-up, the loop, reload, the end. [`once`](mod@once).
//! * [`elsewhere`]: the same cycle about another machine, asked over ssh.
//! * [`ticker`]: the heartbeat. [`desk`]: the store on its own thread. [`systemd`]: what the service manager is told.
//! * [`clerk`]: what people do about alerts meanwhile. [`chat`]: what they ask and order over Telegram.
//! * [`watch`]: changed files wake a cycle. [`known`]: what is known of a credential beyond its file.
//! * [`logs`]: what goes to stderr. [`sessions`]: a session of a gateway, as a chat reaches it.
//! * [`demo`]: everything on sample credentials in a throw-away home.

pub mod chat;
pub mod clerk;
pub mod cycle;
pub mod daemon;
pub mod delivery;
pub mod demo;
pub mod desk;
pub mod elsewhere;
pub mod ground;
pub mod known;
pub mod logs;
pub mod machine;
pub mod observe;
pub mod once;
pub mod probing;
pub mod pushes;
pub mod remedy;
pub mod sessions;
pub mod systemd;
pub mod ticker;
pub mod variables;
pub mod watch;
