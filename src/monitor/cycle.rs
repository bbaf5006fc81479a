//! One cycle: observe → decide → ONE transaction → deliver. The same in the daemon and in `monitor once`.
//!
//! What must hold: a message is on disk before it is sent; a cycle is committed whole or not at all; whoever stops waiting for
//! a cycle at any point loses nothing, because the next one finds everything in `state.db`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{CredentialId, Finding, Incident, IncidentStatus, Pseudonyms, Snapshot, Time};
use crate::engine::incidents::{Decision, decide};
use crate::engine::observation::Previous;
use crate::export::metrics::{ReceiverHealth, Standing, snapshot_text};
use crate::export::own::Own;
use crate::store::{CycleRecord, ReceiverState, Store, StoreError, StoredVerdict};
use crate::web::{Site, View};

use super::desk::{Desk, Gone};
use super::systemd::Progress;

/// The name of the job in the ledger of last runs.
pub const STATUS: &str = "status";

/// What earlier cycles left for the next one to respect.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The last answers of probes.
    pub verdicts: BTreeMap<CredentialId, StoredVerdict>,
    /// What the last judgement decided.
    pub previous: BTreeMap<CredentialId, Previous>,
    /// The last instant that was committed.
    pub last_persisted: Option<Time>,
    /// What the monitor found about itself: a disk that cannot be written, a receiver that refuses us.
    pub findings: Vec<Finding>,
}

/// Whoever looks at the machine. Blocking: it reads files.
pub trait Eyes: Send + Sync {
    /// Everything known at `now`.
    fn look(&self, config: &Config, remembered: Remembered, now: Time) -> Snapshot;
}

/// Everything a cycle works with that lives as long as the process.
#[derive(Clone)]
pub struct Monitor {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The store.
    pub desk: Desk,
    /// Counters.
    pub own: Arc<Own>,
    /// Where it is published, if anybody can see it.
    pub site: Option<Arc<Site>>,
    /// Who looks.
    pub eyes: Arc<dyn Eyes>,
    /// Fed to the watchdog.
    pub progress: Progress,
}

/// Why a cycle came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// Our own file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its thread.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// A bug in reading or judging; the panic's own message is on stderr.
    #[error("looking at this machine panicked; nothing was changed, the next cycle tries again")]
    Panicked,
}

/// What came of a cycle.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What was seen.
    pub snapshot: Arc<Snapshot>,
    /// What was decided.
    pub decision: Decision,
}

/// Observes, decides, commits and publishes. Delivery is the next step: [`super::delivery::deliver`].
///
/// # Errors
/// Nothing was committed.
pub async fn cycle(monitor: &Monitor, config: &Arc<Config>, notes: &[String]) -> Result<Committed, CycleError> {
    let now = monitor.clock.now();
    let remembered = monitor.desk.with(remember).await??;
    monitor.progress.made();

    let snapshot = observe(monitor, config, remembered, now).await?;
    monitor.progress.made();

    let (decision, names) = commit(monitor, config, &snapshot, now).await?;
    monitor.own.cycle();
    monitor.progress.made();

    publish(monitor, config, &snapshot, &names, notes).await?;
    Ok(Committed { snapshot, decision })
}

fn remember(store: &mut Store) -> Result<Remembered, StoreError> {
    let quarantined = store.receiver_states()?.into_iter().filter_map(|receiver| receiver.finding());
    let findings = quarantined.chain(store.trouble()).collect();
    Ok(Remembered {
        verdicts: store.verdicts()?,
        previous: store.previous()?,
        last_persisted: store.last_persisted_time()?,
        findings,
    })
}

async fn observe(
    monitor: &Monitor,
    config: &Arc<Config>,
    remembered: Remembered,
    now: Time,
) -> Result<Arc<Snapshot>, CycleError> {
    let (eyes, config) = (Arc::clone(&monitor.eyes), Arc::clone(config));
    let looking = tokio::task::spawn_blocking(move || eyes.look(&config, remembered, now));
    Ok(Arc::new(looking.await.map_err(|_| CycleError::Panicked)?))
}

async fn commit(
    monitor: &Monitor,
    config: &Arc<Config>,
    snapshot: &Arc<Snapshot>,
    now: Time,
) -> Result<(Decision, Pseudonyms), CycleError> {
    let (snapshot, config) = (Arc::clone(snapshot), Arc::clone(config));
    let committed = monitor.desk.with(move |store| -> Result<_, StoreError> {
        let names = store.pseudonyms(texts(&snapshot), config.export_emails)?;
        let record = CycleRecord { snapshot: &snapshot, verdicts: &[], runs: &[STATUS], now };
        let decision =
            store.commit_cycle(&record, |standing| decide(standing, &snapshot, &config.alerts, &names, now))?;
        Ok((decision, names))
    });
    Ok(committed.await??)
}

/// Where e-mail addresses may be.
fn texts(snapshot: &Snapshot) -> impl Iterator<Item = &str> {
    snapshot.credentials.iter().flat_map(|one| {
        let credential = &one.credential;
        [Some(credential.id.as_str()), credential.account.as_deref()].into_iter().flatten()
    })
}

/// Shows a snapshot to pages and scrapes.
async fn publish(
    monitor: &Monitor,
    config: &Arc<Config>,
    snapshot: &Arc<Snapshot>,
    names: &Pseudonyms,
    notes: &[String],
) -> Result<(), CycleError> {
    let Some(site) = &monitor.site else { return Ok(()) };
    let standing = standing(monitor, config).await?;
    let (rendered, names) = (Arc::clone(snapshot), names.clone());
    // 10,000 credentials are 20 MB of text: not on the thread that serves pages.
    let metrics = tokio::task::spawn_blocking(move || snapshot_text(&rendered, &names));
    let metrics = metrics.await.map_err(|_| CycleError::Panicked)?.into();
    let snapshot = Arc::clone(snapshot);
    site.publish(View { snapshot, standing, metrics, zone: config.status.zone, notes: notes.to_vec() });
    Ok(())
}

/// What the store knows, for pages and scrapes.
///
/// # Errors
/// If the store fails.
pub async fn standing(monitor: &Monitor, config: &Config) -> Result<Standing, CycleError> {
    let read = |store: &mut Store| -> Result<_, StoreError> {
        Ok((store.incidents()?, store.receiver_states()?, store.last_persisted_time()?))
    };
    let (incidents, states, last_cycle) = monitor.desk.with(read).await??;
    let open = |incident: &Incident| incident.status != IncidentStatus::Resolved;
    let incidents = incidents.into_iter().filter(open).collect();
    let receivers = config.receivers.iter().map(|receiver| health(receiver, &states)).collect();
    Ok(Standing { incidents, receivers, last_cycle })
}

fn health(receiver: &crate::config::Receiver, states: &[ReceiverState]) -> ReceiverHealth {
    let state = states.iter().find(|state| state.name == receiver.name);
    ReceiverHealth {
        name: receiver.name.clone(),
        channel: receiver.kind.word(),
        queued: state.map_or(0, |s| usize::try_from(s.queued).unwrap_or(usize::MAX)),
        oldest_queued: state.and_then(|s| s.oldest),
        last_success: state.and_then(|s| s.last_success),
        last_error: state.and_then(|s| s.quarantine.as_ref()).map(|q| q.detail.clone()),
    }
}
