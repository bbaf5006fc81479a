//! Receivers (one file per channel), rendering of messages (pure), and the courier from outbox to receivers.
//!
//! A receiver tries once and says what became of it. When to try again, and what a failure means for the receiver, is
//! decided in `engine::retry` and kept in `store`.

mod bark;
mod card;
mod compose;
pub mod courier;
mod desktop;
mod dingtalk;
mod discord;
pub mod email;
mod exec;
mod feishu;
mod google_chat;
mod gotify;
mod http;
mod journal;
mod matrix;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pace;
mod pagerduty;
mod program;
mod pushdeer;
mod pushover;
mod refusals;
pub mod render;
mod rocket_chat;
mod serverchan;
mod signer;
mod slack;
mod smtp;
mod teams;
mod telegram;
mod template;
mod termux;
pub mod trial;
mod vendor;
mod voice;
pub mod webhook;
mod wecom;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::channels::Settings;
use crate::config::{Config, ReceiverKind};
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome, Progress};
use crate::net::Clients;

pub use teams::is_connector as is_office_connector;

pub use courier::{Courier, Due, Ledger};
pub use render::{Rendered, render};
pub use signer::Signer;
pub use vendor::reading;
pub use voice::{Voice, check};

/// Somebody who can be told something.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// Its name in `monitor.toml`.
    fn name(&self) -> &str;

    /// Tries once. Bounded in time; never panics on what the other side says; what it says is redacted in the outcome.
    async fn deliver(&self, notification: &Notification, attempt: &Attempt) -> Outcome;
}

/// The receivers of a configuration. Nothing is opened, read or connected yet: secrets and clients come with the first
/// delivery. With a `signer` messages carry links that act; without one none does.
#[must_use]
pub fn build(
    config: &Config,
    env: &Environment,
    clients: &Arc<Clients>,
    signer: Option<&Signer>,
) -> Vec<Arc<dyn Receiver>> {
    let env = Arc::new(env.clone());
    let page = config.web.url().filter(|_| config.web.enabled).unwrap_or_default();
    let links = Links { page, runbook: config.runbook.clone() };
    let make = |receiver: &crate::config::Receiver| -> Arc<dyn Receiver> {
        let signer = signer.map(|signer| signer.of(receiver.is_public()));
        let voice = Voice::new(receiver, config.status.zone, config.runbook.as_deref()).signing(signer);
        let name = receiver.name.clone();
        let (env, clients) = (Arc::clone(&env), Arc::clone(clients));
        match &receiver.kind {
            ReceiverKind::Email(email) => Arc::new(email::Email::new(name, email.clone(), voice, env, clients)),
            ReceiverKind::Webhook(webhook) => {
                Arc::new(webhook::Webhook::new(name, webhook.clone(), voice, links.clone(), env, clients))
            }
            ReceiverKind::Channel(settings) => channel(receiver, settings, voice, &links, env, clients),
        }
    };
    config.receivers.iter().map(make).collect()
}

/// Where people read on.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Where they see everything; empty if nowhere.
    pub page: String,
    /// Where the runbook of an alert is, as in [`render::Manner`].
    pub runbook: Option<String>,
}

/// A failure after which another attempt may succeed, with nothing new through.
fn transient(reason: FailureReason, detail: impl Into<String>, progress: &Progress) -> Outcome {
    Outcome::Transient { reason, detail: detail.into(), retry_after: None, progress: progress.clone() }
}

/// A channel of the table: a program or a file of this machine, or a vendor.
fn channel(
    receiver: &crate::config::Receiver,
    settings: &Settings,
    voice: Voice,
    links: &Links,
    env: Arc<Environment>,
    clients: Arc<Clients>,
) -> Arc<dyn Receiver> {
    let name = receiver.name.clone();
    let path = |field| settings.text(field).map(PathBuf::from);
    match settings.channel.name {
        "desktop" => Arc::new(desktop::Desktop { name, voice, env, mac: cfg!(target_os = "macos") }),
        "exec" => Arc::new(exec::Exec::new(name, settings, links.clone(), env)),
        "file" => Arc::new(journal::Lines { name, path: path("path").unwrap_or_default() }),
        "journal" => {
            let socket = path("socket").unwrap_or_else(|| journal::SOCKET.into());
            Arc::new(journal::Journal { name, socket, patience: journal::PATIENCE })
        }
        "termux" => {
            let program = std::env::current_exe().unwrap_or_else(|_| "opensoul".into());
            Arc::new(termux::Termux { name, voice, env, program })
        }
        _ => Arc::new(vendor::Post::new(receiver, settings, voice, env, clients)),
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
pub(crate) mod testing;
