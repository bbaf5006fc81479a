//! One cycle: observe (with the answers of the probes, if any were due) → decide → ONE transaction → deliver. The same in the daemon and in `monitor once`.
//!
//! What must hold: a message is on disk before it is sent; a cycle is committed whole or not at all; whoever stops waiting for
//! a cycle at any point loses nothing, because the next one finds everything in `state.db`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    Assessed, CredentialId, Finding, Incident, IncidentStatus, Pseudonyms, Renewal, Snapshot, Span, Time, VerdictKind,
};
use crate::engine::assess::worst_first;
use crate::engine::due::{next_after, overdue_at};
use crate::engine::incidents::decide;
use crate::export::metrics::{ReceiverHealth, ReportDates, Standing, snapshot_text};
use crate::export::own::Own;
use crate::store::{CycleRecord, ReceiverState, Remembered, Store, StoreError, StoredVerdict};
use crate::web::{Site, View};

use super::chat;
use super::desk::{Desk, Gone};
use super::observe::Observed;
use super::probing::{Answers, proof_at};
use super::pushes;
use super::systemd::Progress;

/// The name of the job in the ledger of last runs.
pub const STATUS: &str = "status";
/// The name of the probes' job there.
pub const PROBE: &str = "probe";
const TIDY: &str = "tidy";

/// Whoever looks at the machine. Blocking: it reads files.
pub trait Eyes: Send + Sync {
    /// Everything known at `now`, with the secrets of this very look.
    fn look(&self, config: &Config, remembered: &Remembered, now: Time) -> Observed;
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
    /// The home directory, shown as `~`.
    pub home: PathBuf,
    /// What each receiver said to the last attempt, if that failed; for the page.
    pub troubles: Arc<Mutex<BTreeMap<String, String>>>,
    /// What is known of the targets of state pushes.
    pub pushed: Arc<pushes::Memory>,
    /// One look at a time: one that hangs (a dead network file system) must not be joined by a second.
    looking: Arc<Semaphore>,
}

impl Monitor {
    /// From its parts.
    #[must_use]
    pub fn new(
        clock: &Arc<dyn Clock>,
        desk: Desk,
        own: Arc<Own>,
        site: Option<Arc<Site>>,
        eyes: Arc<dyn Eyes>,
        progress: Progress,
        home: PathBuf,
    ) -> Self {
        let (clock, looking) = (Arc::clone(clock), Arc::new(Semaphore::new(1)));
        let (troubles, pushed) = (Arc::default(), Arc::default());
        Self { clock, desk, own, site, eyes, progress, home, troubles, pushed, looking }
    }
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
    /// Reading hangs, usually on a network file system that is gone.
    #[error("looking at this machine takes longer than {} s; nothing was changed", LOOK.as_secs())]
    Hangs,
}

/// Longest look at the machine.
const LOOK: Duration = Duration::from_secs(60);

/// What came of a cycle.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What was seen.
    pub snapshot: Arc<Snapshot>,
    /// How many new messages are on disk.
    pub messages: usize,
    /// From when on a login that was renewed after a refusal may be asked about, if there is one.
    pub proof_at: Option<Time>,
}

/// Observes, decides, commits and publishes. Delivery is the next step: [`super::delivery::deliver`].
///
/// # Errors
/// Nothing was committed.
pub async fn cycle(
    monitor: &Monitor,
    config: &Arc<Config>,
    answers: &Answers,
    notes: &[String],
) -> Result<Committed, CycleError> {
    let now = monitor.clock.now();
    let known = Arc::clone(config);
    let (mut remembered, about_us) = monitor.desk.with(move |store| remember(store, &known, now)).await??;
    answers.teach(&mut remembered);
    let refused = |(_, stored): &(&CredentialId, &StoredVerdict)| {
        stored.conclusive.as_ref().is_some_and(|(_, verdict)| verdict.kind != VerdictKind::Accepted)
    };
    let refused: BTreeMap<CredentialId, StoredVerdict> =
        remembered.verdicts.iter().filter(refused).map(|(id, stored)| (id.clone(), stored.clone())).collect();
    monitor.progress.made();

    let Observed { mut snapshot, key, .. } = look(monitor, config, remembered, now).await?;
    snapshot.findings.extend(about_us);
    worst_first(&mut snapshot.findings);
    let snapshot = Arc::new(snapshot);
    monitor.progress.made();

    let (messages, names) = commit(monitor, config, &snapshot, key, answers, now).await?;
    monitor.own.cycle();
    monitor.progress.made();

    publish(monitor, config, &snapshot, &names, notes).await?;
    let waits = |one: &Assessed| proof_at(one, Some(refused.get(&one.credential.id)?), config.probing.per_day);
    let proof_at = snapshot.credentials.iter().filter_map(waits).min().filter(|_| config.probe.is_some());
    Ok(Committed { snapshot, messages, proof_at })
}

/// What earlier cycles know, and what the monitor finds about itself: a disk that cannot be written, a receiver that refuses
/// us, an Alertmanager that takes nothing. Another receiver then hears of it.
fn remember(store: &mut Store, config: &Config, now: Time) -> Result<(Remembered, Vec<Finding>), StoreError> {
    let refused = store.receiver_states()?.into_iter().filter_map(|receiver| receiver.finding());
    let unheard = chat::finding(store, config, now)?;
    let untaken = pushes::findings(store, config)?;
    Ok((store.remembered()?, refused.chain(store.trouble()).chain(untaken).chain(unheard).collect()))
}

