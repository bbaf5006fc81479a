//! What the handlers share, and the routes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::access::Access;
use super::api::{self, Clerk, Talk};
use super::session::Sessions;
use super::{guard, links, outside, pages};
use crate::clock::Clock;
use crate::domain::{Acted, IncidentId, LinkKey, Pseudonyms, Secret, Snapshot, Time, Withheld};
use crate::engine::overlays::Overlays;
use crate::engine::policy::AlertPolicy;
use crate::export::metrics::{CONTENT_TYPE, Standing, standing_text};
use crate::export::own::Own;
use crate::output;

/// What the monitor last published.
#[derive(Clone)]
pub struct View {
    /// What was observed.
    pub snapshot: Arc<Snapshot>,
    /// What the store knows.
    pub standing: Standing,
    /// The series of the snapshot, rendered once ([`crate::export::metrics::snapshot_text`]).
    pub metrics: Bytes,
    /// What the user chose about alerts: it says why nothing is said about some.
    pub policy: Arc<AlertPolicy>,
    /// Zone of the absolute times on the page.
    pub zone: crate::domain::Zone,
    /// Names for what leaves this machine.
    pub names: Arc<Pseudonyms>,
    /// The home directory, shown as `~` in the JSON.
    pub home: PathBuf,
    /// What is wrong with the monitor itself, to be read by people (a configuration that was not taken, a full disk).
    pub notes: Vec<String>,
}

impl View {
    /// Why nothing is said about an incident at `now`.
    #[must_use]
    pub fn withheld(&self, now: Time) -> BTreeMap<IncidentId, Withheld> {
        let standing = &self.standing;
        Overlays::new(&self.policy, &standing.silences, &self.snapshot.host, now).all(&standing.incidents)
    }
}

/// A request to read the configuration again; the answer is what came of it.
pub type Reload = oneshot::Sender<Result<String, String>>;

/// Read-only tokens, each for one thing.
pub struct Passes {
    /// For `/calendar.ics`.
    pub calendar: Secret,
    /// For `/badge/…`.
    pub badge: Secret,
}

/// What the handlers share.
pub struct Site {
    view: RwLock<Option<Arc<View>>>,
    hosts: RwLock<Vec<String>>,
    own: Arc<Own>,
    clock: Arc<dyn Clock>,
    token: Option<Secret>,
    reload: mpsc::Sender<Reload>,
    clerk: OnceLock<Arc<dyn Clerk>>,
    talk: OnceLock<Talk>,
    /// The key of signed links, and the host that they lead to.
    links: RwLock<Option<(Arc<LinkKey>, String)>>,
    pace: Mutex<links::Pace>,
    state: OnceLock<PathBuf>,
    passes: OnceLock<Passes>,
    access: RwLock<Option<Arc<Access>>>,
    sessions: Option<Sessions>,
    /// Counts what was published.
    published: watch::Sender<u64>,
    seats: Arc<Semaphore>,
}

