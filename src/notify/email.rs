//! `type = "email"`: one message to several people, told apart: who has it never gets it again, who was refused is tried
//! again. The Message-ID is the notification's id, so a mail that arrives twice is seen to be one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use super::render::Rendered;
use super::smtp::{self, Answer, Failure, Letter};
use super::{Receiver, Voice, transient};
use crate::config::{self, resolve};
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome, Progress, Severity, Time};
use crate::net::Clients;

/// A mail server and the people behind it.
pub struct Email {
    name: String,
    config: config::Email,
    voice: Voice,
    env: Arc<Environment>,
    clients: Arc<Clients>,
    /// For connecting.
    pub(super) connect: Duration,
    /// For the whole conversation: a server that says nothing must not hold up the courier.
    pub(super) total: Duration,
}

impl Email {
    /// Opens nothing.
    #[must_use]
    pub fn new(
        name: String,
        config: config::Email,
        voice: Voice,
        env: Arc<Environment>,
        clients: Arc<Clients>,
    ) -> Self {
        Self { name, config, voice, env, clients, connect: Duration::from_secs(10), total: Duration::from_secs(30) }
    }

    async fn attempt(&self, notification: &Notification, progress: &Progress, now: Time) -> Result<Outcome, Failure> {
        let from: Mailbox = parse(&self.config.from)?;
        let to: Vec<Mailbox> = self.config.to.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
        let waiting: Vec<Address> =
            to.iter().map(|mailbox| mailbox.email.clone()).filter(|a| !progress.0.contains(&a.to_string())).collect();
        if waiting.is_empty() {
            return Ok(Outcome::Delivered { detail: "every recipient has it".to_owned(), keep: None });
        }
        let data = message(notification, &self.voice.render(notification, now), &from, &to, now)
            .map_err(|error| smtp::local(FailureReason::Config, format!("the message cannot be built: {error}")))?
            .formatted();
        let password = match &self.config.password {
            Some(reference) => {
                Some(resolve(reference, &self.env).map_err(|text| smtp::local(FailureReason::Config, text))?)
            }
            None => None,
        };
        let letter = Letter { hello: domain(&notification.host), from: &from.email, to: &waiting, data: &data };
        let conversation = smtp::send(&self.config, password.as_ref(), &self.clients, self.connect, &letter);
        let (said, answers) = tokio::time::timeout(self.total, conversation).await.map_err(|_| {
            smtp::local(FailureReason::Timeout, format!("no answer within {} s", self.total.as_secs()))
        })??;
        Ok(judge(&said, &waiting, &answers, progress))
    }
}

#[async_trait]
impl Receiver for Email {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome {
        let progress = &attempt.progress;
        match self.attempt(notification, progress, attempt.now).await {
            Ok(outcome) => outcome,
            Err(Failure { reason, permanent: true, detail }) => Outcome::Permanent { reason, detail },
            Err(Failure { reason, detail, .. }) => transient(reason, detail, progress),
        }
    }
}

fn parse(text: &str) -> Result<Mailbox, Failure> {
    text.parse().map_err(|_| smtp::local(FailureReason::Config, "an address in the configuration is not one"))
}

/// What the answers about the recipients mean together.
///
/// One address that does not exist must not silence the others: while somebody has the message, a refusal for good of the
/// rest is tried once more (`progress` shows that), and then the message counts as delivered and says who did not get it.
fn judge(said: &str, waiting: &[Address], answers: &[Answer], before: &Progress) -> Outcome {
    let mut progress = before.clone();
    let mut refused: Vec<String> = Vec::new();
    let mut worst: Option<&Failure> = None;
    for (address, answer) in waiting.iter().zip(answers) {
        match answer {
            Ok(()) => {
                progress.0.insert(address.to_string());
            }
            Err(failure) => {
                refused.push(format!("{address}: {}", failure.detail));
                // A passing refusal decides: it is worth another try.
                if worst.is_none_or(|worst| worst.permanent) {
                    worst = Some(failure);
                }
            }
        }
    }
    let Some(worst) = worst else { return Outcome::Delivered { detail: said.to_owned(), keep: None } };
    let detail = refused.join("; ");
    if !worst.permanent || progress != *before {
        return Outcome::Transient { reason: worst.reason, detail, retry_after: None, progress };
    }
    if progress.0.is_empty() {
        return Outcome::Permanent { reason: worst.reason, detail };
    }
    Outcome::Delivered { detail: format!("not to everybody: {detail}"), keep: None }
}

/// The mail itself; the same for every attempt but for its date and its words about delay.
fn message(
    notification: &Notification,
    shown: &Rendered,
    from: &Mailbox,
    to: &[Mailbox],
    now: Time,
) -> Result<Message, lettre::error::Error> {
    let host = domain(&notification.host);
    // A root that is never sent: every mail of the group answers to it, so mail programs show them as one thread.
    let root = format!("<group.{}@{host}>", digest(&notification.group_key));
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(shown.subject.clone())
        .date(SystemTime::from(now))
        .message_id(Some(format!("<{}@{host}>", notification.id)))
        .in_reply_to(root.clone())
        .references(root)
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("List-Id", &format!("<opensoul.{host}>")))
        .raw_header(header("X-Opensoul-Severity", notification.severity.word()));
    if let [one] = notification.items.as_slice() {
        builder = builder.raw_header(header("X-Opensoul-Incident", one.incident.as_str()));
    }
    if notification.severity == Severity::Critical {
        builder = builder.raw_header(header("X-Priority", "1")).raw_header(header("Importance", "high"));
    }
    for mailbox in to {
        builder = builder.to(mailbox.clone());
    }
    builder.multipart(
        MultiPart::alternative()
            .boundary(format!("opensoul-{}", digest(notification.id.as_str())))
            .singlepart(SinglePart::plain(shown.text.clone()))
            .singlepart(SinglePart::html(shown.html.clone())),
    )
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn digest(text: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A host name as the right part of an id and as a greeting: only what a domain may hold.
fn domain(host: &str) -> String {
    let safe: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '-' }).take(200).collect();
    let safe = safe.trim_matches(['-', '.']).replace("..", ".");
    if safe.is_empty() { "localhost".to_owned() } else { safe }
}

#[cfg(test)]
#[path = "email_tests.rs"]
mod tests;
