//! State pushes beside the cycles: the Alertmanagers hear of every problem, the outlets get the metrics, and the heartbeats learn
//! that we live, after each commit. What they take is not kept for later, so this stands outside the outbox (DESIGN §8).
//!
//! What must hold: a push holds up neither a cycle nor a message, one runs at a time and the newest state wins; a target that
//! takes nothing is seen in the log, on the page, in the metrics, and after a while by the other receivers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::config::Config;
use crate::domain::{
    Environment, FailureReason, Finding, Incident, IncidentId, IncidentStatus, Place, Pseudonyms, Severity, Snapshot,
    Span, Time, Withheld,
};
use crate::engine::heartbeat::{Cycle, criticals, deserved};
use crate::engine::overlays::Overlays;
use crate::export::alertmanager::alerts::{Board, Words, hold};
use crate::export::alertmanager::{Peer, peers};
use crate::export::heartbeat::{Heartbeat, Ping};
use crate::export::metrics::{PushHealth, snapshot_families, standing_families};
use crate::export::outlet::Outlet;
use crate::export::own::Own;
use crate::export::series::Batch;
use crate::export::{ALERTMANAGER, Failure, HEARTBEAT};
use crate::net::Clients;
use crate::store::{Store, StoreError};

use super::cycle::{CycleError, Monitor, STATUS, standing};

/// For one target, with all its tries.
const LIMIT: Duration = Duration::from_secs(15);

/// A heartbeat that was pinged so shortly before needs no other ping; more than five a minute are thrown away by some.
const ENOUGH: Duration = Duration::from_secs(30);

/// A target that has taken nothing for so long is worth a message.
const PATIENCE: Span = Span::minutes(10);

/// A success is written down anew after so long.
const NOTED: Span = Span::minutes(10);

/// Criticals that a ping names.
const NAMED: usize = 50;

/// The targets of a configuration.
pub struct Pushes {
    peers: Vec<Arc<Peer>>,
    heartbeats: Vec<Arc<Heartbeat>>,
    outlets: Vec<Arc<Outlet>>,
    link: String,
    /// Held by the push that runs.
    board: tokio::sync::Mutex<Board>,
    begun: AtomicBool,
    latest: AtomicU64,
    /// What each heartbeat heard last, and when.
    pinged: Mutex<BTreeMap<String, (bool, Duration)>>,
}

/// What is known before a cycle.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// When the last committed cycle was.
    before: Option<Time>,
    /// The last cycle that was begun was committed.
    one_before: bool,
    /// When this one begins.
    at: Duration,
}

/// What this process knows of its targets, by sort and name.
pub type Memory = Mutex<BTreeMap<Target, Known>>;

/// What this process knows of a target.
#[derive(Clone, Debug, Default)]
pub struct Known {
    last_success: Option<Time>,
    trouble: Option<String>,
}

/// The name in the ledger of last runs of the cycle that was begun last.
const ATTEMPT: &str = "attempt";

impl Pushes {
    /// Opens nothing. `before` are those of the configuration that was in use until now, if there was one.
    #[must_use]
    pub fn new(config: &Config, before: Option<&Self>, env: &Environment, clients: &Arc<Clients>) -> Arc<Self> {
        let env = Arc::new(env.clone());
        let before = before.map(|pushes| pushes.outlets.as_slice()).unwrap_or_default();
        let outlet = |one| Arc::new(Outlet::new(one, before, &env, clients));
        let heartbeat = |one: &crate::config::Heartbeat| Arc::new(Heartbeat::new(one.clone(), &env, clients));
        Arc::new(Self {
            peers: peers(&config.alertmanagers, &env, clients),
            heartbeats: config.heartbeats.iter().map(heartbeat).collect(),
            outlets: config.outlets.iter().map(outlet).collect(),
            link: config.web.url().filter(|_| config.web.enabled).unwrap_or_default(),
            board: tokio::sync::Mutex::default(),
            begun: AtomicBool::new(false),
            latest: AtomicU64::new(0),
            pinged: Mutex::default(),
        })
    }

    /// Shows every target's counters from the start.
    pub fn announce(&self, own: &Own) {
        self.peers.iter().for_each(|peer| own.push_target(ALERTMANAGER, &peer.name));
        self.heartbeats.iter().for_each(|one| own.push_target(HEARTBEAT, one.name()));
        self.outlets.iter().for_each(|one| own.push_target(one.way(), one.name()));
    }

