//! What the daemon and `monitor once` both stand on: configuration, state directory, lock, store. Opened in this order, and
//! with one rule: whatever can go on without its file does so and says it.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chat::rivals;
use crate::config::{self, Config, Location, Problem};
use crate::domain::{Environment, Time};
use crate::store::lock::{Attempt, Holder, Lock};
use crate::store::{Store, StoreError};

/// Why the monitor does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// All problems of `monitor.toml`.
    #[error("{}", config::report(.0))]
    Config(Vec<Problem>),
    /// Another one is at work.
    #[error("another opensoul monitor is at work here{}", .0.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Held(Holder),
    /// The shared key of `[identity]` cannot be read.
    #[error("[identity] key: {0}")]
    Key(String),
    /// `state.db` belongs to a newer opensoul, or is locked by something that is no monitor.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses something that nothing works without.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

/// The ground.
pub struct Ground {
    /// Where our files are.
    pub location: Location,
    /// The configuration.
    pub config: Arc<Config>,
    /// Held until the end; `None` where no lock file can be made.
    pub lock: Option<Lock>,
    /// The store.
    pub store: Store,
}

impl Ground {
    /// Opens everything. `named` is the value of `--config`; `daemon` says who holds the lock.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(env: &Environment, named: Option<&Path>, daemon: bool, now: Time) -> Result<Self, StartError> {
        let location = config::locate(env, named);
        let config = Arc::new(rivals::load(named, env).map_err(StartError::Config)?);
        make_private(&location.state);
        let lock = take_lock(&location.state, daemon)?;
        let opened = Store::open(&location.state, now)?;
        for note in &opened.notes {
            tracing::warn!(fix = note.fix, "{}", note.message);
        }
        Ok(Self { location, config, lock, store: opened.store })
    }
}

/// Failing here is not the end: the store then goes on in memory and says why.
fn make_private(state: &PathBuf) {
    if let Err(error) = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state) {
        tracing::warn!(%error, "{} cannot be made", state.display());
    }
}

fn take_lock(state: &Path, daemon: bool) -> Result<Option<Lock>, StartError> {
    match Lock::acquire(state, daemon) {
        Ok(Attempt::Ours(lock)) => Ok(Some(lock)),
        Ok(Attempt::Held(holder)) => Err(StartError::Held(holder)),
        Err(error) => {
            tracing::warn!(%error, "without a lock: nothing keeps a second monitor from starting");
            Ok(None)
        }
    }
}
