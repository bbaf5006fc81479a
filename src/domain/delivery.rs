//! What became of one attempt to deliver a notification.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;

/// Why a delivery failed: a closed list, because it is a metric label (`opensoul_notifications_failed_total{reason}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// No answer in time.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// The handshake failed (certificate, no STARTTLS).
    Tls,
    /// No connection, or it broke.
    Offline,
    /// Our own login at the receiver was refused.
    AuthRejected,
    /// Too many messages.
    RateLimited,
    /// The receiver has trouble of its own.
    ServerError,
    /// The receiver refuses this message or address.
    Refused,
    /// The answer is not what a receiver of this type says.
    Parse,
    /// Our configuration of it cannot work (secret not readable, bad address).
    Config,
}

impl FailureReason {
    /// Every reason, so that metrics can show each from the start.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::Offline,
        Self::AuthRejected,
        Self::RateLimited,
        Self::ServerError,
        Self::Refused,
        Self::Parse,
        Self::Config,
    ];

    /// The word used in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Offline => "offline",
            Self::AuthRejected => "auth_rejected",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::Parse => "parse",
            Self::Config => "config",
        }
    }
}

/// Parts of a message that are already through: the mail addresses that accepted it, the requests of several that were
/// taken, the entries that journald has. Kept in the outbox, so that a retry never sends them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Progress(pub BTreeSet<String>);

/// What one attempt starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What got through in earlier attempts.
    pub progress: Progress,
    /// What the receiver kept with the last message of the same group: the vendor's id of a message to edit or to answer, an
    /// address that has moved. Only the receiver knows what it means; no secret is ever in it.
    pub keep: Option<String>,
    /// The time that the message shows.
    pub now: Time,
}

/// What became of one attempt. `detail` is what the receiver said, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver's *body* says it has it.
    Delivered {
        /// Its words.
        detail: String,
        /// What it wants back with the next message of the same group ([`Attempt::keep`]); `None`: nothing new.
        keep: Option<String>,
    },
    /// The receiver's own code says that trying again is of no use; leads to quarantine.
    Permanent {
        /// Class.
        reason: FailureReason,
        /// Its words.
        detail: String,
    },
    /// Try again; not before `retry_after`, if it said so.
    Transient {
        /// Class.
        reason: FailureReason,
        /// Its words.
        detail: String,
        /// The receiver's wish.
        retry_after: Option<Duration>,
        /// What is through already.
        progress: Progress,
    },
}
