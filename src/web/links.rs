//! Signed links (CONTRACTS §6): a page that says what would be done, and the POST that does it. A GET changes nothing: mail
//! scanners and previews follow every link. Whoever holds a link needs no token and no cookie, so there is nothing that another
//! site could borrow; and nobody learns more than the message said.
//!
//! A token that we did not sign is refused before anything is looked up. The path of a request is never logged.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minijinja::Environment;
use serde::Serialize;

use super::site::Site;
use crate::domain::{Lang, Link, LinkId, Linked, NoLink, Severity, Span, Time, Zone};
use crate::engine::links;
use crate::output::wording::spoken;
use crate::store::ActionError;

/// Where they live: everything that the address of `[remote]` is answered with, beside the style sheet.
pub const PATH: &str = "/link/";

/// A name and nothing else.
const BODY: usize = 4 * 1024;
/// Characters of a name.
const NAME: usize = 60;

/// The page of a link may post to itself.
const CSP: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CONTENT_SECURITY_POLICY, CSP),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/link/{token}", get(show).post(follow))
}

/// How often links may be looked at and used, all of them together: so many at once, and one more each second.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    since: Option<Time>,
}

impl Pace {
    const AT_ONCE: u32 = 60;

    pub(super) fn new() -> Self {
        Self { left: Self::AT_ONCE, since: None }
    }

