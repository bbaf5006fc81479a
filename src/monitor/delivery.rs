//! From the outbox to the receivers, and what became of it back into the outbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Environment, NotificationId, Outcome};
use crate::export::own::Own;
use crate::net::Clients;
use crate::notify::{self, Courier, Due, Ledger};
use crate::store::fault;

use super::cycle::{CycleError, Monitor, standing};
use super::desk::Desk;

/// The courier of a configuration, with what its counters are called.
pub struct Mail {
    courier: Courier,
    /// Receiver → channel.
    channels: BTreeMap<String, &'static str>,
}

impl Mail {
    /// For the receivers of `config`. Nothing is opened or connected before the first message.
    #[must_use]
    pub fn new(
        config: &Config,
        env: &Environment,
        clients: &Arc<Clients>,
        clock: &Arc<dyn Clock>,
        signer: Option<&notify::Signer>,
    ) -> Self {
        Self::with(config, notify::build(config, env, clients, signer), clock)
    }

    /// With these receivers in place of those that `config` describes.
    #[must_use]
    pub fn with(config: &Config, receivers: Vec<Arc<dyn notify::Receiver>>, clock: &Arc<dyn Clock>) -> Self {
        let channels = config.receivers.iter().map(|one| (one.name.clone(), one.channel())).collect();
        Self { courier: Courier::new(receivers, Arc::clone(clock)), channels }
    }

    /// Shows every receiver's counters from the start.
    pub fn announce(&self, own: &Own) {
        for (name, channel) in &self.channels {
            own.receiver(channel, name);
        }
    }
}

/// Tries every message that is due once, and shows what that changed. Gives the number of messages tried.
///
/// # Errors
/// If the store fails; what was tried by then is recorded.
pub async fn deliver(monitor: &Monitor, config: &Config, mail: &Mail) -> Result<usize, CycleError> {
    let now = monitor.clock.now();
    let least = config.alerts.least_severity(now);
    let due = monitor.desk.with(move |store| store.due_notifications(least, now)).await??;
    let tried = due.len();
    if tried == 0 {
        return Ok(0);
    }
    let receivers = due.iter().map(|one| (one.notification.id.clone(), one.notification.receiver.clone())).collect();
    let book = Book {
        desk: monitor.desk.clone(),
        own: Arc::clone(&monitor.own),
        troubles: Arc::clone(&monitor.troubles),
        clock: Arc::clone(&monitor.clock),
        receivers,
        channels: mail.channels.clone(),
    };
    let due = due.into_iter().map(|one| Due { notification: one.notification, progress: one.progress, keep: one.keep });
    let due = due.collect();
    let ledger: Arc<dyn Ledger> = Arc::new(book);
    mail.courier.deliver(due, &ledger).await;
    if let Some(site) = &monitor.site {
        site.update(standing(monitor, config).await?);
    }
    Ok(tried)
}

/// Writes outcomes into the store and counts them.
struct Book {
    desk: Desk,
    own: Arc<Own>,
    troubles: Arc<Mutex<BTreeMap<String, String>>>,
    clock: Arc<dyn Clock>,
    receivers: BTreeMap<NotificationId, String>,
    channels: BTreeMap<String, &'static str>,
}

#[async_trait]
impl Ledger for Book {
    async fn record(&self, outcomes: Vec<(NotificationId, Outcome)>) {
        for (id, outcome) in &outcomes {
            self.count(id, outcome);
        }
        let names: Vec<&str> = outcomes.iter().map(|(id, _)| self.receiver(id)).collect();
        let now = self.clock.now();
        // Not recorded means: sent again under the same id, after the time in which an attempt is forgotten.
        let recorded = match self.desk.with(move |store| store.record_outcomes(&outcomes, now)).await {
            Ok(Ok(recorded)) => recorded,
            Ok(Err(error)) => return tracing::error!(?names, %error, "what became of messages could not be kept"),
            Err(error) => return tracing::error!(?names, %error, "what became of messages could not be kept"),
        };
        for (receiver, recorded) in names.into_iter().zip(recorded) {
            if recorded.quarantined {
                tracing::error!(receiver, "is tried once an hour from now on, until it takes a message again");
            } else if recorded.released {
                tracing::info!(receiver, "takes messages again");
            }
        }
    }

    fn point(&self, name: &'static str) {
        fault::point(name);
    }
}

impl Book {
    fn receiver(&self, id: &NotificationId) -> &str {
        self.receivers.get(id).map(String::as_str).unwrap_or_default()
    }

    /// In the log and in our own metrics.
    fn count(&self, id: &NotificationId, outcome: &Outcome) {
        let receiver = self.receiver(id);
        let channel = self.channels.get(receiver).copied().unwrap_or("unknown");
        match outcome {
            Outcome::Delivered { detail, .. } => {
                self.own.sent(channel, receiver);
                tracing::info!(receiver, %id, "delivered: {detail}");
            }
            Outcome::Transient { reason, detail, .. } => {
                self.own.failed(channel, receiver, *reason);
                tracing::warn!(receiver, %id, "not delivered, will be tried again: {detail}");
            }
            Outcome::Permanent { reason, detail } => {
                self.own.failed(channel, receiver, *reason);
                tracing::error!(receiver, %id, "refused: {detail}");
            }
        }
        self.note_trouble(receiver, outcome);
    }
    fn note_trouble(&self, receiver: &str, outcome: &Outcome) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Delivered { .. } => troubles.remove(receiver),
            Outcome::Transient { detail, .. } | Outcome::Permanent { detail, .. } => {
                troubles.insert(receiver.to_owned(), detail.clone())
            }
        };
    }
}
