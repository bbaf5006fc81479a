//! Receivers (one file per channel), rendering of messages (pure), and the courier from outbox to receivers.
//!
//! A receiver tries once and says what became of it. When to try again, and what a failure means for the receiver, is
//! decided in `engine::retry` and kept in `store`.

pub mod courier;
pub mod email;
pub mod render;
mod smtp;
mod template;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;

use crate::config::{Config, Listen, ReceiverKind};
use crate::domain::{Environment, FailureReason, Notification, Outcome, Progress, Time};
use crate::net::Clients;

pub use courier::{Courier, Due, Ledger};
pub use render::{Rendered, render};

/// Somebody who can be told something.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// Its name in `monitor.toml`.
    fn name(&self) -> &str;

    /// Tries once. `progress` is what got through in earlier attempts; `now` is the time that the message shows. Bounded in
    /// time; never panics on what the other side says; what it says is redacted in the outcome.
    async fn deliver(&self, notification: &Notification, progress: &Progress, now: Time) -> Outcome;
}

/// The receivers of a configuration. Nothing is opened, read or connected yet: secrets and clients come with the first
/// delivery.
#[must_use]
pub fn build(config: &Config, env: &Environment, clients: &Arc<Clients>) -> Vec<Arc<dyn Receiver>> {
    let env = Arc::new(env.clone());
    let link = match &config.web.listen {
        Listen::Tcp(address) if config.web.enabled => format!("http://{address}/"),
        _ => String::new(),
    };
    let zone = config.status.zone;
    let make = |receiver: &crate::config::Receiver| -> Arc<dyn Receiver> {
        let name = receiver.name.clone();
        match &receiver.kind {
            ReceiverKind::Email(email) => {
                Arc::new(email::Email::new(name, email.clone(), zone, Arc::clone(&env), Arc::clone(clients)))
            }
            ReceiverKind::Webhook(webhook) => Arc::new(webhook::Webhook::new(
                name,
                webhook.clone(),
                link.clone(),
                Arc::clone(&env),
                Arc::clone(clients),
            )),
        }
    };
    config.receivers.iter().map(make).collect()
}

/// A failure after which another attempt may succeed, with nothing new through.
fn transient(reason: FailureReason, detail: impl Into<String>, progress: &Progress) -> Outcome {
    Outcome::Transient { reason, detail: detail.into(), retry_after: None, progress: progress.clone() }
}

#[cfg(test)]
pub(crate) mod samples;