    /// To be called before each cycle: notes that one is begun, so that a cycle that comes to nothing is known of even if the
    /// process dies in it. `None`: there is nothing to push to.
    pub async fn begin(&self, monitor: &Monitor) -> Option<Begun> {
        if self.peers.is_empty() && self.heartbeats.is_empty() && self.outlets.is_empty() {
            return None;
        }
        let (now, at) = (monitor.clock.now(), monitor.clock.monotonic());
        let first = !self.begun.swap(true, Ordering::Relaxed);
        let read = monitor.desk.with(move |store| -> Result<_, StoreError> {
            let stood = if first { store.incidents()? } else { Vec::new() };
            let (attempt, before) = (store.last_run(ATTEMPT)?, store.last_run(STATUS)?);
            store.set_last_run(ATTEMPT, now)?;
            Ok((stood, attempt, before))
        });
        let Ok(Ok((stood, attempt, before))) = read.await else {
            return Some(Begun { before: None, one_before: false, at });
        };
        if first {
            *self.board.lock().await = Board::new(&stood);
        }
        let one_before = before.is_some_and(|before| attempt.is_none_or(|attempt| attempt <= before));
        Some(Begun { before, one_before, at })
    }

    /// Pushes what stands after a cycle was committed. A push that waits for its turn while a newer one comes is left out.
    pub async fn push(self: Arc<Self>, monitor: Monitor, config: Arc<Config>, seen: Arc<Snapshot>, begun: Begun) {
        let took = monitor.clock.monotonic().saturating_sub(begun.at);
        let number = self.latest.fetch_add(1, Ordering::Relaxed) + 1;
        let mut board = self.board.lock().await;
        if self.latest.load(Ordering::Relaxed) != number {
            return;
        }
        let now = monitor.clock.now();
        let emails = config.export_emails;
        let read = monitor.desk.with(move |store| -> Result<_, StoreError> {
            Ok((store.incidents()?, store.pseudonyms(std::iter::empty(), emails)?, store.silences()?))
        });
        let (incidents, names, silences) = match read.await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return tracing::error!(%error, "the state could not be pushed"),
            Err(error) => return tracing::error!(%error, "the state could not be pushed"),
        };
        board.turn(&incidents, now);
        let words = Words { host: &seen.host, names: &names, link: &self.link };
        let alerts = Arc::new(board.alerts(&words, hold(&config.status, begun.before, now), now));