    pub(super) fn may(&mut self, now: Time) -> bool {
        let since = *self.since.get_or_insert(now);
        let more = u32::try_from((now - since).num_seconds()).unwrap_or(0);
        if more > 0 || now < since {
            self.left = self.left.saturating_add(more).min(Self::AT_ONCE);
            self.since = Some(now);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// What the page says.
#[derive(Serialize)]
struct Page {
    lang: &'static str,
    mood: &'static str,
    title: String,
    text: Vec<String>,
    incidents: Vec<Row>,
    /// What the button says, if there is something to do, and what stands before the name.
    button: Option<String>,
    name: String,
}

#[derive(Serialize)]
struct Row {
    severity: &'static str,
    title: String,
    taken: Option<String>,
}

async fn show(State(site): State<Arc<Site>>, Path(token): Path<String>) -> Response {
    let (link, id) = match read(&site, &token) {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let Some(clerk) = site.clerk() else { return super::site::nothing_yet() };
    match clerk.look_at_link(link.clone(), id).await {
        Ok(linked) => answer(&site, &link, &linked),
        Err(error) => broken(&error),
    }
}

async fn follow(State(site): State<Arc<Site>>, Path(token): Path<String>, request: Request<Body>) -> Response {
    let (link, id) = match read(&site, &token) {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let Some(clerk) = site.clerk() else { return super::site::nothing_yet() };
    let Ok(body) = to_bytes(request.into_body(), BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n").into_response();
    };
    match clerk.follow_link(link.clone(), id, author(&link, &body)).await {
        Ok(linked) => answer(&site, &link, &linked),
        Err(error) => broken(&error),
    }
}

/// Whoever has a link learns nothing of our files.
fn broken(error: &ActionError) -> Response {
    tracing::warn!(%error, "a link could not be answered");
    (StatusCode::SERVICE_UNAVAILABLE, "Try again in a minute; nothing was changed.\n").into_response()
}

/// The link, if it is one of ours and there are not too many at a time.
#[expect(clippy::result_large_err, reason = "the error is the HTTP response itself, made once per refused request")]
fn read(site: &Site, token: &str) -> Result<(Link, LinkId), Response> {
    let now = site.now();
    let refuse = |status, title: &str, text: &str| {
        Err(page(status, Lang::English, "warning", title, vec![text.to_owned()], Vec::new(), None))
    };
    let read = site.link_key().map_or(Err(NoLink::Foreign), |key| key.read(token, now));
    match read {
        Ok(_) if !site.link_pace(now) => {
            let mut busy = refuse(StatusCode::TOO_MANY_REQUESTS, "Too many requests", "Try again in a minute.");
            if let Err(response) = &mut busy {
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
            }
            busy
        }
        Ok(read) => Ok(read),
        Err(NoLink::Expired) => {
            refuse(StatusCode::GONE, "This link has expired", "Links are of use for a day. Nothing was changed.")
        }
        Err(NoLink::Foreign) => refuse(
            StatusCode::NOT_FOUND,
            "This is no link of this monitor",
            "It is incomplete, or another machine made it, or the key of the links was changed. Nothing was changed.",
        ),
    }
}

/// Who uses a link: whoever they say they are, and in any case whose link it is.
fn author(link: &Link, body: &[u8]) -> String {
    let form = String::from_utf8_lossy(body).into_owned();
    let named = reqwest::Url::parse(&format!("http://form/?{}", form.replace('#', ""))).ok().and_then(|url| {
        let name = url.query_pairs().find(|(field, _)| field == "name")?.1;
        let name: String = name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(NAME).collect();
        Some(name).filter(|name| !name.is_empty())
    });
    let link = format!("a link sent to {}", link.receiver);
    named.map_or_else(|| link.clone(), |name| format!("{name} ({link})"))
}

/// What stands, in words, and the button if something can be done.
fn answer(site: &Site, link: &Link, linked: &Linked) -> Response {
    let (now, zone) = (site.now(), site.view().map_or(Zone::UTC, |view| view.zone));
    let say = |text: String| spoken(link.lang, text);
    let rows: Vec<Row> = linked.open.iter().map(|one| row(one, link.lang, zone)).collect();
    let worst = linked.open.iter().map(|one| one.severity).max().unwrap_or(Severity::None);
    let until = links::until(link, worst, now);
    let longer = |taken: &Option<(String, Option<Time>)>| {
        taken.as_ref().is_some_and(|(_, end)| end.is_none_or(|end| end >= until - Span::minutes(1)))
    };
    let text = |text: &str| vec![say(text.to_owned())];
    let tell =
        |status, mood, title: &str, text| page(status, link.lang, mood, &say(title.to_owned()), text, Vec::new(), None);
    if linked.acted {
        let title = if link.snooze { "Put off" } else { "Acknowledged" };
        return page(
            StatusCode::OK,
            link.lang,
            "ok",
            &say(title.to_owned()),
            text("Whoever was told of the problem is told of this too."),
            rows,
            None,
        );
    }
    if let Some(used) = linked.used {
        let text = vec![say(format!("This was at {}. Nothing was changed now.", minute(used, zone)))];
        return page(
            StatusCode::GONE,
            link.lang,
            "warning",
            &say("This link was used already".to_owned()),
            text,
            rows,
            None,
        );
    }
    if linked.open.is_empty() {
        return tell(
            StatusCode::OK,
            "ok",
            "This is over",
            text("There is nothing to do any more, and nothing was changed."),
        );
    }
    if linked.open.iter().all(|one| one.worse) {
        return page(
            StatusCode::CONFLICT,
            link.lang,
            "critical",
            &say("This has become worse since that message".to_owned()),
            text("Use the links of the newest message. Nothing was changed."),
            rows,
            None,
        );
    }
    if linked.open.iter().all(|one| one.worse || longer(&one.taken)) {
        return page(
            StatusCode::OK,
            link.lang,
            "ok",
            &say("Somebody has taken this up already".to_owned()),
            text("Nothing was changed."),
            rows,
            None,
        );
    }
    let (title, what, button) = if link.snooze {
        (
            "Put this off?",
            format!("Nothing more is said until {}, unless it gets worse; then it is said again.", minute(until, zone)),
            "Put off",
        )
    } else {
        (
            "Acknowledge this?",
            format!("There are no reminders until {}, unless it gets worse.", minute(until, zone)),
            "Acknowledge",
        )
    };
    let mood = if worst >= Severity::Critical { "critical" } else { "warning" };
    let button = Some(say(button.to_owned()));
    page(StatusCode::OK, link.lang, mood, &say(title.to_owned()), vec![say(what)], rows, button)
}

fn row(one: &crate::domain::LinkedIncident, lang: Lang, zone: Zone) -> Row {
    let taken = one.taken.as_ref().map(|(by, end)| {
        let end = end.map(|end| format!(" until {}", minute(end, zone))).unwrap_or_default();
        spoken(lang, format!("taken up by {by}{end}"))
    });
    Row { severity: one.severity.word(), title: spoken(lang, one.title.clone()), taken }
}

fn minute(at: Time, zone: Zone) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()
}

fn page(
    status: StatusCode,
    lang: Lang,
    mood: &'static str,
    title: &str,
    text: Vec<String>,
    incidents: Vec<Row>,
    button: Option<String>,
) -> Response {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(|| {
        let mut templates = Environment::new();
        templates
            .add_template("link.html", include_str!("templates/link.html"))
            .expect("the embedded template is valid");
        templates
    });
    let page = Page {
        lang: if lang == Lang::Chinese { "zh-CN" } else { "en" },
        mood,
        title: title.to_owned(),
        text,
        incidents,
        button,
        name: spoken(lang, "Your name, if you like".to_owned()),
    };
    let html = templates
        .get_template("link.html")
        .and_then(|template| template.render(minijinja::Value::from(minijinja::value::Serde(page))))
        .expect("the template uses only what the page has");
    (status, HEADERS, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_wait_and_time_lets_them_in_again() {
        let now: Time = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut pace = Pace::new();
        assert_eq!((0..100).filter(|_| pace.may(now)).count(), 60);
        assert_eq!((0..100).filter(|_| pace.may(now + Span::seconds(5))).count(), 5);
        assert_eq!((0..100).filter(|_| pace.may(now + Span::days(5))).count(), 60);
        assert!(!pace.may(now), "a clock set back gives nothing away");
    }

    #[test]
    fn who_it_was() {
        let link = Link {
            incidents: Vec::new(),
            snooze: false,
            lasts: links::ACK,
            expires: "2026-11-22T12:00:00Z".parse().unwrap(),
            receiver: "phone".to_owned(),
            public: false,
            lang: Lang::English,
            critical: true,
        };
        assert_eq!(author(&link, b""), "a link sent to phone");
        assert_eq!(author(&link, b"name="), "a link sent to phone");
        assert_eq!(author(&link, b"x=1&name=Ann+%E5%AE%89%0D%0Aroot&name=b"), "Ann 安 root (a link sent to phone)");
        assert_eq!(author(&link, &b"name=".iter().chain(&[b'a'; 900]).copied().collect::<Vec<_>>()).len(), 60 + 23);
        assert_eq!(author(&link, b"\xff\x00#?&&&=&name"), "a link sent to phone");
    }
}
