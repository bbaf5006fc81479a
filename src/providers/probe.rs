//! Asks providers about credentials: one free request each, to the key's own host or to the base URL a person configured.
//!
//! Decides how a request is made and what "no answer" means; what an answer proves is [`super::classify`]'s. Never follows a
//! redirect, never retries by itself, never logs a key.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::catalog::{Auth, Catalog, Method, Probe};
use super::classify::{Answer, Facts, Failure, classify, unanswered};
use crate::clock::Clock;
use crate::config::{self, values::is_loopback};
use crate::domain::{CredentialId, Kind, Secret, Verdict, VerdictKind};
use crate::net::{self, Clients};

/// No answer of a probe is longer than this; what is longer is not read.
const BODY_MAX: usize = 256 * 1024;

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

/// Asks about every target; the answers are in the order of the targets. Takes at most about
/// `timeout × (targets ÷ concurrency + 2)`. Several targets with the same secret and address share one request.
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
    let mut hosts = Reached::default();
    for (targets, done) in run(jobs, settings, clock).await {
        for (host, answered) in &done.hosts {
            hosts.note(host, *answered);
        }
        for index in targets {
            let result = &mut results[index];
            result.verdict.clone_from(&done.verdict);
            result.facts.clone_from(&done.facts);
            result.latency = Some(done.latency);
        }
    }
    if hosts.own_network_is_down() {
        for result in results.iter_mut().filter(|result| result.latency.is_some()) {
            result.verdict.kind = VerdictKind::Network;
            result.verdict.detail =
                format!("no provider answers: this machine's own network ({})", result.verdict.detail);
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

/// A request, all but the secret.
struct Request {
    probe: &'static Probe,
    url: Url,
    client: Client,
}

impl Request {
    fn new(probe: &'static Probe, base: &str, insecure: bool, clients: &Clients) -> Result<Self, String> {
        let url = address(base, &probe.path, insecure)?;
        Ok(Self { probe, client: clients.http(&url)?, url })
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// What became of a job.
struct Done {
    verdict: Verdict,
    facts: Facts,
    latency: Duration,
    /// Hosts that were asked, and whether they answered at all.
    hosts: Vec<(String, bool)>,
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

/// The address of a probe, by the rules of [`net::address`]; a base URL has no query.
fn address(base: &str, path: &str, insecure: bool) -> Result<Url, String> {
    let base = net::address::url(base.trim(), insecure)?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err("the base URL has a query or a fragment: remove it".to_owned());
    }
    let full = format!("{}{path}", base.as_str().trim_end_matches('/'));
    // The URL itself is not repeated: people put tokens into them.
    Url::parse(&full).map_err(|error| format!("the base URL is not usable: {error}"))
}

async fn run(jobs: Vec<Job>, settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<(Vec<usize>, Done)> {
    let gates = Arc::new(Gates::new(&jobs, settings));
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
    Done {
        latency: first.latency + second.latency,
        hosts: first.hosts.into_iter().chain(second.hosts).collect(),
        ..second
    }
}

async fn one(request: &Request, secret: &Secret, gates: &Gates, clock: &dyn Clock, timeout: Duration) -> Done {
    let _turn = gates.pass(request.host()).await;
    let start = clock.monotonic();
    let answer = ask(request, secret, timeout).await;
    let (now, latency) = (clock.now(), clock.monotonic().saturating_sub(start));
    let hosts = vec![(request.host().to_owned(), answer.is_ok())];
    let (verdict, facts) = match answer {
        Ok(answer) => {
            let reading = classify(&answer, request.probe, secret, now);
            (reading.verdict, reading.facts)
        }
        Err(failure) => (unanswered(failure, now), Facts::default()),
    };
    tracing::debug!(host = request.host(), verdict = verdict.kind.word(), latency_ms = latency.as_millis(), "probed");
    Done { verdict, facts, latency, hosts }
}

async fn ask(request: &Request, secret: &Secret, timeout: Duration) -> Result<Answer, Failure> {
    let Request { probe, url, client } = request;
    let method = match probe.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let (name, value) = match &probe.auth {
        Auth::Bearer => (AUTHORIZATION, Zeroizing::new(format!("Bearer {}", secret.expose()))),
        Auth::Header(name) => {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a test checks the catalog's header names");
            (name, Zeroizing::new(secret.expose().to_owned()))
        }
    };
    let mut value = HeaderValue::from_str(&value).expect("plan() lets only visible ASCII through");
    value.set_sensitive(true);
    let mut request =
        client.request(method, url.clone()).timeout(timeout).header(ACCEPT, "application/json").header(name, value);
    for (name, value) in &probe.headers {
        request = request.header(name, value);
    }
    if probe.method == Method::Post {
        request = request.body("");
    }
    let mut response = request.send().await.map_err(|error| failure(&error))?;
    let headers = response.headers().iter();
    let headers =
        headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect();
    let mut answer = Answer { status: response.status().as_u16(), headers, body: Vec::new(), complete: true };
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        let room = BODY_MAX - answer.body.len();
        answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            answer.complete = false;
            break;
        }
    }
    Ok(answer)
}

/// Why there was no answer, from the causes behind the client's error.
fn failure(error: &reqwest::Error) -> Failure {
    if error.is_dns() {
        return Failure::Name;
    }
    for cause in std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source()) {
        let io = cause.downcast_ref::<io::Error>();
        if cause.is::<rustls::Error>()
            || io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<rustls::Error>())
        {
            return Failure::Tls;
        }
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Failure::Refused,
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkDown) => {
                return Failure::Unreachable;
            }
            _ => {}
        }
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => Failure::Unreachable,
        (false, true) => Failure::Silent,
        (false, false) => Failure::Broken,
    }
}

/// The limits on how much is asked at the same time.
struct Gates {
    all: Semaphore,
    hosts: HashMap<String, Semaphore>,
}

impl Gates {
    fn new(jobs: &[Job], settings: &Settings) -> Self {
        let limit = settings.per_host.clamp(1, 2);
        let requests = jobs.iter().flat_map(|job| std::iter::once(&job.route.ask).chain(&job.route.other));
        let hosts: BTreeSet<String> = requests.map(|request| request.host().to_owned()).collect();
        let hosts = hosts.into_iter().map(|host| (host, Semaphore::new(limit))).collect();
        Self { all: Semaphore::new(settings.concurrency.clamp(1, 64)), hosts }
    }

    /// Waits for a turn. The host first: who waits for a slow host must not keep the others from going.
    async fn pass(&self, host: &str) -> Passed<'_> {
        let host = match self.hosts.get(host) {
            Some(gate) => gate.acquire().await.ok(),
            None => None,
        };
        Passed { _host: host, _all: self.all.acquire().await.ok() }
    }
}

/// A turn; given back when dropped.
struct Passed<'a> {
    _host: Option<SemaphorePermit<'a>>,
    _all: Option<SemaphorePermit<'a>>,
}

/// Which of the unrelated parties asked answered at all.
#[derive(Default)]
struct Reached(BTreeMap<String, bool>);

impl Reached {
    fn note(&mut self, host: &str, answered: bool) {
        // This machine's own loopback says nothing about its network, and two hosts of one domain are one party.
        if is_loopback(host) {
            return;
        }
        let mut labels: Vec<&str> = host.rsplit('.').take(2).collect();
        labels.reverse();
        *self.0.entry(labels.join(".")).or_default() |= answered;
    }

    /// At least two parties were asked, and none answered.
    fn own_network_is_down(&self) -> bool {
        self.0.len() >= 2 && self.0.values().all(|answered| !answered)
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
