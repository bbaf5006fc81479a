//! `monitor once`: one cycle with delivery, for timers, cron and phones. Same state, same alerts as the daemon.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::domain::Environment;
use crate::engine::due::due;
use crate::export::own::Own;
use crate::net::Clients;

use super::cycle::{self, Committed, CycleError, Eyes, Monitor};
use super::delivery::{Mail, deliver};
use super::desk::Desk;
use super::ground::{Ground, StartError};
use super::probing::{self, Answers};
use super::pushes::Pushes;
use super::systemd::Progress;

/// For everything together: phones and cron runs must not pile up.
pub const BUDGET: Duration = Duration::from_secs(45);
/// For asking the providers, out of it.
const PROBES: Duration = Duration::from_secs(25);
/// Before a failure is heard a second time.
const PATIENCE: Duration = Duration::from_secs(8);

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

/// Longest wait for the store to be closed.
const CLOSING: Duration = Duration::from_secs(2);

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
    let eyes = Arc::new(eyes(&ground)?);
    upon(ground, env, clock, eyes, BUDGET).await
}

/// The same on ground that is open already, within `budget`.
pub(super) async fn upon(
    ground: Ground,
    env: &Environment,
    clock: Arc<dyn Clock>,
    eyes: Arc<dyn Eyes>,
    budget: Duration,
) -> Result<Once, OnceError> {
    let Ground { config, lock: _lock, store, .. } = ground;
    let (desk, thread) =
        Desk::new(store).map_err(|source| StartError::System { what: "no thread for state.db", source })?;
    let monitor =
        Monitor::new(&clock, desk, Arc::new(Own::new(clock.now())), None, eyes, Progress::new(&clock), env.home());
    let clients = Clients::new(env);
    // No links: nobody would answer them when this has ended.
    let mail = Mail::new(&config, env, &clients, &clock, None);
    let pushes = Pushes::new(&config, None, env, &clients);
    // State pushes run beside the rest; one waits for the other.
    let mut pushing: Vec<AbortOnDropHandle<()>> = Vec::new();

    let mut committed = None;
    let work = async {
        let mut run = async |answers: &Answers| -> Result<Committed, CycleError> {
            let begun = pushes.begin(&monitor).await;
            let done = cycle::cycle(&monitor, &config, answers, &[]).await?;
            pushing.extend(begun.map(|begun| {
                let (pushes, seen) = (Arc::clone(&pushes), Arc::clone(&done.snapshot));
                let push = pushes.push(monitor.clone(), Arc::clone(&config), seen, begun);
                AbortOnDropHandle::new(tokio::spawn(push))
            }));
            Ok(done)
        };
        committed = Some(run(&Answers::default()).await?);
        deliver(&monitor, &config, &mail).await?;
        // What the files say is out; now what the providers say, if they answer in time.
        let last = monitor.desk.with(|store| store.last_run(cycle::PROBE)).await??;
        let all = config.probe.as_ref().is_some_and(|probe| due(probe, last, clock.now()).now);
        let renewed = committed.as_ref().and_then(|one| one.proof_at).is_some_and(|at| at <= clock.now());
        if all || renewed {
            let round = async {
                if all {
                    probing::round(&monitor, &config, env, &clients, PATIENCE).await
                } else {
                    probing::prove_renewed(&monitor, &config, env, &clients, PATIENCE).await
                }
            };
            if let Ok(answers) = tokio::time::timeout(PROBES, round).await {
                committed = Some(run(&answers?).await?);
                deliver(&monitor, &config, &mail).await?;
            } else {
                tracing::warn!("the providers did not answer in time; the next run asks again");
            }
        }
        cycle::tidy(&monitor, &config).await?;
        for push in std::mem::take(&mut pushing) {
            if let Err(error) = push.await {
                tracing::error!(%error, "a push panicked; the next run tries again");
            }
        }
        Ok::<(), CycleError>(())
    };
    let in_time = match tokio::time::timeout(budget, work).await {
        Ok(result) => result.map(|()| true)?,
        Err(_) => false,
    };
    // The store is closed before we are gone: an end in the midst of that leaves a -wal without the index that readers need, and
    // what became of the last messages is still to be written.
    drop(monitor);
    let closed = tokio::task::spawn_blocking(move || thread.join());
    let _ = tokio::time::timeout(CLOSING, closed).await;
    Ok(match committed {
        Some(committed) if in_time => Once::Done(Box::new(committed)),
        committed => Once::OutOfTime { committed: committed.is_some() },
    })
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