        let withheld = Overlays::new(&config.alerts, &silences, &seen.host, now).all(&incidents);
        let (mut results, given) = tokio::join!(
            self.tell_peers(&alerts, now),
            self.give(&monitor, &config, &seen, &names, &withheld, |_| true)
        );
        let taken = results.iter().any(|(.., result)| result.is_ok());
        results.extend(given);
        let aside = withheld.into_iter().filter(|(_, why)| why.is_deliberate()).map(|(id, _)| id).collect();
        let cycle = Cycle { incidents: &incidents, one_before: begun.one_before, aside: &aside, taken, now };
        let ping = |well| ping(well, &seen, &incidents, &names, took, now);
        results.extend(self.ping(&monitor, &cycle, ping).await);
        record(&monitor, results, now).await;
        if let Some(site) = &monitor.site {
            match standing(&monitor, &config).await {
                Ok(standing) => site.update(standing),
                Err(error) => tracing::warn!(%error, "the page does not show the last push"),
            }
        }
    }

    async fn tell_peers(
        &self,
        alerts: &Arc<Vec<crate::export::alertmanager::alerts::Alert>>,
        now: Time,
    ) -> Vec<Pushed> {
        let mut all = JoinSet::new();
        for peer in &self.peers {
            let (peer, alerts) = (Arc::clone(peer), Arc::clone(alerts));
            all.spawn(async move {
                let result = bounded(peer.push(&alerts, now)).await;
                (ALERTMANAGER, peer.name.clone(), result)
            });
        }
        finished(all).await
    }

    /// Gives the same metrics, as of now, to the outlets that forget what they do not hear again: a series of which Prometheus
    /// hears nothing for five minutes is over for it, and a round may be as long. Not while a push is under way.
    pub async fn again(self: Arc<Self>, monitor: Monitor, config: Arc<Config>, seen: Arc<Snapshot>) {
        let Ok(_turn) = self.board.try_lock() else { return };
        if !self.outlets.iter().any(|one| one.forgets()) {
            return;
        }
        let (now, emails) = (monitor.clock.now(), config.export_emails);
        let read = monitor.desk.with(move |store| -> Result<_, StoreError> {
            Ok((store.incidents()?, store.pseudonyms(std::iter::empty(), emails)?, store.silences()?))
        });
        let Ok(Ok((incidents, names, silences))) = read.await else { return };
        let withheld = Overlays::new(&config.alerts, &silences, &seen.host, now).all(&incidents);
        let given = self.give(&monitor, &config, &seen, &names, &withheld, Outlet::forgets).await;
        record(&monitor, given, now).await;
    }

    /// Gives the metrics to the outlets that are meant.
    async fn give(
        &self,
        monitor: &Monitor,
        config: &Arc<Config>,
        seen: &Arc<Snapshot>,
        names: &Pseudonyms,
        withheld: &BTreeMap<IncidentId, Withheld>,
        meant: impl Fn(&Outlet) -> bool,
    ) -> Vec<Pushed> {
        let outlets: Vec<_> = self.outlets.iter().filter(|one| meant(one)).map(Arc::clone).collect();
        if outlets.is_empty() {
            return Vec::new();
        }
        let batch = match batch(monitor, config, seen, names, withheld).await {
            Ok(batch) => Arc::new(batch),
            Err(error) => {
                tracing::error!(%error, "the metrics could not be pushed");
                return Vec::new();
            }
        };
        let mut all = JoinSet::new();
        for outlet in outlets {
            let batch = Arc::clone(&batch);
            all.spawn(async move {
                let result = bounded(outlet.push(&batch)).await;
                (outlet.way(), outlet.name().to_owned(), result)
            });
        }
        finished(all).await
    }

    /// Takes back what was left where `new` leaves nothing any more; with the name of this machine then and now.
    pub async fn leave(self: Arc<Self>, new: Arc<Self>, host: String, new_host: String) {
        let stays = |old: &Outlet| new.outlets.iter().any(|one| one.trace(&new_host) == old.trace(&host));
        for (way, name, result) in self.forget(&host, |old| !stays(old)).await {
            match result {
                Ok(()) => tracing::info!("{way} {name}: what was pushed there is taken back"),
                Err(failure) => tracing::warn!("{way} {name}: what was pushed there stays: {}", failure.detail),
            }
        }
    }

    /// Takes back what was given to the outlets that are meant.
    pub async fn forget(&self, host: &str, meant: impl Fn(&Outlet) -> bool) -> Vec<Pushed> {
        let mut all = JoinSet::new();
        for outlet in self.outlets.iter().filter(|one| !one.forgets() && meant(one)) {
            let (outlet, host) = (Arc::clone(outlet), host.to_owned());
            all.spawn(async move {
                let result = bounded(outlet.forget(&host)).await;
                (outlet.way(), outlet.name().to_owned(), result)
            });
        }
        finished(all).await
    }

    async fn ping(&self, monitor: &Monitor, cycle: &Cycle<'_>, ping: impl Fn(bool) -> Ping) -> Vec<Pushed> {
        let clock = monitor.clock.monotonic();
        let verdict = deserved(cycle);
        let critical = criticals(cycle.incidents).next().is_some();
        let mut all = JoinSet::new();
        for one in &self.heartbeats {
            let well = !(critical && one.fails_on_critical());
            if let (true, Err(why)) = (well, &verdict) {
                monitor.own.withheld(one.name());
                trouble(monitor, HEARTBEAT, one.name(), Some(format!("no ping is sent: {why}")));
                continue;
            }
            let last = self.pinged.lock().unwrap_or_else(PoisonError::into_inner).get(one.name()).copied();
            if last.is_some_and(|(said, at)| said == well && clock.saturating_sub(at) < ENOUGH) {
                continue;
            }
            let (one, ping) = (Arc::clone(one), ping(well));
            all.spawn(async move {
                let result = bounded(one.ping(&ping)).await;
                (HEARTBEAT, one.name().to_owned(), result, well)
            });
        }
        let mut results = Vec::new();
        for (sort, name, result, well) in finished(all).await {
            if result.is_ok() {
                self.pinged.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (well, clock));
            }
            results.push((sort, name, result));
        }
        results
    }
}

