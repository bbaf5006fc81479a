//! `monitor once`: one cycle with delivery, for timers, cron and phones. Same state, same alerts as the daemon.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::Environment;
use crate::export::own::Own;
use crate::net::Clients;

use super::cycle::{self, Committed, CycleError, Eyes, Monitor};
use super::delivery::{Mail, deliver};
use super::desk::Desk;
use super::ground::{Ground, StartError};
use super::systemd::Progress;

/// For everything together: phones and cron runs must not pile up.
pub const BUDGET: Duration = Duration::from_secs(45);

/// How it ended.
pub enum Once {
    /// The cycle was committed, and what was due was tried.
    Done(Box<Committed>),
    /// The time was up; what was committed by then is kept, what was not sent waits for the next run.
    OutOfTime {
        /// Whether the cycle was committed.
        committed: bool,
    },
}

/// Runs one cycle within [`BUDGET`].
///
/// # Errors
/// If it could not start, or came to nothing.
pub async fn once<E: Eyes + 'static>(
    env: &Environment,
    named: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    eyes: impl FnOnce(&Ground) -> Result<E, StartError>,
) -> Result<Once, OnceError> {
    let ground = Ground::open(env, named.as_deref(), false, clock.now())?;
    let eyes: Arc<dyn Eyes> = Arc::new(eyes(&ground)?);
    let Ground { config, lock: _lock, store, .. } = ground;
    let (desk, _thread) =
        Desk::new(store).map_err(|source| StartError::System { what: "no thread for state.db", source })?;
    let monitor =
        Monitor::new(&clock, desk, Arc::new(Own::new(clock.now())), None, eyes, Progress::new(&clock), env.home());
    let mail = Mail::new(&config, env, &Clients::new(env), &clock);

    let mut committed = None;
    let work = async {
        committed = Some(cycle::cycle(&monitor, &config, &[]).await?);
        deliver(&monitor, &config, &mail).await?;
        cycle::tidy(&monitor, &config).await
    };
    match tokio::time::timeout(BUDGET, work).await {
        Ok(result) => result?,
        Err(_) => return Ok(Once::OutOfTime { committed: committed.is_some() }),
    }
    Ok(committed.map_or(Once::OutOfTime { committed: false }, |committed| Once::Done(Box::new(committed))))
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The cycle failed.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}
