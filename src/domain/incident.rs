//! Problems over time, and what is said about them to whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Ack, CredentialId, IncidentId, Inhibitor, NotificationId, Severity, Tier, Time};

/// What a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A credential.
    Credential(CredentialId),
    /// A source, a doctor check, the gateway, the clock, a receiver: anything with a stable id.
    Check(String),
}

impl Subject {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Credential(id) => id.as_str(),
            Self::Check(id) => id,
        }
    }
}

/// Where an incident is in its life (DESIGN §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Seen, not yet long enough to say so.
    Pending,
    /// Firing.
    Firing,
    /// Over; kept until everybody who was told has been told that too.
    Resolved,
}

impl IncidentStatus {
    /// The word used in JSON and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// What one receiver has been told about an incident: only what its answer confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When a message about it was last confirmed.
    pub at: Time,
    /// How bad it was said to be.
    pub severity: Severity,
}

/// One problem over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Identity: hash of alert name, subject and host.
    pub id: IncidentId,
    /// Alert name in the style of the field: `CredentialExpiring`, `CredentialRejected`, `ClockWrong`.
    pub name: String,
    /// What it is about.
    pub subject: Subject,
    /// The provider, for credentials.
    pub provider: Option<String>,
    /// How bad it is now.
    pub severity: Severity,
    /// Where it is in its life.
    pub status: IncidentStatus,
    /// When it was first seen.
    pub since: Time,
    /// When it was last seen.
    pub last_seen: Time,
    /// When it ended.
    pub resolved_at: Option<Time>,
    /// Generation of the credential it is about; tiers count once per generation.
    pub generation: String,
    /// The tightest tier announced in this generation.
    pub announced_tier: Option<Tier>,
    /// When it was last announced (queued), for reminders.
    pub announced_at: Option<Time>,
    /// The severity of that announcement.
    pub announced_severity: Severity,
    /// How many reminders followed the last announcement that was news.
    #[serde(default)]
    pub reminders: u32,
    /// One line that does not change while the incident lasts (mail subject).
    pub title: String,
    /// What is true now, one line.
    pub summary: String,
    /// Why we believe it.
    pub because: Vec<String>,
    /// What to run.
    pub fix: Option<String>,
    /// The date it is about, if it is about one.
    pub expires: Option<Time>,
    /// Which receivers have been told, by name.
    pub told: BTreeMap<String, Told>,
    /// Which may have been: an attempt had no clear answer. They are told of the end as of something past.
    #[serde(default)]
    pub maybe_told: BTreeSet<String>,
    /// Receivers for whom a person gave up the message that it is wrong: it is not sent again by itself.
    #[serde(default)]
    pub given_up: BTreeSet<String>,
    /// Who has seen it.
    #[serde(default)]
    pub ack: Option<Ack>,
    /// Since when it has been known and nobody has taken it up: the clock of escalation.
    #[serde(default)]
    pub unacked_since: Option<Time>,
    /// When it last came back soon after its end: it flaps.
    #[serde(default)]
    pub returned_at: Option<Time>,
    /// The incident that explains it.
    #[serde(default)]
    pub inhibited_by: Option<Inhibitor>,
}

impl Incident {
    /// One that begins now: it fires, and nobody has been told anything.
    #[must_use]
    pub fn new(id: IncidentId, name: impl Into<String>, subject: Subject, now: Time) -> Self {
        Self {
            id,
            name: name.into(),
            subject,
            provider: None,
            severity: Severity::None,
            status: IncidentStatus::Firing,
            since: now,
            last_seen: now,
            resolved_at: None,
            generation: String::new(),
            announced_tier: None,
            announced_at: None,
            announced_severity: Severity::None,
            reminders: 0,
            title: String::new(),
            summary: String::new(),
            because: Vec::new(),
            fix: None,
            expires: None,
            told: BTreeMap::new(),
            maybe_told: BTreeSet::new(),
            given_up: BTreeSet::new(),
            ack: None,
            unacked_since: None,
            returned_at: None,
            inhibited_by: None,
        }
    }
}

/// An incident that is over, remembered for a while: whether it comes back, and what was fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub incident: IncidentId,
    /// Its alert name.
    pub name: String,
    /// What it was about.
    pub subject: String,
    /// The provider, for credentials.
    pub provider: Option<String>,
    /// Generation of the credential it was about.
    pub generation: String,
    /// How bad it was.
    pub severity: Severity,
    /// Its title.
    pub title: String,
    /// From when …
    pub since: Time,
    /// … to when.
    pub at: Time,
}

/// Whether an item of a message says that something is wrong or that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is wrong now.
    Firing,
    /// It was wrong, this receiver was told so, and it is over.
    Resolved,
    /// It was wrong and is over, and the first message never got out: "was down A–B".
    WasDown,
    /// Nothing is wrong: something changed that is worth knowing, or a line of a report. Said once.
    Notice,
}

/// What a message says about one incident: frozen when it is queued, so that rendering is a pure function of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Which incident.
    pub incident: IncidentId,
    /// Its alert name.
    pub name: String,
    /// What it is about (public form: no e-mail address).
    pub subject: String,
    /// The provider, for credentials.
    pub provider: Option<String>,
    /// Wrong, or over.
    pub status: ItemStatus,
    /// How bad.
    pub severity: Severity,
    /// The tier that made us speak.
    pub tier: Option<Tier>,
    /// Since when.
    pub since: Time,
    /// Until when, if over.
    pub ended: Option<Time>,
    /// The date it is about.
    pub expires: Option<Time>,
    /// Stable title.
    pub title: String,
    /// What is true now.
    pub summary: String,
    /// Why.
    pub because: Vec<String>,
    /// What to run.
    pub fix: Option<String>,
}

/// What sort of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// About one or a few incidents.
    Alert,
    /// Many at once: the first cycle ever, or more than 20 incidents.
    Digest,
    /// The report of `[digest]`, sent by the calendar: only notices, none about an incident.
    Report,
}

/// One message for one receiver, on disk before it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Kept over all retries.
    pub id: NotificationId,
    /// The receiver's name in `monitor.toml`.
    pub receiver: String,
    /// Receiver, provider and host: mail thread root and edit target; never changes.
    pub group_key: String,
    /// Alert or digest.
    pub kind: NotificationKind,
    /// The worst of its items.
    pub severity: Severity,
    /// The machine it speaks of.
    pub host: String,
    /// When it was queued.
    pub created_at: Time,
    /// What it says.
    pub items: Vec<Item>,
}
