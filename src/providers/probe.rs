//! Asks providers about credentials: one free request each, to the key's own host or to the base URL a person configured.
//!
//! Decides in which order and how often a request is made and what "no answer" means; where it goes is [`super::route`]'s,
//! what an answer proves [`super::classify`]'s. Never follows a redirect, never retries by itself, never logs a key.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinSet;

use super::catalog::{Catalog, StatusPage};
use super::classify::{Facts, classify, unanswered};
use super::gates::{Gates, Reached};
use super::request::Request;
use super::route::{Route, plan};
use super::status_page::{Page, Pages};
use crate::clock::Clock;
use crate::config::values::is_loopback;
use crate::config::{self, Config};
use crate::domain::{CredentialId, Kind, Secret, Verdict, VerdictKind};
use crate::formats::provider_row::Shape;
use crate::net::Clients;

/// One credential to ask about.
pub struct Target {
    /// Whose verdict it will be.
    pub id: CredentialId,
    /// Provider id.
    pub provider: String,
    /// What sort of thing it is.
    pub kind: Kind,
    /// The secret, read just now.
    pub secret: Secret,
    /// Where to ask instead of at the provider's own host: the gateway's config file names it for this very entry, or a
    /// demonstration serves it. Goes before `[providers.<id>]`; https, or http on loopback.
    pub base_url: Option<String>,
    /// Whose requests that place understands, if its owner says so.
    pub shape: Option<Shape>,
    /// The model that a paid question names.
    pub model: Option<String>,
}

/// How to ask.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests at the same time.
    pub concurrency: usize,
    /// Requests at the same time to one host.
    pub per_host: usize,
    /// For the whole answer.
    pub timeout: Duration,
    /// `[providers.<id>]` of `monitor.toml`.
    pub providers: BTreeMap<String, config::Provider>,
    /// Endpoints that their providers do not describe may be asked too.
    pub undocumented: bool,
    /// A question may cost a token: only on a person's command, after the cost was shown.
    pub paid: bool,
    /// What status pages said; `None`: they are not looked at.
    pub pages: Option<Arc<Pages>>,
    /// Told how many of how many questions are answered.
    pub watcher: Watcher,
}

/// Whoever wants to know how far it is.
#[derive(Clone, Default)]
pub struct Watcher(pub Option<Arc<dyn Fn(usize, usize) + Send + Sync>>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watcher" } else { "Nobody" })
    }
}

impl Default for Settings {
    fn default() -> Self {
        let config::Probing { concurrency, per_host, timeout, undocumented, .. } = config::Probing::default();
        let (providers, watcher) = (BTreeMap::new(), Watcher::default());
        Self { concurrency, per_host, timeout, providers, undocumented, paid: false, pages: None, watcher }
    }
}

impl Settings {
    /// What `monitor.toml` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let config::Probing { concurrency, per_host, timeout, undocumented, status_pages, .. } = config.probing;
        let pages = status_pages.then(Arc::default);
        Self {
            concurrency,
            per_host,
            timeout,
            undocumented,
            pages,
            providers: config.providers.clone(),
            ..Self::default()
        }
    }
}

/// What became of one target.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Whose.
    pub id: CredentialId,
    /// What was proved.
    pub verdict: Verdict,
    /// What came with it.
    pub facts: Facts,
    /// How long the answer took; `None` if no request was made (and so none counts against the budget).
    pub latency: Option<Duration>,
}

/// Asks about every target; the answers are in the order of the targets. Several targets with the same secret and address
/// share one request. A host that left two requests unanswered is not asked again in this run.
pub async fn probe(
    targets: Vec<Target>,
    settings: &Settings,
    clients: &Clients,
    clock: &Arc<dyn Clock>,
) -> Vec<Probed> {
    let mut results: Vec<Probed> = Vec::with_capacity(targets.len());
    let mut jobs: Vec<Job> = Vec::new();
    let mut by_url: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.into_iter().enumerate() {
        // Overwritten by the answer; stands if no question may be put, or if the task that puts it dies.
        let mut detail = "the probe failed inside opensoul: please report this".to_owned();
        let mut kind = VerdictKind::Unverifiable;
        let retired = Catalog::get().provider(&target.provider).and_then(|row| row.retired.as_ref());
        match plan(&target, settings, clients) {
            Err(_) if let Some(why) = retired => (kind, detail) = (VerdictKind::Retired, why.clone()),
            Err(why) => detail = why,
            Ok(route) => {
                let secret = target.secret.expose().trim();
                let same_url = by_url.entry(route.ask.url.to_string()).or_default();
                match same_url.iter().find(|job| jobs[**job].secret.expose() == secret) {
                    Some(job) => jobs[*job].targets.push(index),
                    None => {
                        same_url.push(jobs.len());
                        jobs.push(Job { targets: vec![index], route, secret: Secret::new(secret.to_owned()) });
                    }
                }
            }
        }
        let verdict = Verdict { kind, at: clock.now(), detail };
        results.push(Probed { id: target.id, verdict, facts: Facts::default(), latency: None });
    }
    let done = run(jobs, settings, clock).await;
    let troubles = look_at_pages(&done, settings, clients).await;
    let mut reached = Reached::default();
    let mut unanswered = Vec::new();
    for (targets, mut done) in done {
        reached.note(&done.host, done.answered);
        explain(&mut done, &troubles);
        for index in targets {
            let result = &mut results[index];
            result.verdict.clone_from(&done.verdict);
            result.facts.clone_from(&done.facts);
            result.latency = done.latency;
            if !done.answered && !is_loopback(&done.host) {
                unanswered.push(index);
            }
        }
    }
    if reached.own_network_is_down() {
        for index in unanswered {
            let verdict = &mut results[index].verdict;
            verdict.kind = VerdictKind::Network;
            verdict.detail = format!("no provider answers: this machine's own network ({})", verdict.detail);
        }
    }
    results
}

