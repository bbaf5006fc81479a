//! What people say about alerts: that they have seen one, and that some should not be heard for a while. Each names who said
//! so, ends by itself, and never by being forgotten.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{IncidentId, NotificationId, Severity, SilenceId, Tier, Time};

/// Somebody has seen an incident. Until it ends nothing more is said about it, unless it gets worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Who.
    pub by: String,
    /// What they said about it.
    pub comment: Option<String>,
    /// When.
    pub at: Time,
    /// Until when; `None`: until the incident is over.
    pub until: Option<Time>,
    /// "Not now": when it ends and the problem goes on, that is said again at once.
    pub snooze: bool,
    /// How bad it was when they saw it.
    pub severity: Severity,
    /// How near its end was.
    pub tier: Option<Tier>,
    /// It came from afar, and those who were told of the incident have still to hear of it.
    #[serde(default)]
    pub unannounced: bool,
}

impl Ack {
    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What a matcher looks at: the labels of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// `CredentialExpiring`, `GatewayDown`, …
    Alertname,
    /// The provider; empty for what has none.
    Provider,
    /// The id of a credential; empty for what is about none.
    Credential,
    /// The id of a check; empty for credentials.
    Check,
    /// `info`, `warning`, `critical`, as it is now.
    Severity,
    /// This machine's name.
    Host,
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 6] =
        [Self::Alertname, Self::Provider, Self::Credential, Self::Check, Self::Severity, Self::Host];

    /// The word used everywhere.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alertname => "alertname",
            Self::Provider => "provider",
            Self::Credential => "credential",
            Self::Check => "check",
            Self::Severity => "severity",
            Self::Host => "host",
        }
    }
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// The same text.
    #[serde(rename = "=")]
    Is,
    /// Another text.
    #[serde(rename = "!=")]
    IsNot,
    /// Fits a pattern in which `*` stands for any text.
    #[serde(rename = "=~")]
    Like,
    /// Does not fit one.
    #[serde(rename = "!~")]
    Unlike,
}

impl Comparison {
    /// As it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Like => "=~",
            Self::Unlike => "!~",
        }
    }
}

/// One condition of a silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matcher {
    /// Of what.
    pub label: Label,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: String,
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.label.word(), self.comparison.sign(), self.value)
    }
}

/// What fits all its matchers is not said between two instants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Identity.
    pub id: SilenceId,
    /// All must fit; never empty.
    pub matchers: Vec<Matcher>,
    /// From then …
    pub starts_at: Time,
    /// … until before then.
    pub ends_at: Time,
    /// When it was made.
    pub created_at: Time,
    /// Who made it.
    pub author: String,
    /// Why.
    pub comment: String,
    /// It came from afar, and those who were told of what it silences have still to hear of it.
    #[serde(default)]
    pub unannounced: bool,
}

impl Silence {
    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self, now: Time) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Its matchers as they are written.
    #[must_use]
    pub fn matchers_text(&self) -> String {
        self.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

/// From where somebody does something about alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine: the command line, the API with its token.
    Here,
    /// From elsewhere: a link, a chat. Who was told of the problem is told of it, so that nobody can hush one up unseen.
    Afar,
}

/// What a person may do about alerts, by whatever mouth: the command line, the API, a link, a chat. Ids may be shortened as
/// long as one thing is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// "I have seen it."
    Ack {
        /// Which incident.
        incident: String,
        /// Until when; `None`: until it is over.
        until: Option<Time>,
        /// "Not now" instead.
        snooze: bool,
        /// A remark.
        comment: Option<String>,
    },
    /// Takes that back.
    Unack {
        /// Which incident.
        incident: String,
    },
    /// Silences what fits.
    Silence {
        /// All must fit.
        matchers: Vec<Matcher>,
        /// From then …
        starts_at: Time,
        /// … until then.
        ends_at: Time,
        /// Why.
        comment: String,
    },
    /// Ends a silence.
    Unsilence {
        /// Which.
        silence: String,
    },
    /// Tries messages that wait again at once; none named: all.
    Retry {
        /// Which.
        messages: Vec<String>,
    },
    /// Gives up messages that wait.
    Drop {
        /// Which; at least one.
        messages: Vec<String>,
    },
    /// A receiver was seen to work: its quarantine ends, and what waits for it is tried at once.
    Enable {
        /// Its name in `monitor.toml`.
        receiver: String,
    },
}

/// What an [`Action`] came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Acted {
    /// An incident was changed.
    Incident(Box<super::Incident>),
    /// A silence was made or ended.
    Silence(Silence),
    /// These messages were tried anew or given up.
    Messages(Vec<NotificationId>),
    /// This receiver is tried again.
    Receiver(String),
}

/// Why an [`Action`] was not taken; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing has that id.
    #[error("there is no {what} {id:?}")]
    Unknown {
        /// Incident, silence, message.
        what: &'static str,
        /// As given.
        id: String,
    },
    /// Several things begin like that.
    #[error("{id:?} may be any of {}", .candidates.join(", "))]
    Ambiguous {
        /// As given.
        id: String,
        /// Some of what it may be.
        candidates: Vec<String>,
    },
    /// It makes no sense; the text says why and what would.
    #[error("{0}")]
    Senseless(String),
}

/// An incident that holds others back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inhibitor {
    /// Which.
    pub incident: IncidentId,
    /// Its alert name.
    pub name: String,
}

/// Why nothing is said about an incident that is not over, or about its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Withheld {
    /// Somebody has seen it: no reminders.
    Acked {
        /// Who.
        by: String,
        /// Until when; `None`: until it is over or gets worse.
        until: Option<Time>,
        /// It was snoozed.
        snoozed: bool,
        /// Their remark.
        comment: Option<String>,
    },
    /// A silence fits it.
    Silenced {
        /// Which.
        silence: SilenceId,
        /// Whose.
        by: String,
        /// Until when.
        until: Time,
        /// Why.
        comment: String,
    },
    /// A maintenance window is open.
    Maintenance {
        /// Its name.
        name: String,
        /// Until when.
        until: Time,
    },
    /// Another incident explains it.
    Inhibited {
        /// Which.
        by: Inhibitor,
    },
    /// It comes and goes: its end is believed at that time.
    Flapping {
        /// When.
        until: Time,
    },
    /// No route leads it to any receiver.
    Unrouted,
    /// Not critical, and these are quiet hours: it waits.
    Quiet {
        /// Until when.
        until: Time,
    },
}

impl Withheld {
    /// Somebody took it up or put it aside, or another incident explains it: nobody is left out by mistake.
    #[must_use]
    pub fn is_deliberate(&self) -> bool {
        match self {
            Self::Acked { .. } | Self::Silenced { .. } | Self::Maintenance { .. } | Self::Inhibited { .. } => true,
            Self::Flapping { .. } | Self::Unrouted | Self::Quiet { .. } => false,
        }
    }

    /// The word used in metrics and JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Acked { .. } => "acked",
            Self::Silenced { .. } | Self::Maintenance { .. } => "silenced",
            Self::Inhibited { .. } => "inhibited",
            Self::Flapping { .. } => "flapping",
            Self::Unrouted => "unrouted",
            Self::Quiet { .. } => "quiet",
        }
    }
}