/// Everything that is known now. A run that ends has counted nothing worth telling: its counters are left out.
async fn batch(
    monitor: &Monitor,
    config: &Arc<Config>,
    seen: &Arc<Snapshot>,
    names: &Pseudonyms,
    withheld: &BTreeMap<IncidentId, Withheld>,
) -> Result<Batch, CycleError> {
    let standing = standing(monitor, config).await?;
    let counting = monitor.site.is_some().then(|| monitor.own.started());
    let (seen, names, withheld, own) = (Arc::clone(seen), names.clone(), withheld.clone(), Arc::clone(&monitor.own));
    let (at, host) = (monitor.clock.now(), seen.host.clone());
    let windows = config.alerts.windows(at);
    let made = tokio::task::spawn_blocking(move || {
        let mut families = if counting.is_some() { own.families() } else { Vec::new() };
        snapshot_families(&seen, &names, &mut |family| families.push(family));
        standing_families(&standing, &withheld, &windows, &mut |family| families.push(family));
        families.retain(|family| !family.get_metric().is_empty());
        families
    });
    let families = Arc::new(made.await.map_err(|_| CycleError::Panicked)?);
    Ok(Batch { families, at, host, counting })
}

/// What came of one push: sort and name of the target.
pub type Pushed = (&'static str, String, Result<(), Failure>);

async fn bounded(push: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let late = |_| Failure { reason: FailureReason::Timeout, detail: format!("no end within {} s", LIMIT.as_secs()) };
    tokio::time::timeout(LIMIT, push).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

/// All of them; a panic in one is said on stderr and costs nobody else anything.
async fn finished<T: 'static>(mut all: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    while let Some(one) = all.join_next().await {
        match one {
            Ok(one) => done.push(one),
            Err(error) => tracing::error!(%error, "a push panicked; the next cycle tries again"),
        }
    }
    done
}

fn ping(well: bool, seen: &Snapshot, incidents: &[Incident], names: &Pseudonyms, took: Duration, at: Time) -> Ping {
    let count = |severity| {
        incidents.iter().filter(|one| one.status == IncidentStatus::Firing && one.severity == severity).count()
    };
    let credentials = seen.credentials.iter().filter(|one| one.copy_of.is_none()).count();
    let line = format!(
        "{}: {credentials} credentials, {} critical, {} warning",
        seen.host,
        count(Severity::Critical),
        count(Severity::Warning),
    );
    let titles = criticals(incidents).take(NAMED).map(|one| names.apply(&one.title));
    Ping { well, line, more: titles.collect(), took, host: seen.host.clone(), at }
}

/// Notes what is said of a target on the page; the log hears of what is new.
fn trouble(monitor: &Monitor, sort: &'static str, name: &str, what: Option<String>) {
    let mut memory = monitor.pushed.lock().unwrap_or_else(PoisonError::into_inner);
    let known = memory.entry((sort, name.to_owned())).or_default();
    match &what {
        Some(what) if known.trouble.as_ref() != Some(what) => tracing::warn!("{sort} {name}: {what}"),
        None if known.trouble.is_some() => tracing::info!("{sort} {name}: works again"),
        _ => {}
    }
    known.trouble = what;
}

async fn record(monitor: &Monitor, results: Vec<Pushed>, now: Time) {
    for (sort, name, result) in &results {
        let failed = result.as_ref().err();
        monitor.own.pushed(sort, name, failed.map(|failure| failure.reason));
        trouble(monitor, sort, name, failed.map(|failure| failure.detail.clone()));
        if failed.is_none() {
            let mut memory = monitor.pushed.lock().unwrap_or_else(PoisonError::into_inner);
            memory.entry((sort, name.clone())).or_default().last_success = Some(now);
        }
    }
    let written = monitor.desk.with(move |store| {
        results.iter().try_for_each(|(sort, name, result)| note(store, sort, name, result.is_ok(), now))
    });
    if !matches!(written.await, Ok(Ok(()))) {
        tracing::warn!("what became of the push could not be kept: state.db cannot be written");
    }
}

// In the ledger of last runs, for each target: when it last took something, since when it takes nothing (1970: it does), and
// when it was last tried in vain. Kept there because `monitor once` is a new process each time.

fn ledger(what: &str, sort: &str, name: &str) -> String {
    format!("{sort} {name} {what}")
}

fn failing_since(store: &Store, sort: &str, name: &str) -> Result<Option<Time>, StoreError> {
    Ok(store.last_run(&ledger("failing", sort, name))?.filter(|at| *at > Time::UNIX_EPOCH))
}

