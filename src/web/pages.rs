//! What browsers ask for: pages, the forms on them, and the stream that says when to look again. Everything shown is a pure
//! function of a view ([`super::page`]); everything written goes the way of the API, after the guard of a session
//! ([`super::session`]).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream::unfold;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::api::Pasts;
use super::page;
use super::page::templates::{self, Notice, Shell, Who};
use super::page::words::{Reader, language};
use super::serve::Closing;
use super::session::{self, Session, cookies};
use super::site::{Site, View, nothing_yet};
use super::{api, guard};
use crate::config::values;
use crate::domain::{Action, Lang, Secret, Span};
use crate::store::ActionError;

/// Remembers the language that was chosen.
const LANGUAGE: &str = "opensoul_lang";
/// No form is larger.
const FORM: usize = 16 * 1024;
/// A name is cut after as many characters.
const NAME: usize = 60;
/// So many browsers are told at a time; the others look again by themselves.
pub(super) const LISTENERS: usize = 16;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(index))
        .route("/credential", get(credential))
        .route("/login", get(login).post(log_in))
        .route("/logout", post(log_out))
        .route("/incidents/{id}", post(about_incident))
        .route("/events", get(events))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", templates::STYLE)))
        .route("/script.js", get(async || asset("text/javascript; charset=utf-8", templates::SCRIPT)))
        .route("/icon.svg", get(async || asset("image/svg+xml", templates::ICON)))
        .layer(DefaultBodyLimit::max(FORM))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// The parameters of a page; what else is there is not ours.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    lang: Option<String>,
    id: Option<String>,
    done: Option<String>,
}

/// One request of a browser.
struct Visit<'a> {
    site: &'a Site,
    lang: Lang,
    asked: Asked,
    path: String,
    session: Option<Session>,
}

impl<'a> Visit<'a> {
    fn new(site: &'a Site, uri: &Uri, headers: &HeaderMap) -> Self {
        let asked = Query::<Asked>::try_from_uri(uri).map(|Query(asked)| asked).unwrap_or_default();
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = language(asked.lang.as_deref(), cookies(headers, LANGUAGE).next(), accepted);
        let session = site.sessions().and_then(|sessions| sessions.find(headers, site.now()));
        Self { site, lang, asked, path: uri.path().to_owned(), session }
    }

    fn shell(&self, host: &str) -> Shell {
        let other = if self.lang == Lang::English { "zh" } else { "en" };
        // Only what is known goes back into an address.
        let id = self.asked.id.as_ref().filter(|_| self.path == "/credential");
        let other = match id {
            Some(id) => format!("{}&lang={other}", page::href(id)),
            // Answers to forms, which nobody can get again.
            None if self.path.starts_with("/incidents/") || self.path == "/logout" => format!("/?lang={other}"),
            None => format!("{}?lang={other}", self.path),
        };
        let done = self.asked.done.as_deref().and_then(|word| {
            Some(match word {
                "ack" => "Acknowledged: no reminders until it is over or gets worse.",
                "snooze" => "Put off: it is said again when the time is up.",
                "unack" => "Taken back: reminders go on.",
                "in" => "You are logged in.",
                "out" => "You are logged out.",
                _ => return None,
            })
        });
        Shell {
            lang: self.lang,
            other,
            version: env!("CARGO_PKG_VERSION"),
            host: host.to_owned(),
            title: String::new(),
            mood: "ok",
            who: self.session.as_ref().map(|one| Who { name: one.name.clone(), csrf: one.csrf.clone() }),
            writable: self.site.token().is_some() && self.site.clerk().is_some(),
            done: done.map(|text| crate::output::wording::spoken(self.lang, text.to_owned())),
        }
    }

    /// What may be shown to whoever this is, who may not have said it yet.
    fn shown_view(&self) -> Option<Arc<View>> {
        let closed = self.site.access().is_some_and(|access| access.closed());
        self.site.view().filter(|_| !closed || self.session.is_some())
    }

