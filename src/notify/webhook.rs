//! `type = "webhook"`: the body that Alertmanager sends (version 4), signed as Standard Webhooks says. One POST, no
//! redirects.

mod body;
mod signature;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use super::{Receiver, transient};
use crate::config::{self, resolve, resolve_maybe};
use crate::domain::{Environment, FailureReason, Notification, NotificationId, Outcome, Progress, Secret, Time};
use crate::net::{Clients, address, failure, redact};

/// What is read of an answer.
const ANSWER: usize = 16 * 1024;

/// A URL that takes notifications.
pub struct Webhook {
    name: String,
    config: config::Webhook,
    /// Where people see everything; empty if nowhere.
    link: String,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    /// For the whole request.
    pub(super) total: Duration,
    /// The message that was last refused with a 4xx: such a refusal is believed when it is repeated.
    refused: Mutex<Option<NotificationId>>,
}

/// Everything secret that one request needs.
struct Secrets {
    url: Secret,
    signing: Vec<Secret>,
    headers: Vec<(String, Secret)>,
}

impl Webhook {
    /// Opens nothing.
    #[must_use]
    pub fn new(
        name: String,
        config: config::Webhook,
        link: String,
        env: Arc<Environment>,
        clients: Arc<Clients>,
    ) -> Self {
        Self { name, config, link, env, clients, total: Duration::from_secs(20), refused: Mutex::default() }
    }

    fn secrets(&self) -> Result<Secrets, String> {
        let headers = self.config.headers.iter();
        Ok(Secrets {
            url: resolve_maybe(&self.config.url, &self.env)?,
            signing: self.config.secrets.iter().map(|secret| resolve(secret, &self.env)).collect::<Result<_, _>>()?,
            headers: headers
                .map(|(name, value)| Ok((name.clone(), resolve_maybe(value, &self.env)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    fn headers(&self, secrets: &Secrets, id: &str, now: Time, body: &[u8]) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        let mut set = |name: &str, value: &str, secret: bool| -> Result<(), String> {
            let wrong = || format!("the header {name} cannot be sent: printable ASCII only");
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(secret);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
            Ok(())
        };
        for (name, value) in &secrets.headers {
            set(name, value.expose(), true)?;
        }
        set("content-type", "application/json", false)?;
        set("webhook-id", id, false)?;
        let seconds = now.timestamp();
        set("webhook-timestamp", &seconds.to_string(), false)?;
        if !secrets.signing.is_empty() {
            set("webhook-signature", &signature::sign(&secrets.signing, id, seconds, body)?, false)?;
        }
        Ok(headers)
    }

    async fn attempt(&self, notification: &Notification, progress: &Progress, now: Time) -> Outcome {
        let wrong = |text: String| transient(FailureReason::Config, text, progress);
        let secrets = match self.secrets() {
            Ok(secrets) => secrets,
            Err(text) => return wrong(text),
        };
        let url = match address::url(secrets.url.expose(), self.config.insecure) {
            Ok(url) => url,
            Err(text) => return wrong(text),
        };
        let client = match self.clients.http(&url) {
            Ok(client) => client,
            Err(text) => return transient(FailureReason::Tls, text, progress),
        };
        let body = body::build(notification, &self.link, now);
        let headers = match self.headers(&secrets, notification.id.as_str(), now, &body) {
            Ok(headers) => headers,
            Err(text) => return wrong(text),
        };
        match client.post(url).timeout(self.total).headers(headers).body(body).send().await {
            Ok(response) => self.classify(notification, progress, now, &secrets, response).await,
            Err(error) => {
                let (reason, detail) = failure::of(error);
                transient(reason, detail, progress)
            }
        }
    }

    async fn classify(
        &self,
        notification: &Notification,
        progress: &Progress,
        now: Time,
        secrets: &Secrets,
        response: Response,
    ) -> Outcome {
        let status = response.status();
        let headers = response.headers().clone();
        // An answer whose end is lost has been given all the same; but without its words a success is not believed.
        let text = match crate::net::body(response, ANSWER).await {
            Ok(text) => text,
            Err(error) if status.is_success() => {
                let (reason, detail) = failure::of(error);
                return transient(reason, detail, progress);
            }
            Err(_) => String::new(),
        };
        let html = is_html(&text) || (!status.is_success() && header(&headers, &CONTENT_TYPE).contains("text/html"));
        let said = detail(status, &headers, if html { "an HTML page" } else { &text }, secrets);
        let retry_after = header_retry_after(&headers, now);
        let again =
            |reason| Outcome::Transient { reason, detail: said.clone(), retry_after, progress: progress.clone() };
        match status.as_u16() {
            // A login page of the network between us, or of a proxy: nobody has the message.
            _ if html && status != StatusCode::GONE && !status.is_server_error() => again(FailureReason::Parse),
            200..=299 => Outcome::Delivered { detail: said },
            410 => Outcome::Permanent { reason: FailureReason::Refused, detail: said },
            429 => again(FailureReason::RateLimited),
            408 | 425 | 500.. => again(FailureReason::ServerError),
            300..=399 => again(FailureReason::Refused),
            code => {
                let reason =
                    if matches!(code, 401 | 403 | 407) { FailureReason::AuthRejected } else { FailureReason::Refused };
                if self.refused_again(&notification.id) {
                    return Outcome::Permanent { reason, detail: said };
                }
                again(reason)
            }
        }
    }

    fn refused_again(&self, id: &NotificationId) -> bool {
        let mut last = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(id.clone()).as_ref() == Some(id)
    }
}

#[async_trait]
impl Receiver for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, progress: &Progress, now: Time) -> Outcome {
        self.attempt(notification, progress, now).await
    }
}

fn detail(status: StatusCode, headers: &HeaderMap, text: &str, secrets: &Secrets) -> String {
    let parts = Url::parse(secrets.url.expose()).map(|url| redact::hidden_parts(&url)).unwrap_or_default();
    let mut hidden: Vec<&str> = vec![secrets.url.expose()];
    hidden.extend(parts.iter().map(String::as_str));
    hidden.extend(secrets.signing.iter().map(Secret::expose));
    hidden.extend(secrets.headers.iter().map(|(_, value)| value.expose()));
    let to = if status.is_redirection() {
        format!("redirects to {}, which is not followed; ", redact::url(header(headers, &LOCATION)))
    } else {
        String::new()
    };
    redact::words(&format!("{} {to}{text}", status.as_u16()), &hidden, 200)
}

fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// `Retry-After`, in seconds or as a date.
fn header_retry_after(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let text = header(headers, &RETRY_AFTER).trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = chrono::DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    Some((at - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
