//! The API about alerts: what stands, and what people do about it. Reading is free on this machine; writing needs what every
//! write needs ([`guard::may_write`]). The command line goes this way while a monitor runs. And `/model`, as in a chat.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::guard;
use super::site::{Site, View};
use crate::chat::model::{Sessions, TroubleKind};
use crate::config::values;
use crate::domain::{Acted, Action, CredentialId, Incident, Link, LinkId, Linked, Matcher, Refused, Silence, Time};
use crate::engine::overlays::Overlays;
use crate::engine::silences;
use crate::output::alerts::{self, Alerts, Message};
use crate::store::{ActionError, Change};

/// Whoever has the store.
#[async_trait]
pub trait Clerk: Send + Sync {
    /// Does what somebody wants; the consequences are drawn soon after.
    async fn act(&self, action: Action, by: String) -> Result<Acted, ActionError>;
    /// What stands about a signed link.
    async fn look_at_link(&self, link: Link, id: LinkId) -> Result<Linked, ActionError>;
    /// Uses a signed link, as far as it can be used.
    async fn follow_link(&self, link: Link, id: LinkId, by: String) -> Result<Linked, ActionError>;
    /// Incidents and silences as they are now, also those that are over.
    async fn alerts(&self) -> Result<(Vec<Incident>, Vec<Silence>), ActionError>;
    /// The outbox.
    async fn outbox(&self) -> Result<Vec<Message>, ActionError>;
    /// What these credentials were; balances since then.
    async fn pasts(&self, of: Vec<CredentialId>, since: Time) -> Result<Pasts, ActionError>;
}

/// What one credential was.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Changes of its state and its date, oldest first.
    pub changes: Vec<Change>,
    /// What was left behind it.
    pub balances: Vec<(Time, f64)>,
}

/// What some credentials were.
pub type Pasts = BTreeMap<CredentialId, Past>;

/// Makes the sessions of the gateway that a line is about, of a session's key and an agent.
pub type Talk = Arc<dyn Fn(Option<String>, Option<String>) -> Box<dyn Sessions> + Send + Sync>;

/// The body of a request fits in this.
const BODY: usize = 64 * 1024;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/incidents/{id}/ack", post(ack))
        .route("/api/v1/incidents/{id}/unack", post(unack))
        .route("/api/v1/incidents/{id}/snooze", post(snooze))
        .route("/api/v1/silences", get(all_silences).post(silence))
        .route("/api/v1/silences/{id}", delete(unsilence))
        .route("/api/v1/outbox", get(outbox))
        .route("/api/v1/outbox/retry", post(retry))
        .route("/api/v1/outbox/drop", post(give_up))
        .route("/api/v1/receivers/enable", post(enable))
        .route("/api/v1/chat", post(chat))
}