fn note(store: &mut Store, sort: &str, name: &str, taken: bool, now: Time) -> Result<(), StoreError> {
    let failing = failing_since(store, sort, name)?;
    if !taken {
        if failing.is_none() {
            store.set_last_run(&ledger("failing", sort, name), now)?;
        }
        return store.set_last_run(&ledger("failed", sort, name), now);
    }
    if failing.is_some() {
        store.set_last_run(&ledger("failing", sort, name), Time::UNIX_EPOCH)?;
    }
    let last = store.last_run(&ledger("taken", sort, name))?;
    if failing.is_some() || last.is_none_or(|last| last > now || now - last >= NOTED) {
        store.set_last_run(&ledger("taken", sort, name), now)?;
    }
    Ok(())
}

/// Every target with what is known of it, for pages and scrapes.
///
/// # Errors
/// If the store fails.
pub fn health(store: &Store, targets: &[Target], memory: &Memory) -> Result<Vec<PushHealth>, StoreError> {
    let known = memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let of = |&(kind, ref name): &Target| {
        let known = known.get(&(kind, name.clone()));
        Ok(PushHealth {
            name: name.clone(),
            kind,
            last_success: store.last_run(&ledger("taken", kind, name))?.max(known.and_then(|known| known.last_success)),
            failing_since: failing_since(store, kind, name)?,
            last_error: known.and_then(|known| known.trouble.clone()),
        })
    };
    targets.iter().map(of).collect()
}

/// Sort and name of a target.
pub type Target = (&'static str, String);

/// Every target of a configuration.
#[must_use]
pub fn targets(config: &Config) -> Vec<Target> {
    let peers = config.alertmanagers.iter().flat_map(|cluster| &cluster.peers);
    let peers = peers.map(|peer| (ALERTMANAGER, peer.name.clone()));
    let outlets = config.outlets.iter().map(|one| (one.way.word(), one.name.clone()));
    peers.chain(outlets).chain(config.heartbeats.iter().map(|one| (HEARTBEAT, one.name.clone()))).collect()
}

/// The findings `export.alertmanager-failing`, `export.metrics-failing` and `heartbeat.failing`, which the monitor adds to its snapshot: so a receiver
/// hears of it.
///
/// # Errors
/// If the store fails.
pub fn findings(store: &Store, config: &Config) -> Result<Vec<Finding>, StoreError> {
    // Long enough by its own count: two tries must lie so far apart.
    let long = |sort: &str, name: &str| -> Result<Option<Time>, StoreError> {
        let last = store.last_run(&ledger("failed", sort, name))?;
        Ok(failing_since(store, sort, name)?.filter(|since| last.is_some_and(|last| last - *since >= PATIENCE)))
    };
    let clock = |at: Time| at.format("%Y-%m-%d %H:%M UTC");
    let mut found = Vec::new();
    for cluster in &config.alertmanagers {
        let mut failing = Vec::new();
        for peer in &cluster.peers {
            failing.extend(long(ALERTMANAGER, &peer.name)?.map(|since| (&peer.name, since)));
        }
        let nobody = failing.len() == cluster.peers.len();
        for (name, since) in failing {
            let heard = if nobody {
                "no Alertmanager hears of anything"
            } else {
                "its cluster hears of everything through others"
            };
            let mut finding = Finding::new(
                "export.alertmanager-failing",
                if nobody { Severity::Critical } else { Severity::Warning },
                format!("Alertmanager {name} has taken nothing from us since {}; {heard}", clock(since)),
                "start it, or correct [export] alertmanager in monitor.toml; the monitor's log and page show its answer",
            );
            finding.place = Place::default().key(format!("export.alertmanager.{name}"));
            found.push(finding);
        }
    }
    for one in &config.outlets {
        if let Some(since) = long(one.way.word(), &one.name)? {
            let mut finding = Finding::new(
                "export.metrics-failing",
                Severity::Warning,
                format!("{} {} has taken no metrics from us since {}", one.way.word(), one.name, clock(since)),
                "correct [export] in monitor.toml; the monitor's log and page show its answer",
            );
            finding.place = Place::default().key(format!("export.{}.{}", one.way.word(), one.name));
            found.push(finding);
        }
    }
    for one in &config.heartbeats {
        if let Some(since) = long(HEARTBEAT, &one.name)? {
            let mut finding = Finding::new(
                "heartbeat.failing",
                Severity::Warning,
                format!("no ping has reached the heartbeat {} since {}", one.name, clock(since)),
                "correct [heartbeat] in monitor.toml; the monitor's log and page show its answer",
            );
            finding.place = Place::default().key(format!("heartbeat.{}", one.name));
            found.push(finding);
        }
    }
    Ok(found)
}
