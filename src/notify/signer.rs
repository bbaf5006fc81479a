//! The links of a message (CONTRACTS §6). They are made while it is rendered, for each attempt anew: nothing that lets somebody
//! act lies in the outbox. PURE.

use std::sync::Arc;

use super::render::Action;
use crate::domain::{Lang, LinkKey, Notification, Time};
use crate::engine::links;
use crate::output::wording::spoken;

/// Makes links that lead to `base`.
#[derive(Clone)]
pub struct Signer {
    key: Arc<LinkKey>,
    base: String,
    public: bool,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("base", &self.base).field("public", &self.public).finish_non_exhaustive()
    }
}

impl Signer {
    /// `base` is the URL of `[remote]`, with a slash at its end.
    #[must_use]
    pub fn new(key: Arc<LinkKey>, base: String) -> Self {
        Self { key, base, public: false }
    }

    /// For messages that people can read whom nobody invited, or not.
    #[must_use]
    pub fn of(&self, public: bool) -> Self {
        Self { public, ..self.clone() }
    }

    /// Acknowledge and put off, if the message is about something that can be.
    pub(super) fn actions(&self, notification: &Notification, lang: Lang, now: Time) -> Vec<Action> {
        let action = |link: &crate::domain::Link| {
            let hours = link.lasts.num_hours();
            let label = if link.snooze { format!("Snooze {hours} h") } else { format!("Ack {hours} h") };
            let url = format!("{}link/{}", self.base, self.key.sign(link)?);
            Some(Action { label: spoken(lang, label), url, post: true })
        };
        links::offered(notification, self.public, lang, now).iter().filter_map(action).collect()
    }
}
