//! `type = "webhook"`: the body that Alertmanager sends (version 4), plain JSON, or what a template makes; signed as Standard
//! Webhooks says. One POST, no redirects.

mod body;
mod plain;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;

use super::http::{self, Answer, Body, Call, Judgement};
use super::refusals::Refusals;
use super::{Links, Receiver, Voice, transient};
use crate::config::{self, resolve, resolve_maybe};
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome, Progress, Secret, Time};
use crate::net::Clients;

/// A notification as JSON, in the form of Alertmanager; for other channels of programs too.
pub(super) fn body(notification: &Notification, links: &Links, now: Time) -> Vec<u8> {
    body::build(notification, links, None, now)
}

/// A URL that takes notifications.
pub struct Webhook {
    name: String,
    config: config::Webhook,
    voice: Voice,
    links: Links,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    /// For the whole request.
    pub(super) total: Duration,
    refusals: Refusals,
}

/// Everything secret that one request needs.
struct Secrets {
    url: Secret,
    signing: Vec<Secret>,
    headers: Vec<(String, Secret)>,
}

impl Secrets {
    fn hidden(&self) -> Vec<&Secret> {
        let headers = self.headers.iter().map(|(_, value)| value);
        std::iter::once(&self.url).chain(&self.signing).chain(headers).collect()
    }
}

impl Webhook {
    /// Opens nothing.
    #[must_use]
    pub fn new(
        name: String,
        config: config::Webhook,
        voice: Voice,
        links: Links,
        env: Arc<Environment>,
        clients: Arc<Clients>,
    ) -> Self {
        Self { name, config, voice, links, env, clients, total: http::TOTAL, refusals: Refusals::default() }
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

    fn call(&self, secrets: &Secrets, id: &str, now: Time, body: Vec<u8>) -> Result<Call, String> {
        let mut headers: Vec<(String, String)> =
            secrets.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        let seconds = now.timestamp();
        headers.push(("webhook-id".to_owned(), id.to_owned()));
        headers.push(("webhook-timestamp".to_owned(), seconds.to_string()));
        if !secrets.signing.is_empty() {
            headers.push(("webhook-signature".to_owned(), signature::sign(&secrets.signing, id, seconds, &body)?));
        }
        let url = secrets.url.expose().to_owned();
        Ok(Call { method: Method::POST, url, headers, body: Body::Bytes("application/json", body) })
    }

    async fn attempt(&self, notification: &Notification, progress: &Progress, now: Time) -> Outcome {
        let wrong = |text: String| transient(FailureReason::Config, text, progress);
        let secrets = match self.secrets() {
            Ok(secrets) => secrets,
            Err(text) => return wrong(text),
        };
        let bytes = self.bytes(notification, now);
        let call = match self.call(&secrets, notification.id.as_str(), now, bytes) {
            Ok(call) => call,
            Err(text) => return wrong(text),
        };
        match http::exchange(&self.clients, &call, self.config.insecure, &secrets.hidden(), self.total, now).await {
            Ok(answer) => self.judge(notification, progress, answer),
            Err((reason, detail)) => transient(reason, detail, progress),
        }
    }

    /// A template that fails costs nobody an alert: the usual body goes out and says so.
    fn bytes(&self, notification: &Notification, now: Time) -> Vec<u8> {
        match &self.config.body {
            config::Body::Alertmanager => body::build(notification, &self.links, None, now),
            config::Body::Json => plain::build(notification, &self.voice.render(notification, now), &self.links, now),
            config::Body::Template(path) => match self.voice.body(path, notification, now) {
                Ok(text) => text.into_bytes(),
                Err(why) => {
                    tracing::warn!(receiver = self.name, why, "a template failed; the usual body goes out");
                    let notice = format!("the template of this receiver failed: {why}");
                    body::build(notification, &self.links, Some(&notice), now)
                }
            },
        }
    }

    /// Nobody knows the words of a webhook: its status counts, unless it is a page for people.
    fn judge(&self, notification: &Notification, progress: &Progress, answer: Answer) -> Outcome {
        if answer.is_success() && !answer.html {
            return Outcome::Delivered { detail: answer.said, keep: None };
        }
        let judgement = http::by_status(&answer);
        let detail = answer.said;
        match judgement {
            Judgement::Permanent(reason) => Outcome::Permanent { reason, detail },
            Judgement::Refused(reason) if self.refusals.again(&notification.id) => {
                Outcome::Permanent { reason, detail }
            }
            Judgement::Transient(reason, retry_after) => {
                Outcome::Transient { reason, detail, retry_after, progress: progress.clone() }
            }
            Judgement::Refused(reason) => transient(reason, detail, progress),
            Judgement::Delivered { .. } | Judgement::Instead(_) => transient(FailureReason::Parse, detail, progress),
        }
    }
}

#[async_trait]
impl Receiver for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        self.attempt(notification, &attempt.progress, attempt.now).await
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
