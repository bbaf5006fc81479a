//! Who may ask, and what every answer carries.
//!
//! Loopback is not authentication (DESIGN §5.7): a page in a browser can reach it through a name of its own that resolves to
//! 127.0.0.1 (DNS rebinding), hence the `Host` allow-list; and it can post to it, hence token, content type and origin.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::{digest, hmac, rand};

use super::links;
use super::site::Site;
use crate::domain::Secret;

/// Names of this machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Nothing but our own style sheet may be loaded, nothing may frame us or post from the page.
const CSP: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Refuses a foreign `Host` and adds the security headers to every answer.
pub async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match host(&request) {
        Some(host) if is_ours(host, &site.hosts()) => next.run(request).await,
        // The name under which people far away follow links shows them nothing else of this machine.
        Some(host) if site.link_host().is_some_and(|own| is_ours(host, &[own])) => {
            match request.uri().path() {
                path if path.starts_with(links::PATH) || path == "/style.css" => next.run(request).await,
                _ => (StatusCode::NOT_FOUND, "Not found.\n").into_response(),
            }
        }
        Some(_) => (
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

/// The target's own authority counts before the header (RFC 9112 §3.2.2).
fn host(request: &Request<Body>) -> Option<&str> {
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| only(request.headers(), header::HOST))
}

/// A header that is there exactly once, as text.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn is_ours(host: &str, allowed: &[String]) -> bool {
    let name = without_port(host);
    LOOPBACK.iter().any(|own| name.eq_ignore_ascii_case(own))
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
    let given = only(headers, header::AUTHORIZATION).and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let known = match (given, token) {
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
    if headers.contains_key(header::ORIGIN) {
        let origin = only(headers, header::ORIGIN).and_then(|v| v.split_once("://")).map(|(_, authority)| authority);
        if origin.is_none() || origin != host(request) {
            return Err((StatusCode::FORBIDDEN, "Not from another site.\n").into_response());
        }
    }
    Ok(())
}

/// Compares under a key of this moment, so that the time it takes says nothing about the token.
fn same(given: &[u8], token: &[u8]) -> bool {
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
            assert!(is_ours(host, &allowed), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:10177", "", "box:1", "::1"] {
            assert!(!is_ours(host, &allowed), "{host}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"ab", b"abc"));
        assert!(!same(b"", b""));
    }
}
