//! Single values as people write them: durations, zones, dates, addresses. Pure.

use std::net::IpAddr;
use std::str::FromStr;

use crate::domain::Zone;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use reqwest::Url;

use super::address::is_forbidden_host;
use crate::domain::{Span, Time};

/// `365d`, `12h`, `2h 30m`; more than nothing, at most a hundred years.
#[must_use]
pub fn duration(text: &str) -> Option<Span> {
    let span = Span::from_std(humantime::parse_duration(text.trim()).ok()?).ok()?;
    (span > Span::zero() && span <= Span::days(36_525)).then_some(span)
}

/// An IANA name of a time zone.
#[must_use]
pub fn zone(text: &str) -> Option<Zone> {
    Zone::from_str(text.trim()).ok()
}

/// A moment: RFC 3339, a local date and time, or a bare date, which means the start of that day in `zone`.
#[must_use]
pub fn moment(text: &str, zone: Zone) -> Option<Time> {
    let text = text.trim();
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    if let Ok(day) = NaiveDate::from_str(text) {
        return first_instant(day.and_time(NaiveTime::MIN), zone);
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .and_then(|local| first_instant(local, zone))
}

/// The first instant that reads `local` or later: a clock that jumps forward over it shows the time after the jump.
fn first_instant(local: NaiveDateTime, zone: Zone) -> Option<Time> {
    (0..=24 * 60)
        .find_map(|minutes| zone.from_local_datetime(&(local + Span::minutes(minutes))).earliest())
        .map(|time| time.to_utc())
}

/// True if a host name or literal address of a URL is this machine.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL that requests may go to (DESIGN §5.6): https, or http on loopback or when `insecure` was written; no login inside; no
/// link-local or metadata address, as far as that can be seen without resolving its name.
///
/// # Errors
/// What is wrong and what to do; never a part of the URL, which may hold a token.
pub fn http_url(text: &str, insecure: bool) -> Result<Url, (String, String)> {
    let wrong = |what: &str, fix: &str| Err((what.to_owned(), fix.to_owned()));
    let Ok(url) = Url::parse(text.trim()) else {
        return wrong("is not a URL", "write it in full, beginning with https://");
    };
    let Some(host) = url.host_str() else {
        return wrong("has no host", "write it in full, beginning with https://");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "contains a login",
            "take it out of the URL; send it in a header that is a reference to a secret",
        );
    }
    if is_forbidden_host(host) {
        return wrong(
            "names a link-local or metadata address, to which nothing is ever sent",
            "write the address of the server itself; one on this machine is http://127.0.0.1:PORT",
        );
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure || is_loopback(host) => Ok(url),
        "http" => wrong("is not encrypted", "use https://, or write insecure = true if you know what listens there"),
        _ => wrong("is neither https nor http", "write it in full, beginning with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("14d"), Some(Span::days(14)));
        assert_eq!(duration("2h 30m"), Some(Span::minutes(150)));
        for bad in ["", "0s", "-1d", "5", "soon", "999999999y", "18446744073709551615s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_bare_date_is_the_start_of_that_day_in_the_zone() {
        let at = |text: &str, name: &str| moment(text, zone(name).expect("zone")).map(|time| time.to_rfc3339());
        assert_eq!(at("2027-01-31", "UTC").as_deref(), Some("2027-01-31T00:00:00+00:00"));
        assert_eq!(at("2027-01-31", "Asia/Shanghai").as_deref(), Some("2027-01-30T16:00:00+00:00"));
        assert_eq!(at("2027-01-31T12:00:00+02:00", "UTC").as_deref(), Some("2027-01-31T10:00:00+00:00"));
        assert_eq!(at("2027-01-31 12:30", "Asia/Shanghai").as_deref(), Some("2027-01-31T04:30:00+00:00"));
        // Midnight did not exist: the clocks of Beirut went from 00:00 to 01:00.
        assert_eq!(at("2024-03-31", "Asia/Beirut").as_deref(), Some("2024-03-30T22:00:00+00:00"));
        // 01:30 happened twice: the first one counts.
        assert_eq!(at("2026-10-25 02:30", "Europe/Berlin").as_deref(), Some("2026-10-25T00:30:00+00:00"));
        assert_eq!(at("31.1.2027", "UTC"), None);
        assert_eq!(at("2027-02-30", "UTC"), None);
    }

    #[test]
    fn urls() {
        assert!(http_url("https://hooks.example.org/x", false).is_ok());
        assert!(http_url("http://127.0.0.1:8080/", false).is_ok());
        assert!(http_url("http://[::1]:8080/", false).is_ok());
        assert!(http_url("http://localhost/", false).is_ok());
        assert!(http_url("http://hooks.example.org/", true).is_ok());
        for bad in ["http://hooks.example.org/", "ftp://x/", "hooks", "https://u:pw@x.org/", "file:///etc/passwd"] {
            assert!(http_url(bad, false).is_err(), "{bad}");
        }
        // The URL standard reads the number as 169.254.169.254.
        for bad in [
            "https://169.254.169.254/v1",
            "http://2852039166/",
            "https://[fe80::1]/",
            "http://metadata.google.internal/",
        ] {
            assert!(http_url(bad, true).is_err_and(|(what, _)| what.contains("link-local")), "{bad}");
        }
        let (what, fix) = http_url("https://user:hunter2@x.org/", true).expect_err("login");
        assert!(!what.contains("hunter2") && !fix.contains("hunter2"));
    }
}