/// One question for one or more targets.
struct Job {
    targets: Vec<usize>,
    route: Route,
    secret: Secret,
}

/// What became of a question.
#[derive(Clone)]
struct Done {
    verdict: Verdict,
    facts: Facts,
    /// `None` if nothing was sent.
    latency: Option<Duration>,
    /// The host asked last, and whether it answered at all.
    host: String,
    answered: bool,
    page: Option<StatusPage>,
}

/// Pages, and what they say.
type Said = Vec<(StatusPage, Page)>;

/// What the status pages of the providers in trouble say: each of them, and each part of it that matters to somebody.
async fn look_at_pages(done: &[(Vec<usize>, Done)], settings: &Settings, clients: &Clients) -> Said {
    let mut found = Said::new();
    let Some(pages) = &settings.pages else { return found };
    // If nobody answers, a status page does not either.
    let mut reached = Reached::default();
    done.iter().for_each(|(_, done)| reached.note(&done.host, done.answered));
    if reached.own_network_is_down() {
        return found;
    }
    let troubled = done.iter().filter(|(_, done)| done.verdict.kind == VerdictKind::ProviderDown);
    for page in troubled.filter_map(|(_, done)| done.page.as_ref()) {
        if !found.iter().any(|(known, _)| known == page) {
            found.push((page.clone(), pages.look(page, clients, settings.timeout).await));
        }
    }
    found
}

/// Puts the provider's own words to its trouble. While it reports one, its bare "I do not know this key" is not believed.
fn explain(done: &mut Done, pages: &Said) {
    let verdict = &mut done.verdict;
    let said = pages.iter().find(|(page, _)| done.page.as_ref() == Some(page)).map(|(_, said)| said);
    match (said, verdict.kind) {
        (Some(Page::Trouble(words)), VerdictKind::ProviderDown) => {
            verdict.detail = format!("{}; its status page says: {words}", verdict.detail);
        }
        (Some(Page::Trouble(words)), VerdictKind::Rejected) => {
            verdict.kind = VerdictKind::ProviderDown;
            verdict.detail = format!("{}, while its status page says: {words}", verdict.detail);
        }
        (Some(Page::Fine), VerdictKind::ProviderDown) => verdict.detail.push_str("; its status page shows no trouble"),
        _ => {}
    }
}

/// What is shared by the questions of one run.
struct Run {
    gates: Gates,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Whether an address answers without a key too.
    open: Mutex<BTreeMap<String, Arc<OnceCell<Option<bool>>>>>,
}

/// So many times more questions wait for a turn than may be put: memory does not grow with their number.
const WINDOW: usize = 4;

/// The hosts take turns, so that the questions to a slow one do not fill all places.
fn in_turns(jobs: Vec<Job>) -> impl Iterator<Item = Job> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut numbered: Vec<(usize, Job)> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let turn = count.entry(job.route.ask.host().to_owned()).or_default();
        numbered.push((*turn, job));
        *turn += 1;
    }
    numbered.sort_by_key(|(turn, _)| *turn);
    numbered.into_iter().map(|(_, job)| job)
}

