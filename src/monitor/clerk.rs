//! What people do about alerts while the daemon runs: it goes to the store's thread, and a cycle right after it draws the
//! consequences (what need not be sent any more is withdrawn before it is sent).

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::desk::{Desk, Gone};
use super::watch::Changed;
use crate::clock::Clock;
use crate::domain::{Acted, Action, CredentialId, Incident, Link, LinkId, Linked, Silence, Time};
use crate::output::alerts::Message;
use crate::store::{ActionError, StoreError};
use crate::web::{Clerk, Past, Pasts};

/// The daemon's clerk.
pub struct DeskClerk {
    desk: Desk,
    clock: Arc<dyn Clock>,
    wake: mpsc::Sender<Changed>,
}

impl DeskClerk {
    /// Works at `desk`, and wakes a cycle through `wake`.
    #[must_use]
    pub fn new(desk: Desk, clock: Arc<dyn Clock>, wake: mpsc::Sender<Changed>) -> Self {
        Self { desk, clock, wake }
    }

    fn wake(&self) {
        // One that waits already will do.
        let _ = self.wake.try_send(Changed);
    }
}

impl From<Gone> for ActionError {
    fn from(gone: Gone) -> Self {
        Self::Store(StoreError::Io { path: crate::store::FILE.into(), source: std::io::Error::other(gone) })
    }
}

#[async_trait]
impl Clerk for DeskClerk {
    async fn act(&self, action: Action, by: String) -> Result<Acted, ActionError> {
        let now = self.clock.now();
        tracing::info!(by, "{}", describe(&action));
        let acted = self.desk.with(move |store| store.act(&action, &by, now)).await??;
        self.wake();
        Ok(acted)
    }

    async fn look_at_link(&self, link: Link, id: LinkId) -> Result<Linked, ActionError> {
        let now = self.clock.now();
        Ok(self.desk.with(move |store| store.look_at_link(&link, &id, now)).await??)
    }

    async fn follow_link(&self, link: Link, id: LinkId, by: String) -> Result<Linked, ActionError> {
        let now = self.clock.now();
        let (author, snooze) = (by.clone(), link.snooze);
        let named = link.incidents.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let linked = self.desk.with(move |store| store.follow_link(&link, &id, &by, now)).await??;
        if linked.acted {
            let what = if snooze { "puts off" } else { "acknowledges" };
            tracing::info!(by = author, "from afar: {what} {named}");
            self.wake();
        }
        Ok(linked)
    }

    async fn alerts(&self) -> Result<(Vec<Incident>, Vec<Silence>), ActionError> {
        let read = |store: &mut crate::store::Store| Ok::<_, StoreError>((store.incidents()?, store.silences()?));
        Ok(self.desk.with(read).await??)
    }

    async fn outbox(&self) -> Result<Vec<Message>, ActionError> {
        let rows = self.desk.with(|store| store.outbox()).await??;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn pasts(&self, of: Vec<CredentialId>, since: Time) -> Result<Pasts, ActionError> {
        let read = move |store: &mut crate::store::Store| -> Result<Pasts, StoreError> {
            of.into_iter()
                .map(|id| {
                    let past = Past { changes: store.history(&id)?, balances: store.balances(&id, since)? };
                    Ok((id, past))
                })
                .collect()
        };
        Ok(self.desk.with(read).await??)
    }
}

/// For the log: what was asked for, whatever came of it.
fn describe(action: &Action) -> String {
    match action {
        Action::Ack { incident, snooze: false, .. } => format!("acknowledges {incident}"),
        Action::Ack { incident, .. } => format!("puts {incident} off"),
        Action::Unack { incident } => format!("takes the acknowledgement of {incident} back"),
        Action::Silence { matchers, ends_at, .. } => {
            let matchers: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            format!("silences {} until {ends_at}", matchers.join(" "))
        }
        Action::Unsilence { silence } => format!("ends the silence {silence}"),
        Action::Retry { messages } => format!("has messages tried again: {}", messages.join(" ")),
        Action::Enable { receiver } => format!("has the receiver {receiver} tried again"),
        Action::Drop { messages } => format!("gives messages up: {}", messages.join(" ")),
    }
}