impl Site {
    /// A site that has nothing to show yet. `token` is the bearer token of writes; without one no write is possible.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, own: Arc<Own>, token: Option<Secret>, reload: mpsc::Sender<Reload>) -> Self {
        Self {
            view: RwLock::default(),
            hosts: RwLock::default(),
            own,
            clock,
            token,
            reload,
            clerk: OnceLock::new(),
            talk: OnceLock::new(),
            links: RwLock::default(),
            pace: Mutex::new(links::Pace::new()),
            state: OnceLock::new(),
            passes: OnceLock::new(),
            access: RwLock::default(),
            sessions: Sessions::new(),
            published: watch::Sender::default(),
            seats: Arc::new(Semaphore::new(pages::LISTENERS)),
        }
    }

    /// Follows signed links made with this key from now on, and answers their host with nothing but them; `None`: no links.
    pub fn follow_links(&self, links: Option<(Arc<LinkKey>, String)>) {
        *self.links.write().unwrap_or_else(PoisonError::into_inner) = links;
    }

    pub(super) fn link_key(&self) -> Option<Arc<LinkKey>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(key, _)| Arc::clone(key))
    }

    /// The host of `[remote]`, as it is in its URL.
    pub(super) fn link_host(&self) -> Option<String> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, host)| host.clone())
    }

    /// Whether one more link may be looked at now.
    pub(super) fn link_pace(&self, now: Time) -> bool {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).may(now)
    }

    /// Lets those see the calendar and badges who have these, from now on.
    pub fn hand_out(&self, passes: Passes) {
        let _ = self.passes.set(passes);
    }

    pub(super) fn passes(&self) -> Option<&Passes> {
        self.passes.get()
    }

    /// Says where our state directory is: people are told where the token lies.
    pub fn keep_at(&self, state: &Path) {
        let _ = self.state.set(state.to_path_buf());
    }

    pub(super) fn state(&self) -> &Path {
        self.state.get().map_or(Path::new(""), PathBuf::as_path)
    }

    pub(super) fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }

    /// Who guards it from now on.
    pub fn guarded_by(&self, access: Arc<Access>) {
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Some(access);
    }

    pub(super) fn access(&self) -> Option<Arc<Access>> {
        self.access.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether browsers come through TLS.
    pub(super) fn secure(&self) -> bool {
        self.access().is_some_and(|access| access.secure())
    }

    /// Told of everything that is published.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// For those who want to be told.
    pub(super) fn seats(&self) -> &Arc<Semaphore> {
        &self.seats
    }

    /// Lets people do something about alerts, from now on.
    pub fn staff(&self, clerk: Arc<dyn Clerk>) {
        let _ = self.clerk.set(clerk);
    }

    /// Who does it.
    pub(super) fn clerk(&self) -> Option<&Arc<dyn Clerk>> {
        self.clerk.get()
    }

    /// Lets people talk about sessions of the gateway, from now on.
    pub fn talk_about(&self, talk: Talk) {
        let _ = self.talk.set(talk);
    }

    pub(super) fn talk(&self) -> Option<&Talk> {
        self.talk.get()
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// Shows this from now on.
    pub fn publish(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(view));
        self.published.send_modify(|count| *count += 1);
    }

    /// Shows the same snapshot with what the store knows now.
    pub fn update(&self, standing: Standing) {
        if let Some(old) = self.view() {
            self.publish(View { standing, ..(*old).clone() });
        }
    }

    /// Shows what somebody just did, before the next cycle does.
    pub(super) fn heard(&self, acted: &Acted) {
        let (Acted::Incident(incident), Some(view)) = (acted, self.view()) else { return };
        let mut standing = view.standing.clone();
        if let Some(known) = standing.incidents.iter_mut().find(|one| one.id == incident.id) {
            known.clone_from(incident);
            self.update(standing);
        }
    }

    /// What is shown now.
    #[must_use]
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Values of the `Host` header that are answered beside those of loopback.
    pub fn allow_hosts(&self, hosts: Vec<String>) {
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    /// The values of [`Self::allow_hosts`].
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Longest time for one answer.
const LIMIT: Duration = Duration::from_secs(15);

/// The routes. `HEAD` follows from `GET`; a wrong method is 405 with `Allow`, an unknown path 404.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/openapi.json", get(openapi))
        .route("/-/healthy", get(async || "ok\n"))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .merge(api::routes())
        .merge(links::routes())
        .merge(pages::routes())
        .merge(outside::routes())
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "Not found. There is /, /metrics, /api/v1/status, /api/v1/incidents, /api/v1/silences, /api/v1/outbox, \
                 /api/v1/chat, /api/v1/openapi.json, /calendar.ics, /badge/CREDENTIAL.svg, /-/healthy, /-/ready.\n",
            )
        })
        .method_not_allowed_fallback(async || {
            (StatusCode::METHOD_NOT_ALLOWED, "This path does not take that method.\n")
        })
        .layer(axum::middleware::from_fn(limit))
        // The outermost: what takes too long carries its headers too.
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&site), guard::guard))
        .with_state(site)
}

async fn limit(request: Request, next: axum::middleware::Next) -> Response {
    match tokio::time::timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "This took too long.\n").into_response(),
    }
}

pub(super) fn nothing_yet() -> Response {
    let retry = [(header::RETRY_AFTER, "5")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, "The first cycle is still running.\n").into_response()
}

/// Before the first cycle there is no credential to show, and the process has counters already.
async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let mut body = site.own.text().into_bytes();
    if let Some(view) = site.view() {
        let now = site.clock.now();
        let standing = standing_text(&view.standing, &view.withheld(now), &view.policy.windows(now));
        body.reserve_exact(standing.len() + view.metrics.len());
        body.extend_from_slice(standing.as_bytes());
        body.extend_from_slice(&view.metrics);
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
}

/// The document of `status --json`.
async fn status(State(site): State<Arc<Site>>) -> Response {
    let Some(view) = site.view() else { return nothing_yet() };
    let withheld = view.withheld(site.clock.now());
    let incidents = output::status::Incidents { all: &view.standing.incidents, withheld: &withheld };
    match output::status::json(&output::status::Report::of(&view.snapshot), incidents, Some(&view.home)) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            tracing::error!(%error, "the status could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What the API is, for programs.
async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../docs/openapi.json")).into_response()
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    if site.view().is_some() { "ready\n".into_response() } else { nothing_yet() }
}

/// Reads the configuration again. A write: it needs the token, a JSON content type and our own origin, on loopback too.
async fn reload(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    if let Err(refusal) = guard::may_write(&request, site.token.as_ref()) {
        return refusal;
    }
    let (answer, result) = oneshot::channel();
    if site.reload.try_send(answer).is_err() {
        return (StatusCode::CONFLICT, "A reload is under way.\n").into_response();
    }
    match result.await {
        Ok(Ok(said)) => (StatusCode::OK, said + "\n").into_response(),
        Ok(Err(problems)) => (StatusCode::UNPROCESSABLE_ENTITY, problems + "\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "The monitor is stopping.\n").into_response(),
    }
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
