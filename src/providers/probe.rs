//! Asks providers about credentials: one free request each, to the key's own host or to the base URL a person configured.
//!
//! Decides how a request is made and what "no answer" means; what an answer proves is [`super::classify`]'s. Never follows a
//! redirect, never retries by itself, never logs a key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::catalog::{Catalog, Probe};
use super::classify::{Facts, classify, unanswered};
use super::gates::{Gates, Reached};
use super::request::Request;
use crate::clock::Clock;
use crate::config;
use crate::config::values::is_loopback;
use crate::domain::{CredentialId, Kind, Secret, Verdict, VerdictKind};
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
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: 8, per_host: 2, timeout: Duration::from_secs(8), providers: BTreeMap::new() }
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
    for (index, target) in targets.into_iter().enumerate() {
        // Overwritten by the answer; stands if no question may be put, or if the task that puts it dies.
        let mut detail = "the probe failed inside opensoul: please report this".to_owned();
        match plan(&target, settings, clients) {
            Err(why) => detail = why,
            Ok(route) => {
                let secret = target.secret.expose().trim();
                let same = |job: &&mut Job| job.route.ask.url == route.ask.url && job.secret.expose() == secret;
                match jobs.iter_mut().find(same) {
                    Some(job) => job.targets.push(index),
                    None => jobs.push(Job { targets: vec![index], route, secret: Secret::new(secret.to_owned()) }),
                }
            }
        }
        let verdict = Verdict { kind: VerdictKind::Unverifiable, at: clock.now(), detail };
        results.push(Probed { id: target.id, verdict, facts: Facts::default(), latency: None });
    }
    let mut reached = Reached::default();
    let mut unanswered = Vec::new();
    for (targets, done) in run(jobs, settings, clock).await {
        reached.note(&done.host, done.answered);
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

/// Where a question goes.
struct Route {
    ask: Request,
    /// The same provider's other region, asked when the first does not know the key; never beside a configured base URL.
    other: Option<Request>,
}

/// What became of a question.
struct Done {
    verdict: Verdict,
    facts: Facts,
    /// `None` if nothing was sent.
    latency: Option<Duration>,
    /// The host asked last, and whether it answered at all.
    host: String,
    answered: bool,
}

fn plan(target: &Target, settings: &Settings, clients: &Clients) -> Result<Route, String> {
    let (row, probe) = Catalog::get().plan(&target.provider, target.kind, &target.secret)?;
    let names = [target.provider.as_str(), row.id.as_str()].into_iter().chain(row.aliases.iter().map(String::as_str));
    let mut entries = names.filter_map(|name| settings.providers.get(name));
    let configured = entries.find_map(|entry| Some((entry.base_url.as_deref()?, entry.insecure)));
    let other = probe.other_region.as_deref().and_then(|id| Catalog::get().provider(id)?.probe.as_ref());
    let (base, insecure) = match (&target.base_url, configured) {
        (Some(base), _) => (base.as_str(), false),
        (None, Some(entry)) => entry,
        (None, None) => {
            let own = |probe: &'static Probe| Request::new(probe, &probe.base_url, false, clients);
            return Ok(Route { ask: own(probe)?, other: other.map(own).transpose()? });
        }
    };
    let mut ask = Request::new(probe, base, insecure, clients)?;
    // Somebody configured the other region: its row knows the currency.
    if let Some(other) = other.filter(|other| other.host() == ask.host()) {
        ask.probe = other;
    }
    Ok(Route { ask, other: None })
}

async fn run(jobs: Vec<Job>, settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<(Vec<usize>, Done)> {
    let requests = jobs.iter().flat_map(|job| std::iter::once(&job.route.ask).chain(&job.route.other));
    let gates = Arc::new(Gates::new(requests.map(Request::host), settings.concurrency, settings.per_host));
    let mut tasks = JoinSet::new();
    for job in jobs {
        let (gates, clock, timeout) = (gates.clone(), clock.clone(), settings.timeout);
        tasks.spawn(async move {
            let done = work(&job, &gates, &*clock, timeout).await;
            (job.targets, done)
        });
    }
    let mut all = Vec::new();
    while let Some(finished) = tasks.join_next().await {
        match finished {
            Ok(done) => all.push(done),
            // One probe's panic is not the others'; its targets keep the verdict they were given first.
            Err(error) => tracing::error!(panicked = error.is_panic(), "a probe died"),
        }
    }
    all
}

async fn work(job: &Job, gates: &Gates, clock: &dyn Clock, timeout: Duration) -> Done {
    let first = one(&job.route.ask, &job.secret, gates, clock, timeout).await;
    let Some(other) = job.route.other.as_ref().filter(|_| first.verdict.kind == VerdictKind::Rejected) else {
        return first;
    };
    // Both regions of one provider issue keys of one shape; only the one that issued it knows it.
    let second = one(other, &job.secret, gates, clock, timeout).await;
    let latency = first.latency.unwrap_or_default() + second.latency.unwrap_or_default();
    Done { latency: Some(latency), ..second }
}

async fn one(request: &Request, secret: &Secret, gates: &Gates, clock: &dyn Clock, timeout: Duration) -> Done {
    let host = request.host().to_owned();
    let _turn = gates.pass(&host).await;
    if gates.gave_up(&host) {
        let detail = "not asked: the provider did not answer about other credentials just now".to_owned();
        let verdict = Verdict { kind: VerdictKind::ProviderDown, at: clock.now(), detail };
        return Done { verdict, facts: Facts::default(), latency: None, host, answered: false };
    }
    let start = clock.monotonic();
    let answer = request.ask(secret, timeout).await;
    let (now, latency) = (clock.now(), clock.monotonic().saturating_sub(start));
    let answered = answer.is_ok();
    gates.note(&host, answered);
    let (verdict, facts) = match answer {
        Ok(answer) => {
            let reading = classify(&answer, request.probe, secret, now);
            (reading.verdict, reading.facts)
        }
        Err(failure) => (unanswered(failure, now), Facts::default()),
    };
    tracing::debug!(host, verdict = verdict.kind.word(), latency_ms = latency.as_millis(), "probed");
    Done { verdict, facts, latency: Some(latency), host, answered }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
