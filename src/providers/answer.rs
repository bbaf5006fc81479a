//! An answer, and what stands in it before anybody judges it: texts, dates, numbers. PURE; foreign data, so nothing here may
//! fail otherwise than by finding nothing.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use serde_json::Value;

use crate::domain::{Span, Time};
use crate::formats::bounded_json;

/// The clocks of two machines may differ by this much before it is worth a word.
const SKEW: Span = Span::seconds(60);
/// A `Retry-After` beyond this is taken as this.
pub(super) const RETRY_MAX: Span = Span::hours(24);

/// What came back. Header names are lower-case.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body, as far as it was read.
    pub body: Vec<u8>,
    /// False if the body was cut at the size limit.
    pub complete: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }
}

/// What the tree of an answer may take in memory, in bytes; a longer one is not understood.
const ROOM: usize = 4 * 1024 * 1024;

pub(super) fn json(answer: &Answer) -> Option<Value> {
    let value = bounded_json::parse(&answer.body, &[], ROOM)?;
    // Google wraps some errors in an array of one.
    let value = match value {
        Value::Array(mut list) if list.len() == 1 && list[0].get("error").is_some() => list.remove(0),
        other => other,
    };
    (value.is_object() || value.is_array()).then_some(value)
}

pub(super) fn is_html(answer: &Answer) -> bool {
    let declared = answer.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("text/html"));
    let start = answer.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&answer.body).trim_ascii_start();
    declared || start.starts_with(b"<")
}

/// Every text in an error answer, lower-case. Bounded: the reader limits depth and size.
pub(super) fn haystack(answer: &Answer, json: Option<&Value>) -> String {
    fn gather(value: &Value, into: &mut String) {
        match value {
            Value::String(text) => {
                into.push_str(text);
                into.push('\n');
            }
            Value::Array(list) => list.iter().for_each(|item| gather(item, into)),
            Value::Object(map) => map.values().for_each(|item| gather(item, into)),
            _ => {}
        }
    }
    let mut text = String::new();
    match json {
        Some(value) => gather(value, &mut text),
        None => text.push_str(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)])),
    }
    // xAI has sent its message percent-encoded.
    text.to_lowercase().replace("%20", " ")
}

/// The sentence meant for people, and the code beside it.
pub(super) fn message(body: &Value) -> Option<String> {
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let sentence =
        ["/error/message", "/error", "/message", "/detail/message", "/detail", "/msg", "/base_resp/status_msg"]
            .into_iter()
            .find_map(text);
    let code = ["/error/code", "/error/type", "/error/status", "/code", "/type"].into_iter().find_map(text);
    match (code, sentence) {
        (Some(code), Some(sentence)) if code != sentence => Some(format!("{code}: {sentence}")),
        (code, sentence) => sentence.or(code).map(str::to_owned),
    }
}

pub(super) fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

/// RFC 3339 or its looser kin (`2027-10-12 09:00:00 UTC`, a bare date: its first instant), or a number of seconds, or (if too large for those) of milliseconds; only dates of our time.
pub(super) fn instant(value: &Value) -> Option<Time> {
    let time = match value.as_str() {
        Some(text) if text.contains('-') => written(text.trim())?,
        _ => {
            let number = number(value)?;
            let seconds = if number >= 1e11 { number / 1e3 } else { number };
            // Beyond ±1e11 seconds nothing is a date, and the cast is exact enough below.
            if !(0.0..1e11).contains(&seconds) {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            DateTime::from_timestamp(seconds as i64, 0)?
        }
    };
    plausible(time)
}

fn written(text: &str) -> Option<Time> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let text = text.trim_end_matches(" UTC");
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z") {
        return Some(time.to_utc());
    }
    let local = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"];
    let local = local.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    Some(local.or_else(day)?.and_utc())
}

/// Only dates of our time are dates; arithmetic on them cannot overflow.
fn plausible(time: Time) -> Option<Time> {
    (2015..2100).contains(&time.year()).then_some(time)
}

fn http_date(text: &str) -> Option<Time> {
    plausible(crate::net::http::date(text)?)
}

pub(super) fn skew(answer: &Answer, now: Time) -> Option<Span> {
    let theirs = http_date(answer.header("date")?)?;
    // A cache between us answers with the date of its copy.
    let age = answer
        .header("age")
        .and_then(|age| age.parse::<u32>().ok())
        .map_or(Span::zero(), |age| Span::seconds(age.into()));
    let skew = theirs + age - now;
    (skew.abs() > SKEW).then_some(skew)
}

/// Seconds, or milliseconds, or a date; read by the provider's own clock if that says otherwise than ours.
pub(super) fn retry_after(answer: &Answer, json: Option<&Value>, now: Time) -> Option<Span> {
    let millis = answer.header("retry-after-ms").and_then(|text| text.parse::<f64>().ok()).map(|millis| millis / 1e3);
    let after = answer.header("retry-after");
    let seconds =
        millis.or_else(|| after?.parse::<f64>().ok()).filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    // Bots are told in the body.
    let told = |body: &Value| number(body.pointer("/parameters/retry_after").or_else(|| body.get("retry_after"))?);
    let in_body = || json.filter(|_| answer.status == 429).and_then(told).filter(|seconds| *seconds >= 0.0);
    let span = match seconds.or_else(in_body) {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by RETRY_MAX")]
        Some(seconds) => Span::seconds(seconds.ceil().min(86_400.0) as i64),
        None => {
            let theirs = now + skew(answer, now).unwrap_or_default();
            http_date(after?)? - theirs
        }
    };
    Some(span.clamp(Span::zero(), RETRY_MAX))
}

/// When a window opens again, from the places where providers say so.
pub(super) fn resets(answer: &Answer, json: Option<&Value>, now: Time) -> Option<Time> {
    let field = |name: &str| {
        json.and_then(|body| body.pointer(&format!("/error/{name}")).or_else(|| body.pointer(&format!("/{name}"))))
    };
    let by_date = ["resets_at", "reset_at", "resetsAt"].into_iter().find_map(|name| instant(field(name)?));
    let by_span = || {
        let seconds = number(field("resets_in_seconds")?)?;
        #[expect(clippy::cast_possible_truncation, reason = "bounded: a year")]
        (0.0..=3.2e7).contains(&seconds).then(|| now + Span::seconds(seconds as i64))
    };
    let by_header = || instant(&Value::from(answer.header("anthropic-ratelimit-unified-reset")?));
    by_date.or_else(by_span).or_else(by_header)
}