/// One look at the machine, on a thread of its own.
pub(super) async fn look(
    monitor: &Monitor,
    config: &Arc<Config>,
    remembered: Remembered,
    now: Time,
) -> Result<Observed, CycleError> {
    let (eyes, config) = (Arc::clone(&monitor.eyes), Arc::clone(config));
    let seat = Arc::clone(&monitor.looking).acquire_owned();
    let seat = tokio::time::timeout(LOOK, seat).await.map_err(|_| CycleError::Hangs)?;
    let looking = tokio::task::spawn_blocking(move || {
        let seen = eyes.look(&config, &remembered, now);
        drop(seat);
        seen
    });
    let seen = tokio::time::timeout(LOOK, looking).await.map_err(|_| CycleError::Hangs)?;
    seen.map_err(|_| CycleError::Panicked)
}

async fn commit(
    monitor: &Monitor,
    config: &Arc<Config>,
    snapshot: &Arc<Snapshot>,
    key: i64,
    answers: &Answers,
    now: Time,
) -> Result<(usize, Pseudonyms), CycleError> {
    let (snapshot, config) = (Arc::clone(snapshot), Arc::clone(config));
    let (records, runs) = (answers.records.clone(), answers.runs());
    let committed = monitor.desk.with(move |store| -> Result<_, StoreError> {
        // What its owner renews is new every few hours, and nobody asks since when.
        let lasting = snapshot.credentials.iter().map(|one| &one.credential).filter(|one| one.renewal != Renewal::Auto);
        let secrets: Vec<_> = lasting.filter_map(|one| Some((one.id.clone(), one.fingerprint?))).collect();
        store.adopt_key(key, &secrets)?;
        store.first_seen(&secrets.iter().map(|(_, fingerprint)| *fingerprint).collect::<Vec<_>>(), now)?;
        let names = store.pseudonyms(texts(&snapshot), config.export_emails)?;
        let record = CycleRecord { snapshot: &snapshot, verdicts: &records, runs, now };
        let decision =
            store.commit_cycle(&record, |standing| decide(standing, &snapshot, &config.alerts, &names, now))?;
        Ok((decision.enqueue.len(), names))
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
    let names = Arc::new(names.clone());
    let (rendered, public) = (Arc::clone(snapshot), Arc::clone(&names));
    // 10,000 credentials are 20 MB of text: not on the thread that serves pages.
    let metrics = tokio::task::spawn_blocking(move || snapshot_text(&rendered, &public));
    let metrics = metrics.await.map_err(|_| CycleError::Panicked)?.into();
    let snapshot = Arc::clone(snapshot);
    let (zone, home, notes) = (config.status.zone, monitor.home.clone(), notes.to_vec());
    let policy = Arc::new(config.alerts.clone());
    site.publish(View { snapshot, standing, metrics, policy, zone, names, home, notes });
    Ok(())
}

/// Forgets what is old, once a day.
///
/// # Errors
/// If the store fails.
pub async fn tidy(monitor: &Monitor, config: &Config) -> Result<(), CycleError> {
    let (keep, now) = (config.history.clone(), monitor.clock.now());
    let tidied = monitor.desk.with(move |store| -> Result<(), StoreError> {
        let last = store.last_run(TIDY)?;
        if last.is_none_or(|at| now - at >= Span::days(1) || at > now) {
            store.prune(&keep, now)?;
            store.set_last_run(TIDY, now)?;
        }
        Ok(())
    });
    Ok(tidied.await??)
}

/// What the store knows, for pages and scrapes.
///
/// # Errors
/// If the store fails.
pub async fn standing(monitor: &Monitor, config: &Config) -> Result<Standing, CycleError> {
    let (targets, pushed) = (pushes::targets(config), Arc::clone(&monitor.pushed));
    let read = move |store: &mut Store| -> Result<_, StoreError> {
        let pushes = pushes::health(store, &targets, &pushed)?;
        let (silences, report) = (store.silences()?, store.last_report()?);
        Ok((store.incidents()?, store.receiver_states()?, pushes, store.last_run(STATUS)?, silences, report))
    };
    let (incidents, states, pushes, last_cycle, silences, last_report) = monitor.desk.with(read).await??;
    let troubles = monitor.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let open = |incident: &Incident| incident.status != IncidentStatus::Resolved;
    let incidents = incidents.into_iter().filter(open).collect();
    let receivers = config.receivers.iter().map(|receiver| health(receiver, &states, &troubles)).collect();
    let now = monitor.clock.now();
    let silences = silences.into_iter().filter(|silence| silence.ends_at > now).collect();
    let report = config.alerts.report.as_ref().map(|report| ReportDates {
        last: last_report,
        next: last_report.and_then(|last| next_after(&report.schedule, last)),
    });
    let overdue = last_cycle.and_then(|last| overdue_at(&config.status, last));
    Ok(Standing { incidents, receivers, pushes, last_cycle, overdue, silences, report })
}

fn health(
    receiver: &crate::config::Receiver,
    states: &[ReceiverState],
    troubles: &BTreeMap<String, String>,
) -> ReceiverHealth {
    let state = states.iter().find(|state| state.name == receiver.name);
    ReceiverHealth {
        name: receiver.name.clone(),
        channel: receiver.channel(),
        queued: state.map_or(0, |s| usize::try_from(s.queued).unwrap_or(usize::MAX)),
        oldest_queued: state.and_then(|s| s.oldest),
        last_success: state.and_then(|s| s.last_success),
        last_error: state
            .and_then(|s| s.quarantine.as_ref())
            .map(|q| q.detail.clone())
            .or_else(|| troubles.get(&receiver.name).cloned()),
        quarantined: state.and_then(|s| s.quarantine.as_ref()).map(|quarantine| quarantine.next_try),
    }
}
