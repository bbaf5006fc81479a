//! Who may ask, and what every answer carries.
//!
//! Loopback is not authentication (DESIGN §5.7): a page in a browser can reach it through a name of its own that resolves to
//! 127.0.0.1 (DNS rebinding), hence the `Host` allow-list; and it can post to it, hence token, content type and origin.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::{digest, hmac, rand};

use super::links;
use super::serve::Certified;
use super::site::Site;
use crate::domain::Secret;

/// Names of this machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Nothing but our own may be loaded, asked or posted to, nothing in a page itself is a script or a style, and nothing frames us.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                   form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// What shows nothing and is needed to say who one is; and what looks after its own tokens.
const OPEN: [&str; 5] = ["/login", "/style.css", "/script.js", "/icon.svg", "/calendar.ics"];

/// Refuses a foreign `Host`, asks who somebody is where that is wanted, and adds the security headers to every answer.
pub async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    // The name under which people far away follow links shows them nothing else of this machine.
    let by_link = host(&request).is_some_and(|host| site.link_host().is_some_and(|own| is_ours(host, &[own], false)));
    let addresses = site.access().is_some_and(|access| access.beyond());
    let ours = host(&request).map(|host| is_ours(host, &site.hosts(), addresses));
    let mut response = match ours {
        Some(false) if by_link => match request.uri().path() {
            path if path.starts_with(links::PATH) || path == "/style.css" => next.run(request).await,
            _ => (StatusCode::NOT_FOUND, "Not found.\n").into_response(),
        },
        Some(true) => {
            let (parts, body) = request.into_parts();
            if may_look(&site, &parts).await {
                next.run(Request::from_parts(parts, body)).await
            } else {
                who_are_you(&site, &parts)
            }
        }
        Some(false) => (
            StatusCode::FORBIDDEN,
            "This name is not answered here. Use localhost, or add the name to allowed_hosts in [web] of monitor.toml.\n",
        )
            .into_response(),
        None => (StatusCode::BAD_REQUEST, "The Host header is missing.\n").into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// A user's password, the token, a session or a certificate opens everything; on loopback without users everybody may look.
async fn may_look(site: &Site, request: &Parts) -> bool {
    let Some(access) = site.access().filter(|access| access.closed()) else { return true };
    let path = request.uri.path();
    // What these show is in their own tokens: who has a link needs no password.
    if OPEN.contains(&path) || path.starts_with("/badge/") || path.starts_with(links::PATH) {
        return true;
    }
    let headers = &request.headers;
    let token = || match (bearer(headers), site.token()) {
        (Some(given), Some(token)) => same(given.as_bytes(), token.expose().trim().as_bytes()),
        _ => false,
    };
    let session = || site.sessions().is_some_and(|sessions| sessions.find(headers, site.now()).is_some());
    // Whoever asks for certificates and for passwords asks for both, as exporter-toolkit does.
    let certified = || !access.has_users() && request.extensions.get::<Certified>().is_some();
    certified() || token() || session() || access.knows(headers).await
}

fn who_are_you(site: &Site, request: &Parts) -> Response {
    let users = site.access().is_some_and(|access| access.has_users());
    let browser = request.method == Method::GET
        && request.headers.get_all(header::ACCEPT).iter().any(|kinds| kinds.as_bytes().starts_with(b"text/html"));
    if browser && !users {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response();
    }
    let ask = if users { "Basic realm=\"opensoul\", charset=\"UTF-8\"" } else { "Bearer realm=\"opensoul\"" };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, ask)], "Who are you?\n").into_response()
}

/// The target's own authority counts before the header (RFC 9112 §3.2.2).
fn host(request: &Request<Body>) -> Option<&str> {
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| only(request.headers(), header::HOST))
}

/// A header that is there exactly once, as text.
pub(super) fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// With `addresses`, every address is one of ours: only names can be made to lead here.
fn is_ours(host: &str, allowed: &[String], addresses: bool) -> bool {
    let name = without_port(host);
    let address = || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    (addresses && address())
        || LOOPBACK.iter().any(|own| name.eq_ignore_ascii_case(own))
        || allowed.iter().any(|own| name.eq_ignore_ascii_case(own) || host.eq_ignore_ascii_case(own))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a request may change something.
///
/// # Errors
/// The answer to give instead.
#[expect(clippy::result_large_err, reason = "the error is the HTTP response itself, made once per refused request")]
pub fn may_write(request: &Request<Body>, token: Option<&Secret>) -> Result<(), Response> {
    let headers = request.headers();
    let known = match (bearer(headers), token) {
        (Some(given), Some(token)) => same(given.as_bytes(), token.expose().trim().as_bytes()),
        _ => false,
    };
    if !known {
        let ask = [(header::WWW_AUTHENTICATE, "Bearer realm=\"opensoul\"")];
        let text = "This needs the bearer token of the file `token` in our state directory.\n";
        return Err((StatusCode::UNAUTHORIZED, ask, text).into_response());
    }
    let kind = only(headers, header::CONTENT_TYPE).map(|v| v.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json.\n").into_response());
    }
    // Browsers send an Origin with every POST; other programs send none.
    if headers.contains_key(header::ORIGIN) && !own_origin(request) {
        return Err((StatusCode::FORBIDDEN, "Not from another site.\n").into_response());
    }
    Ok(())
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether a page of ours sent it, at the very address that it is sent to.
pub(super) fn own_origin(request: &Request<Body>) -> bool {
    let origin = only(request.headers(), header::ORIGIN).and_then(|v| v.split_once("://"));
    origin.is_some_and(|(_, authority)| Some(authority) == host(request))
}

/// Compares under a key of this moment, so that the time it takes says nothing about the token.
pub(super) fn same(given: &[u8], token: &[u8]) -> bool {
    let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()) else { return false };
    let tag = hmac::sign(&key, digest::digest(&digest::SHA256, token).as_ref());
    !token.is_empty() && hmac::verify(&key, digest::digest(&digest::SHA256, given).as_ref(), tag.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_loopback_and_configured_names_are_ours() {
        let allowed = vec!["monitor.example.org".to_owned(), "box:8080".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:10177",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:10177",
            "monitor.example.org:443",
            "box:8080",
        ] {
            assert!(is_ours(host, &allowed, false), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:10177", "", "box:1", "::1"] {
            assert!(!is_ours(host, &allowed, false), "{host}");
        }
    }

    #[test]
    fn beyond_loopback_addresses_are_ours_and_names_are_not() {
        for host in ["192.0.2.1:10177", "[2001:db8::1]:443", "192.0.2.1"] {
            assert!(is_ours(host, &[], true) && !is_ours(host, &[], false), "{host}");
        }
        assert!(!is_ours("evil.example", &[], true) && !is_ours("192.0.2.1.evil.example", &[], true));
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"ab", b"abc"));
        assert!(!same(b"", b""));
    }
}
