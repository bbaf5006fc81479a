//! What other programs show: the calendar and the badges. They cannot send headers, so each has a read-only token of its own in
//! its address (`?token=…`), which opens nothing else; `Authorization: Bearer` does too.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::guard;
use super::site::{Passes, Site, nothing_yet};
use crate::domain::{Lang, Secret};
use crate::export::{badge, calendar};

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new().route("/calendar.ics", get(ics)).route("/badge/{*id}", get(svg))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    token: Option<String>,
    lang: Option<String>,
}

async fn ics(State(site): State<Arc<Site>>, request: Request) -> Response {
    let lang = match allowed(&site, &request, |passes| &passes.calendar, "calendar-token") {
        Ok(lang) => lang,
        Err(refusal) => return refusal,
    };
    let Some(view) = site.view() else { return nothing_yet() };
    let text = calendar::calendar(&view.snapshot, &view.names, lang, site.now());
    ([(header::CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response()
}

async fn svg(State(site): State<Arc<Site>>, Path(asked): Path<String>, request: Request) -> Response {
    let lang = match allowed(&site, &request, |passes| &passes.badge, "badge-token") {
        Ok(lang) => lang,
        Err(refusal) => return refusal,
    };
    let Some(id) = asked.strip_suffix(".svg") else {
        return (StatusCode::NOT_FOUND, "A badge is /badge/CREDENTIAL.svg.\n").into_response();
    };
    let Some(view) = site.view() else { return nothing_yet() };
    // By the name that leaves the machine: by the real one, an address could be guessed and confirmed.
    let found = view.snapshot.credentials.iter().find(|one| view.names.apply(one.credential.id.as_str()) == id);
    let (status, name) = if found.is_some() { (StatusCode::OK, id) } else { (StatusCode::NOT_FOUND, "unknown") };
    let mut response = (status, badge::badge(name, found, &view.names, lang)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    // It is there to be shown on other sites.
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    response
}

/// The language, for those who have the token.
#[expect(clippy::result_large_err, reason = "the error is the HTTP response itself, made once per refused request")]
fn allowed(site: &Site, request: &Request, pass: impl Fn(&Passes) -> &Secret, file: &str) -> Result<Lang, Response> {
    let asked = Query::<Asked>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    let in_address = asked.token.map(Secret::new);
    let given = in_address.as_ref().map(Secret::expose).or_else(|| guard::bearer(request.headers()));
    let known = match (given, site.passes()) {
        (Some(given), Some(passes)) => guard::same(given.as_bytes(), pass(passes).expose().trim().as_bytes()),
        _ => false,
    };
    if known {
        return Ok(asked.lang.as_deref().and_then(Lang::parse).unwrap_or_default());
    }
    let text = format!("This needs ?token= and the line in the file `{file}` of our state directory.\n");
    Err((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer realm=\"opensoul\"")], text).into_response())
}