async fn run(jobs: Vec<Job>, settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<(Vec<usize>, Done)> {
    let requests = jobs.iter().flat_map(|job| std::iter::once(&job.route.ask).chain(&job.route.other));
    let gates = Gates::new(requests.map(Request::host), settings.concurrency, settings.per_host);
    let run = Arc::new(Run { gates, clock: clock.clone(), timeout: settings.timeout, open: Mutex::default() });
    let (total, finished) = (jobs.len(), AtomicUsize::new(0));
    let mut waiting = in_turns(jobs);
    let mut tasks = JoinSet::new();
    let mut all = Vec::with_capacity(total);
    loop {
        while tasks.len() < settings.concurrency.max(1) * WINDOW
            && let Some(job) = waiting.next()
        {
            let run = run.clone();
            tasks.spawn(async move {
                let done = run.work(&job).await;
                (job.targets, done)
            });
        }
        let Some(done) = tasks.join_next().await else { break };
        if let Some(watcher) = &settings.watcher.0 {
            watcher(finished.fetch_add(1, Ordering::Relaxed) + 1, total);
        }
        match done {
            Ok(done) => all.push(done),
            // One probe's panic is not the others'; its targets keep the verdict they were given first.
            Err(error) => tracing::error!(panicked = error.is_panic(), "a probe died"),
        }
    }
    all
}

impl Run {
    async fn work(&self, job: &Job) -> Done {
        let Route { ask, other, page } = &job.route;
        let mut done = self.one(ask, &job.secret).await;
        done.page.clone_from(page);
        if let Some(second) = self.second(ask, &job.secret, &done).await {
            done = second;
        }
        if let Some(other) = other.as_ref().filter(|_| done.verdict.kind == VerdictKind::Rejected) {
            // Both regions of one provider issue keys of one shape; only the one that issued it knows it.
            let second = self.one(other, &job.secret).await;
            let latency = done.latency.unwrap_or_default() + second.latency.unwrap_or_default();
            done = Done { latency: Some(latency), page: done.page, ..second };
        }
        if done.verdict.kind == VerdictKind::Accepted && ask.probe.control {
            self.control(ask, &mut done).await;
        }
        done
    }

    /// "Too often" is also said to tokens that have expired; another place tells them apart.
    async fn second(&self, ask: &Request, secret: &Secret, first: &Done) -> Option<Done> {
        let at = ask.probe.second.as_ref().filter(|_| first.verdict.kind == VerdictKind::Throttled)?;
        let mut probe = (*ask.probe).clone();
        (probe.path, probe.expect, probe.second) = (at.path.clone(), at.expect.clone(), None);
        (probe.quota, probe.balance, probe.dead) = (Vec::new(), None, Vec::new());
        let mut second = self.one(&ask.elsewhere(probe)?, secret).await;
        if !second.verdict.kind.is_conclusive() {
            return None;
        }
        second.facts.retry_after = second.facts.retry_after.or(first.facts.retry_after);
        second.page.clone_from(&first.page);
        Some(second)
    }

    /// A success proves something only where the same question without a key is refused.
    async fn control(&self, ask: &Request, done: &mut Done) {
        let cell = self.open.lock().await.entry(ask.url.to_string()).or_default().clone();
        let open = cell.get_or_init(|| async {
            let _turn = self.gates.pass(ask.host()).await;
            let answer = ask.ask(None, self.clock.now(), self.timeout).await.ok()?;
            match answer.status {
                400..=403 | 422 => Some(false),
                200..=299 => Some(true),
                _ => None,
            }
        });
        let why = match open.await {
            Some(false) => return,
            Some(true) => "the server answers the same without a key, so its answer proves nothing",
            None => "whether the server asks for a key at all could not be told",
        };
        done.verdict.kind = VerdictKind::Unverifiable;
        why.clone_into(&mut done.verdict.detail);
    }

    async fn one(&self, request: &Request, secret: &Secret) -> Done {
        let Self { gates, clock, timeout, .. } = self;
        let host = request.host().to_owned();
        let _turn = gates.pass(&host).await;
        if gates.gave_up(&host) {
            let detail = "not asked: the provider did not answer about other credentials just now".to_owned();
            let verdict = Verdict { kind: VerdictKind::ProviderDown, at: clock.now(), detail };
            return Done { verdict, facts: Facts::default(), latency: None, host, answered: false, page: None };
        }
        let start = clock.monotonic();
        let answer = request.ask(Some(secret), clock.now(), *timeout).await;
        let (now, latency) = (clock.now(), clock.monotonic().saturating_sub(start));
        let answered = answer.is_ok();
        gates.note(&host, answered);
        let (verdict, facts) = match answer {
            Ok(answer) => {
                let reading = classify(&answer, &request.probe, secret, now);
                (reading.verdict, reading.facts)
            }
            Err(failure) => (unanswered(failure, now), Facts::default()),
        };
        tracing::debug!(host, verdict = verdict.kind.word(), latency_ms = latency.as_millis(), "probed");
        Done { verdict, facts, latency: Some(latency), host, answered, page: None }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
