//! What every request of ours and every answer to it have in common, whoever asks.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};

use super::redact;
use crate::domain::Time;

/// Sets a header that may hold a secret.
///
/// # Errors
/// What is wrong with it; never its value.
pub fn set_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("the header {name} cannot be sent: printable ASCII only");
    let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
    Ok(())
}

/// A page for people: of a login, a proxy, an error. No interface for programs answers so.
#[must_use]
pub fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// What goes before the words of an answer that leads elsewhere; empty for others.
#[must_use]
pub fn redirection(status: StatusCode, headers: &HeaderMap) -> String {
    match headers.get(LOCATION).and_then(|value| value.to_str().ok()) {
        Some(to) if status.is_redirection() => format!("redirects to {}, which is not followed; ", redact::url(to)),
        _ => String::new(),
    }
}

/// The moment in a header (`Date`, RFC 9110 §5.6.7).
#[must_use]
pub fn date(text: &str) -> Option<Time> {
    Some(chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?.to_utc())
}

/// How long `Retry-After` asks to wait, in seconds or as a date (RFC 9110 §10.2.3); a date that has passed asks for nothing. Who
/// follows it bounds it.
#[must_use]
pub fn retry_after(text: &str, now: Time) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    Some((date(text)? - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_come_back() {
        let now = "2026-11-28T12:00:00Z".parse().expect("time");
        let asked = |text: &str| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(
            (asked("7"), asked(" 120 "), asked("Sat, 28 Nov 2026 12:01:00 GMT")),
            (Some(7), Some(120), Some(60))
        );
        assert_eq!((asked("Sat, 28 Nov 2026 11:00:00 GMT"), asked("soon"), asked("-1")), (Some(0), None, None));
    }

    #[test]
    fn pages_for_people() {
        for page in ["<!DOCTYPE html><html>", " \n<html lang=\"en\">", "<HTML>"] {
            assert!(is_html(page), "{page}");
        }
        for other in ["", "ok", "{\"html\": \"<html>\"}", "<?xml version=\"1.0\"?>"] {
            assert!(!is_html(other), "{other}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named_and_its_value_is_not() {
        let mut headers = HeaderMap::new();
        assert!(set_header(&mut headers, "x-key", "plain").is_ok() && headers["x-key"].is_sensitive());
        for (name, value) in [("x-key", "two\nlines-hunter2"), ("x key", "hunter2"), ("x-key", "hunter2\u{7f}")] {
            let said = set_header(&mut headers, name, value).expect_err(name);
            assert!(said.contains(name) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn where_an_answer_leads_is_said_without_its_token() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static("https://x.org/a?token=hunter2"));
        assert_eq!(redirection(StatusCode::OK, &headers), "");
        assert_eq!(
            redirection(StatusCode::FOUND, &headers),
            "redirects to https://x.org/a?token=…, which is not followed; "
        );
    }
}
