//! One request to somebody who takes messages over HTTP, and what came back: bounded, redacted, no redirect followed.
//! What an answer *means* is decided by each channel; [`by_status`] is for what no channel has words of its own for.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::domain::{FailureReason, Secret, Time};
use crate::net::{self, Clients, address, failure, redact};

/// What is read of an answer.
const ANSWER: usize = 16 * 1024;
/// For a whole request.
pub(super) const TOTAL: Duration = Duration::from_secs(20);

/// A request. Its URL and its headers may hold secrets: it has no `Debug`.
pub(super) struct Call {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// What a request carries.
pub(super) enum Body {
    Json(Value),
    Form(Vec<(&'static str, String)>),
    /// With a content type of its own.
    Bytes(&'static str, Vec<u8>),
}

impl Call {
    /// A POST of JSON.
    pub fn post(url: String, body: Value) -> Self {
        Self { method: Method::POST, url, headers: Vec::new(), body: Body::Json(body) }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// The body; not redacted: for judging, not for showing.
    pub text: String,
    /// It is a page for people: of a login, a proxy, an error. No API answers so.
    pub html: bool,
    /// When to come back, by the header.
    pub retry_after: Option<Duration>,
    /// What may be shown of it.
    pub said: String,
}

/// What came before the body.
pub(super) struct Head<'a> {
    pub status: u16,
    /// `Content-Type`
    pub kind: &'a str,
    pub retry_after: Option<Duration>,
    /// Where it leads, in words; empty if nowhere.
    pub leads: String,
}

impl Answer {
    /// Reads one of `url`. PURE. Whatever is in `hidden`, and the parts of the URL that may hold a token, are taken out of what is
    /// shown.
    pub fn read(head: Head<'_>, text: String, url: &Url, hidden: &[&Secret]) -> Self {
        let Head { status, kind, retry_after, leads } = head;
        let html = net::http::is_html(&text) || (!(200..300).contains(&status) && kind.contains("text/html"));
        let parts = redact::hidden_parts(url);
        let hidden: Vec<&str> =
            hidden.iter().map(|secret| secret.expose()).chain(parts.iter().map(String::as_str)).collect();
        let shown = if html { "an HTML page" } else { &text };
        let said = redact::words(&format!("{status} {leads}{shown}"), &hidden, 200);
        Self { status, said, html, retry_after, text }
    }

    /// Whether the status says yes.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// What an answer means.
pub(super) enum Judgement {
    /// They have it. `keep`: see [`crate::domain::Attempt::keep`].
    Delivered { keep: Option<String> },
    /// Refused for good, by a code of the vendor's own.
    Permanent(FailureReason),
    /// Worth another try, not before this.
    Transient(FailureReason, Option<Duration>),
    /// Refused, in words that nobody knows: tried once more, and believed when it is repeated.
    Refused(FailureReason),
    /// This has to be sent in its place, now.
    Instead(Box<Call>),
}

/// What a status means by itself. A success is none here: that is for the channel to find in the body.
pub(super) fn by_status(answer: &Answer) -> Judgement {
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};
    match answer.status {
        // A login page of the network between us, or of a proxy: nobody has the message.
        status if answer.html && status != 410 && status < 500 => Judgement::Transient(Parse, answer.retry_after),
        200..=299 => Judgement::Transient(Parse, answer.retry_after),
        410 => Judgement::Permanent(Refused),
        429 => Judgement::Transient(RateLimited, answer.retry_after),
        408 | 425 | 500.. => Judgement::Transient(ServerError, answer.retry_after),
        300..=399 => Judgement::Transient(Refused, answer.retry_after),
        401 | 403 | 407 => Judgement::Refused(AuthRejected),
        _ => Judgement::Refused(Refused),
    }
}

/// Makes one request. Whatever is in `hidden`, and the parts of the URL that may hold a token, are taken out of what is shown.
pub(super) async fn exchange(
    clients: &Arc<Clients>,
    call: &Call,
    insecure: bool,
    hidden: &[&Secret],
    total: Duration,
    now: Time,
) -> Result<Answer, (FailureReason, String)> {
    let wrong = |text: String| (FailureReason::Config, text);
    let url = address::url(&call.url, insecure).map_err(wrong)?;
    let client = clients.http(&url).map_err(|text| (FailureReason::Tls, text))?;
    let mut request = client.request(call.method.clone(), url.clone()).timeout(total).headers(headers(call)?);
    request = match &call.body {
        Body::Json(value) => request
            .header(CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(value).map_err(|_| wrong("the message cannot be written as JSON".to_owned()))?),
        Body::Form(pairs) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(pairs)),
        Body::Bytes(kind, bytes) => request.header(CONTENT_TYPE, *kind).body(bytes.clone()),
    };
    let response = request.send().await.map_err(failure::of)?;
    answer(response, &url, hidden, now).await
}

fn form(pairs: &[(&str, String)]) -> String {
    let mut url = Url::parse("http://form/").expect("a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn headers(call: &Call) -> Result<HeaderMap, (FailureReason, String)> {
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        net::http::set_header(&mut headers, name, value).map_err(|text| (FailureReason::Config, text))?;
    }
    Ok(headers)
}

async fn answer(
    response: Response,
    url: &Url,
    hidden: &[&Secret],
    now: Time,
) -> Result<Answer, (FailureReason, String)> {
    let status = response.status();
    let headers = response.headers().clone();
    // An answer whose end is lost has been given all the same; but without its words a success is not believed.
    let text = match net::body(response, ANSWER).await {
        Ok(text) => text,
        Err(error) if status.is_success() => return Err(failure::of(error)),
        Err(_) => String::new(),
    };
    let header = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let head = Head {
        status: status.as_u16(),
        kind: header(&CONTENT_TYPE),
        retry_after: net::http::retry_after(header(&RETRY_AFTER), now),
        leads: net::http::redirection(status, &headers),
    };
    Ok(Answer::read(head, text, url, hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_escaped() {
        assert_eq!(
            form(&[("title", "a b&c=d".into()), ("text", "密钥".into())]),
            "title=a+b%26c%3Dd&text=%E5%AF%86%E9%92%A5"
        );
        assert_eq!(form(&[]), "");
    }
}
