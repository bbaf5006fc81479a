//! A refusal in words that nobody knows may be a proxy's, or a hiccup: it is believed when it is repeated for the same message.

use std::sync::{Mutex, PoisonError};

use crate::domain::NotificationId;

/// The message that a receiver refused last. Of this process: `monitor once` forgets it, and such a message is tried again.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Option<NotificationId>>);

impl Refusals {
    /// Notes a refusal; whether the one before it was of the same message.
    pub fn again(&self, id: &NotificationId) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(id.clone()).as_ref() == Some(id)
    }
}