    fn reader<'v>(&self, view: &'v View) -> Reader<'v> {
        Reader { lang: self.lang, zone: view.zone, now: self.site.now(), home: &view.home }
    }

    /// A page, with the language remembered if it was chosen.
    fn html(&self, status: StatusCode, text: String) -> Response {
        let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
        if let Some(lang) = self.asked.lang.as_deref().and_then(Lang::parse) {
            let word = if lang == Lang::English { "en" } else { "zh-CN" };
            let cookie = format!("{LANGUAGE}={word}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
            headers.extend(HeaderValue::from_str(&cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
        }
        response
    }

    /// A sentence on a page of its own.
    fn notice(&self, status: StatusCode, text: &str) -> Response {
        let host = self.shown_view().map(|view| view.snapshot.host.clone()).unwrap_or_default();
        let text = crate::output::wording::spoken(self.lang, text.to_owned());
        let shell = self.shell(&host).titled(&text, "warning");
        self.html(status, templates::render("notice.html", self.lang, &Notice { shell, text }))
    }
}

async fn index(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(view) = site.view() else { return nothing_yet() };
    let visit = Visit::new(&site, &uri, &headers);
    let pasts = pasts(&site, page::drawn(&view), page::LOOK_BACK).await;
    let model = page::page(&view, &pasts, visit.shell(&view.snapshot.host), &visit.reader(&view));
    visit.html(StatusCode::OK, templates::render("page.html", visit.lang, &model))
}

async fn credential(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(view) = site.view() else { return nothing_yet() };
    let visit = Visit::new(&site, &uri, &headers);
    let id = visit.asked.id.clone().unwrap_or_default();
    let pasts = pasts(&site, vec![id.as_str().into()], Span::days(90)).await;
    let past = pasts.into_values().next().unwrap_or_default();
    let reader = visit.reader(&view);
    match page::one(&view, &id, &past, visit.shell(&view.snapshot.host), &reader) {
        Some(model) => visit.html(StatusCode::OK, templates::render("credential.html", visit.lang, &model)),
        None => visit.notice(StatusCode::NOT_FOUND, "There is no such credential, or it is there no more."),
    }
}

/// What was before; nothing, if the store cannot say. A page without drawings is better than none.
async fn pasts(site: &Site, of: Vec<crate::domain::CredentialId>, span: Span) -> Pasts {
    let Some(clerk) = site.clerk() else { return Pasts::new() };
    clerk.pasts(of, site.now() - span).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the history cannot be read; the page shows none");
        BTreeMap::new()
    })
}

async fn login(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap) -> Response {
    login_page(&Visit::new(&site, &uri, &headers), StatusCode::OK, false)
}

#[derive(serde::Serialize)]
struct Login {
    shell: Shell,
    wrong: bool,
    /// Looking needs a login too.
    closed: bool,
    place: String,
}

fn login_page(visit: &Visit<'_>, status: StatusCode, wrong: bool) -> Response {
    let closed = visit.site.access().is_some_and(|access| access.closed());
    let view = visit.shown_view();
    let host = view.as_ref().map(|view| view.snapshot.host.clone()).unwrap_or_default();
    let title = crate::output::wording::spoken(visit.lang, "Log in".to_owned());
    // Strangers are not told where it is.
    let place = match &view {
        Some(view) => {
            let place = visit.site.state().join(crate::store::token::FILE).display().to_string();
            crate::output::wording::shortened(&place, Some(&view.home))
        }
        None => crate::store::token::FILE.to_owned(),
    };
    let model = Login { shell: visit.shell(&host).titled(&title, ""), wrong, closed, place };
    visit.html(status, templates::render("login.html", visit.lang, &model))
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
    #[serde(default)]
    name: String,
}

async fn log_in(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (visit, form) = match form::<LogIn>(&site, request).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let given = Secret::new(form.token);
    let known = site
        .token()
        .is_some_and(|token| guard::same(given.expose().trim().as_bytes(), token.expose().trim().as_bytes()));
    let (true, Some(sessions)) = (known, site.sessions()) else {
        tracing::warn!("somebody tried to log in on the page with a wrong token");
        return login_page(&visit, StatusCode::UNAUTHORIZED, true);
    };
    let name: String = form.name.chars().filter(|c| !c.is_control()).take(NAME).collect();
    let name = if name.trim().is_empty() { "page".to_owned() } else { name.trim().to_owned() };
    let Some(value) = sessions.begin(name, site.now()) else {
        return visit.notice(StatusCode::SERVICE_UNAVAILABLE, "The system gives no random numbers.");
    };
    with_cookie(see_other("/?done=in"), &value, site.secure())
}