async fn incidents(State(site): State<Arc<Site>>) -> Response {
    let (Some(view), Some(clerk)) = (site.view(), site.clerk()) else { return super::site::nothing_yet() };
    let (incidents, silences) = match clerk.alerts().await {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let now = site.now();
    let overlays = Overlays::new(&view.policy, &silences, &view.snapshot.host, now);
    let withheld = overlays.all(&incidents);
    let host = &view.snapshot.host;
    let windows = view.policy.windows(now);
    let shown =
        Alerts { host, now, incidents: &incidents, silences: &silences, windows: &windows, withheld: &withheld };
    json(StatusCode::OK, &alerts::document(&shown))
}

async fn all_silences(State(site): State<Arc<Site>>) -> Response {
    let Some(clerk) = site.clerk() else { return super::site::nothing_yet() };
    match clerk.alerts().await {
        Ok((_, silences)) => json(StatusCode::OK, &alerts::silences_document(&silences, site.now())),
        Err(error) => failed(&error),
    }
}

async fn outbox(State(site): State<Arc<Site>>) -> Response {
    let Some(clerk) = site.clerk() else { return super::site::nothing_yet() };
    match clerk.outbox().await {
        Ok(messages) => json(StatusCode::OK, &alerts::outbox_document(&messages)),
        Err(error) => failed(&error),
    }
}

/// Until when, in one of two forms.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ack {
    r#for: Option<String>,
    until: Option<String>,
    comment: Option<String>,
    author: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSilence {
    matchers: Vec<String>,
    start: Option<String>,
    r#for: Option<String>,
    until: Option<String>,
    comment: String,
    author: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct By {
    author: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    receiver: String,
    author: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ids {
    ids: Vec<String>,
    author: Option<String>,
}

type Wish = Result<(Action, Option<String>), String>;

async fn ack(State(site): State<Arc<Site>>, Path(incident): Path<String>, request: Request<Body>) -> Response {
    write(&site, request, |body: Ack, view, now| {
        let until = end(body.r#for, body.until, view, now, now)?;
        Ok((Action::Ack { incident, until, snooze: false, comment: body.comment }, body.author))
    })
    .await
}

async fn snooze(State(site): State<Arc<Site>>, Path(incident): Path<String>, request: Request<Body>) -> Response {
    write(&site, request, |body: Ack, view, now| {
        let until = end(body.r#for, body.until, view, now, now)?;
        Ok((Action::Ack { incident, until, snooze: true, comment: body.comment }, body.author))
    })
    .await
}

async fn unack(State(site): State<Arc<Site>>, Path(incident): Path<String>, request: Request<Body>) -> Response {
    write(&site, request, |body: By, _, _| Ok((Action::Unack { incident }, body.author))).await
}

async fn silence(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    write(&site, request, |body: NewSilence, view, now| {
        let matchers = body.matchers.iter().map(|text| silences::parse(text)).collect::<Result<Vec<Matcher>, _>>()?;
        let starts_at = body.start.map_or(Ok(now), |text| moment(&text, view))?;
        let ends_at = end(body.r#for, body.until, view, starts_at, now)?;
        let ends_at = ends_at.ok_or("a silence ends: write \"for\" or \"until\"")?;
        Ok((Action::Silence { matchers, starts_at, ends_at, comment: body.comment }, body.author))
    })
    .await
}

async fn unsilence(State(site): State<Arc<Site>>, Path(silence): Path<String>, request: Request<Body>) -> Response {
    write(&site, request, |body: By, _, _| Ok((Action::Unsilence { silence }, body.author))).await
}

async fn retry(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    write(&site, request, |body: Ids, _, _| Ok((Action::Retry { messages: body.ids }, body.author))).await
}

async fn give_up(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    write(&site, request, |body: Ids, _, _| Ok((Action::Drop { messages: body.ids }, body.author))).await
}

async fn enable(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    write(&site, request, |body: Named, _, _| Ok((Action::Enable { receiver: body.receiver }, body.author))).await
}

fn moment(text: &str, view: &View) -> Result<Time, String> {
    values::moment(text, view.zone)
        .ok_or_else(|| format!("{text:?} is not a date; write 2027-01-31T12:00:00Z or 2027-01-31 12:00"))
}

fn end(
    lasts: Option<String>,
    until: Option<String>,
    view: &View,
    from: Time,
    now: Time,
) -> Result<Option<Time>, String> {
    match (lasts, until) {
        (Some(_), Some(_)) => Err("\"for\" and \"until\" are one too many".to_owned()),
        (Some(lasts), None) => match values::duration(&lasts) {
            Some(span) => Ok(Some(from.max(now) + span)),
            None => Err(format!("{lasts:?} is not a span of time; write for example \"2h\"")),
        },
        (None, Some(until)) => moment(&until, view).map(Some),
        (None, None) => Ok(None),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
    session: Option<String>,
    agent: Option<String>,
}

/// What `/model` says in a chat. It may change a session of the gateway, so a mere question needs the token too.
async fn chat(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    if let Err(refusal) = guard::may_write(&request, site.token()) {
        return refusal;
    }
    let Some(talk) = site.talk().cloned() else { return super::site::nothing_yet() };
    let line: Line = match body(request).await {
        Ok(line) => line,
        Err(refusal) => return refusal,
    };
    // Files of the gateway, and perhaps a lock that is waited for.
    let said = tokio::task::spawn_blocking(move || {
        let sessions = talk(line.session, line.agent);
        match sessions.ask(&line.text)? {
            Some(asked) if asked.changes => sessions.order(&line.text).map(Some),
            asked => Ok(asked),
        }
    });
    let refuse = |status: StatusCode, why: &str| (status, format!("{why}\n")).into_response();
    match said.await {
        Ok(Ok(Some(said))) if said.refused => refuse(StatusCode::UNPROCESSABLE_ENTITY, &said.text),
        Ok(Ok(Some(said))) => json(StatusCode::OK, &json!({ "text": said.text, "changed": said.changes })),
        Ok(Ok(None)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, "This understands /model and /models."),
        Ok(Err(trouble)) => {
            let status = match trouble.kind {
                TroubleKind::Absent => StatusCode::NOT_FOUND,
                TroubleKind::Config | TroubleKind::Broken | TroubleKind::Elsewhere => StatusCode::CONFLICT,
                TroubleKind::Busy | TroubleKind::Unwritten => StatusCode::SERVICE_UNAVAILABLE,
            };
            refuse(status, &trouble.message)
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The body of a write; none is an empty object.
async fn body<B: DeserializeOwned>(request: Request<Body>) -> Result<B, Response> {
    let Ok(bytes) = to_bytes(request.into_body(), BODY).await else {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n").into_response());
    };
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    // serde would take a list for an object, field by field.
    let object = serde_json::from_slice::<serde_json::Map<String, Value>>(bytes);
    object
        .and_then(|object| serde_json::from_value(Value::Object(object)))
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("The body cannot be read: {error}.\n")).into_response())
}

/// Every write: may they, what do they want, do it.
async fn write<B: DeserializeOwned>(
    site: &Site,
    request: Request<Body>,
    read: impl FnOnce(B, &View, Time) -> Wish,
) -> Response {
    if let Err(refusal) = guard::may_write(&request, site.token()) {
        return refusal;
    }
    let (Some(view), Some(clerk)) = (site.view(), site.clerk()) else { return super::site::nothing_yet() };
    let body = match body(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let (action, by) = match read(body, &view, site.now()) {
        Ok(wish) => wish,
        Err(why) => return (StatusCode::UNPROCESSABLE_ENTITY, why + "\n").into_response(),
    };
    match clerk.act(action, by.unwrap_or_else(|| "api".to_owned())).await {
        Ok(acted) => json(StatusCode::OK, &alerts::acted_json(&acted, site.now())),
        Err(error) => failed(&error),
    }
}

fn failed(error: &ActionError) -> Response {
    (status_of(error), format!("{error}\n")).into_response()
}

pub(super) fn status_of(error: &ActionError) -> StatusCode {
    match error {
        ActionError::Refused(Refused::Unknown { .. }) => StatusCode::NOT_FOUND,
        ActionError::Refused(Refused::Ambiguous { .. }) => StatusCode::CONFLICT,
        ActionError::Refused(Refused::Senseless(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        ActionError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn json(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string() + "\n").into_response()
}
