//! The last message of a group, for vendors whose messages can be changed: when everything that it told of is over, the word of
//! that takes its place, or its colour. PURE.

use serde::{Deserialize, Serialize};

use super::vendor::Letter;
use crate::domain::{ItemStatus, Notification};

/// A message as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Card {
    /// The vendor's name for it.
    pub id: String,
    incidents: Vec<String>,
}

impl Card {
    /// What to keep of a message that was sent; empty where nothing in it goes on.
    pub fn keep(id: &str, notification: &Notification) -> String {
        let items = notification.items.iter().filter(|item| item.status == ItemStatus::Firing);
        let incidents: Vec<String> = items.map(|item| item.incident.to_string()).collect();
        let card = (!incidents.is_empty()).then(|| Self { id: id.to_owned(), incidents });
        card.and_then(|card| serde_json::to_string(&card).ok()).unwrap_or_default()
    }

    /// The message before this one, if this one says that everything in it is over.
    pub fn over(letter: &Letter<'_>) -> Option<Self> {
        let card: Self = serde_json::from_str(letter.attempt.keep.as_deref()?).ok()?;
        let over = |id: &String| {
            let mut items = letter.notification.items.iter();
            items.any(|item| item.status != ItemStatus::Firing && item.incident.as_str() == id)
        };
        card.incidents.iter().all(over).then_some(card)
    }
}