async fn log_out(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (visit, form) = match form::<Code>(&site, request).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    if let (Some(sessions), Some(session)) = (site.sessions(), &visit.session)
        && sessions.made(session, &form.csrf)
    {
        sessions.end(session);
    }
    with_cookie(see_other("/?done=out"), "", site.secure())
}

#[derive(Deserialize)]
struct Code {
    csrf: String,
}

#[derive(Deserialize)]
struct AboutIncident {
    csrf: String,
    /// `ack`, `snooze`, `unack`
    action: String,
    #[serde(default)]
    r#for: String,
    #[serde(default)]
    comment: String,
}

async fn about_incident(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Response {
    let (visit, form) = match form::<AboutIncident>(&site, request).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let refuse = |text| visit.notice(StatusCode::FORBIDDEN, text);
    let Some(session) = &visit.session else { return refuse("You are not logged in any more. Log in, and try again.") };
    if !site.sessions().is_some_and(|sessions| sessions.made(session, &form.csrf)) {
        return refuse("This form is not of this session. Go back, look again, and try again.");
    }
    let Some(clerk) = site.clerk() else { return nothing_yet() };
    let until = match (form.r#for.as_str(), values::duration(&form.r#for)) {
        ("", _) => None,
        (_, Some(span)) => Some(site.now() + span),
        (_, None) => {
            return visit
                .notice(StatusCode::UNPROCESSABLE_ENTITY, "That is not a span of time; write for example \"2h\".");
        }
    };
    let comment = Some(form.comment.trim().to_owned()).filter(|comment| !comment.is_empty());
    let (action, done) = match form.action.as_str() {
        "ack" => (Action::Ack { incident: id.clone(), until, snooze: false, comment }, "ack"),
        "snooze" => (Action::Ack { incident: id.clone(), until, snooze: true, comment }, "snooze"),
        "unack" => (Action::Unack { incident: id.clone() }, "unack"),
        _ => return visit.notice(StatusCode::UNPROCESSABLE_ENTITY, "There is ack, snooze and unack."),
    };
    match clerk.act(action, session.name.clone()).await {
        Ok(acted) => {
            site.heard(&acted);
            see_other(&format!("/?done={done}#i-{id}"))
        }
        Err(ActionError::Refused(why)) => {
            let status = api::status_of(&ActionError::Refused(why.clone()));
            visit.notice(status, &why.to_string())
        }
        Err(error) => {
            tracing::warn!(%error, "what was asked for on the page could not be done");
            visit.notice(StatusCode::SERVICE_UNAVAILABLE, "It could not be written down. Try again in a moment.")
        }
    }
}

/// A form of ours: sent by a page of ours, in the way that forms are sent.
async fn form<T: DeserializeOwned>(site: &Site, request: Request) -> Result<(Visit<'_>, T), Response> {
    let visit = Visit::new(site, request.uri(), request.headers());
    if !guard::own_origin(&request) {
        return Err(visit.notice(StatusCode::FORBIDDEN, "This form came from another site. Nothing was done."));
    }
    let form: Result<Form<T>, FormRejection> = Form::from_request(request, &()).await;
    match form {
        Ok(Form(form)) => Ok((visit, form)),
        Err(rejection) => Err(visit.notice(rejection.status(), "The form is not complete.")),
    }
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned())]).into_response()
}

fn with_cookie(mut response: Response, value: &str, secure: bool) -> Response {
    response.headers_mut().extend(session::set_cookie(value, secure).map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Says when there is something new to see; what it is, is read as a page.
async fn events(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    let Ok(seat) = Arc::clone(site.seats()).try_acquire_owned() else {
        let later = [(header::RETRY_AFTER, "60")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, "Too many pages are open.\n").into_response();
    };
    let closing = request.extensions().get::<Closing>().map(|closing| closing.0.clone()).unwrap_or_default();
    let changes = site.changes();
    let stream = unfold((changes, closing, seat), async |(mut changes, closing, seat)| {
        let changed = tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            () = closing.cancelled() => false,
        };
        let number = *changes.borrow_and_update();
        let event = Event::default().event("change").data(number.to_string());
        changed.then_some((Ok::<_, Infallible>(event), (changes, closing, seat)))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response()
}
