//! From the outbox to the receivers: several at a time, in order for each, one bounded attempt per message. Decides nothing
//! about retries (`engine::retry`).
//!
//! What became of an attempt is recorded within [`GATHER`], while the next message is on its way, together with whatever else
//! ended meanwhile. So a slow receiver's outcomes are on disk one by one, a fast one does not wait for the disk each time, and
//! a crash repeats at most [`UNRECORDED`] messages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::{Receiver, transient};
use crate::clock::Clock;
use crate::domain::{Attempt, FailureReason, Notification, NotificationId, Outcome, Progress};
use crate::store::fault;

/// Receivers spoken to at the same time.
const AT_ONCE: usize = 4;

/// Messages that are under way or through, and not recorded yet: as many are sent again after a crash, under the same ids.
pub const UNRECORDED: usize = 100;

/// One commit: half of those, so that the other half can be sent while it is written.
const BATCH: usize = UNRECORDED / 2;

/// How long an outcome may wait for others to share its commit.
const GATHER: Duration = Duration::from_millis(20);

/// A message that may be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The message.
    pub notification: Notification,
    /// What is through already.
    pub progress: Progress,
    /// What the receiver kept with the last message of the group.
    pub keep: Option<String>,
}

/// Where outcomes are kept (the store, behind whatever thread it lives on).
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Keeps what became of attempts, at most [`UNRECORDED`] of them, in the order in which they ended; returns when all of it is on
    /// disk.
    async fn record(&self, outcomes: Vec<(NotificationId, Outcome)>);

    /// Passed right before (`before-send`) and right after (`after-send`) each attempt: tests let the process die here.
    fn point(&self, name: &'static str) {
        fault::point(name);
    }
}

/// Brings messages to receivers.
pub struct Courier {
    receivers: BTreeMap<String, Arc<dyn Receiver>>,
    clock: Arc<dyn Clock>,
    /// For one attempt; receivers have tighter limits of their own, this one is for the case that they forget.
    pub(super) limit: Duration,
}

impl Courier {
    /// A courier for these receivers.
    #[must_use]
    pub fn new(receivers: Vec<Arc<dyn Receiver>>, clock: Arc<dyn Clock>) -> Self {
        let receivers = receivers.into_iter().map(|receiver| (receiver.name().to_owned(), receiver)).collect();
        Self { receivers, clock, limit: Duration::from_secs(60) }
    }

    /// Tries each message once and records every outcome. Dropping the future ends all attempts under way; what became of
    /// those before is recorded all the same.
    pub async fn deliver(&self, due: Vec<Due>, ledger: &Arc<dyn Ledger>) {
        let mut queues: BTreeMap<String, Vec<Due>> = BTreeMap::new();
        for one in due {
            queues.entry(one.notification.receiver.clone()).or_default().push(one);
        }
        let (ended, outcomes) = mpsc::unbounded_channel();
        let unrecorded = Arc::new(Semaphore::new(UNRECORDED));
        // A task of its own, which ends after the last tour has.
        let recorder = tokio::spawn(recorder(outcomes, Arc::clone(ledger)));
        let seats = Arc::new(Semaphore::new(AT_ONCE));
        let mut work = JoinSet::new();
        for (name, queue) in queues {
            let tour = Tour {
                receiver: self.receivers.get(&name).cloned(),
                clock: Arc::clone(&self.clock),
                ledger: Arc::clone(ledger),
                limit: self.limit,
                ended: ended.clone(),
                unrecorded: Arc::clone(&unrecorded),
            };
            let seats = Arc::clone(&seats);
            work.spawn(async move {
                let _seat = seats.acquire_owned().await;
                tour.run(queue).await;
            });
        }
        drop(ended);
        while work.join_next().await.is_some() {}
        let _ = recorder.await;
    }
}

/// What became of a message, and its place among those that are not recorded.
struct Ended {
    id: NotificationId,
    outcome: Outcome,
    place: Option<OwnedSemaphorePermit>,
}

async fn recorder(mut outcomes: mpsc::UnboundedReceiver<Ended>, ledger: Arc<dyn Ledger>) {
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
        let _ = tokio::time::timeout(GATHER, gather(&mut outcomes, &mut batch)).await;
        let (all, places): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|one: Ended| ((one.id, one.outcome), one.place)).unzip();
        ledger.record(all).await;
        drop(places);
    }
}

/// Until there is enough for a commit, or nothing more to come. Dropped at any moment, it has lost nothing.
async fn gather(outcomes: &mut mpsc::UnboundedReceiver<Ended>, batch: &mut Vec<Ended>) {
    while batch.len() < BATCH && outcomes.recv_many(batch, BATCH - batch.len()).await > 0 {}
}

/// All messages for one receiver.
struct Tour {
    receiver: Option<Arc<dyn Receiver>>,
    clock: Arc<dyn Clock>,
    ledger: Arc<dyn Ledger>,
    limit: Duration,
    ended: mpsc::UnboundedSender<Ended>,
    unrecorded: Arc<Semaphore>,
}

impl Tour {
    async fn run(self, queue: Vec<Due>) {
        let mut down: Option<Outcome> = None;
        for due in queue {
            let id = due.notification.id.clone();
            let place = Arc::clone(&self.unrecorded).acquire_owned().await.ok();
            let outcome = match &down {
                // What is unreachable now is unreachable for the next message too: waiting for each would hold up a cycle.
                Some(Outcome::Transient { reason, detail, retry_after, .. }) => Outcome::Transient {
                    reason: *reason,
                    detail: format!("not tried, the message before it failed: {detail}"),
                    retry_after: *retry_after,
                    progress: due.progress,
                },
                Some(outcome) => outcome.clone(),
                None => self.attempt(due).await,
            };
            if is_about_the_receiver(&outcome) {
                down.get_or_insert_with(|| outcome.clone());
            }
            let _ = self.ended.send(Ended { id, outcome, place });
        }
    }

    async fn attempt(&self, due: Due) -> Outcome {
        let progress = due.progress.clone();
        let Some(receiver) = self.receiver.clone() else {
            let text = format!("there is no receiver {:?} in the configuration any more", due.notification.receiver);
            return transient(FailureReason::Config, text, &progress);
        };
        let now = self.clock.now();
        self.ledger.point("before-send");
        // A task of its own: a panic in a receiver ends this attempt and nothing else.
        let attempt = Attempt { progress: due.progress, keep: due.keep, now };
        let task = tokio::spawn(async move { receiver.deliver(&due.notification, &attempt).await });
        let outcome = match tokio::time::timeout(self.limit, AbortOnDropHandle::new(task)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => transient(FailureReason::Parse, "a bug of ours: the receiver's code panicked", &progress),
            Err(_) => transient(FailureReason::Timeout, format!("no end within {} s", self.limit.as_secs()), &progress),
        };
        self.ledger.point("after-send");
        outcome
    }
}

/// Whether a failure says something about the receiver rather than about this one message.
fn is_about_the_receiver(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered { .. } => false,
        Outcome::Permanent { .. } => true,
        Outcome::Transient { reason, .. } => !matches!(reason, FailureReason::Refused | FailureReason::Parse),
    }
}

#[cfg(test)]
#[path = "courier_tests.rs"]
mod tests;
