//! Our judgement about a credential and how bad it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Time;

/// The words of DESIGN §2 (`state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Works, as far as anything shows.
    Ok,
    /// Present, and no expiry is known.
    Static,
    /// Inside the warning band.
    Expiring,
    /// Its date has passed and nobody will renew it.
    Expired,
    /// Its owner was active after it should have renewed it, and did not.
    RefreshOverdue,
    /// The provider refuses it.
    Rejected,
    /// Works; quota used up until a date.
    Limited,
    /// Works; no money.
    Billing,
    /// Genuine, and not allowed to do this.
    Forbidden,
    /// Nothing there: logged out, empty, unresolved.
    Missing,
    /// There, and we cannot read it.
    Unreadable,
    /// The service behind it has ended.
    Retired,
    /// We do not know, and say so.
    Unknown,
}

impl State {
    /// Every state, in the order of DESIGN §2; the metric `opensoul_credential_state` has one series for each.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::Static,
        Self::Expiring,
        Self::Expired,
        Self::RefreshOverdue,
        Self::Rejected,
        Self::Limited,
        Self::Billing,
        Self::Forbidden,
        Self::Missing,
        Self::Unreadable,
        Self::Retired,
        Self::Unknown,
    ];

    /// The word used everywhere.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Static => "static",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::RefreshOverdue => "refresh_overdue",
            Self::Rejected => "rejected",
            Self::Limited => "limited",
            Self::Billing => "billing",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Retired => "retired",
            Self::Unknown => "unknown",
        }
    }

    /// True if a request made with it now is expected to work (`limited` will again, by itself).
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Ok | Self::Static | Self::Expiring | Self::Limited | Self::RefreshOverdue)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How bad it is for the people who depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing to say.
    #[default]
    None,
    /// Worth knowing; goes only to digests unless a route names it.
    Info,
    /// Somebody should act, not at night.
    Warning,
    /// Something stops, or has stopped.
    Critical,
}

impl Severity {
    /// The word used everywhere.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One step of the reminders before an expiry, loosest first (DESIGN §7). `Ord`: a later one is tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// 30 days before; only for lifetimes over 90 days.
    Days30,
    /// 14 days before.
    Days14,
    /// 7 days before.
    Days7,
    /// 3 days before.
    Days3,
    /// 24 hours before.
    Hours24,
    /// 6 hours before.
    Hours6,
    /// 1 hour before.
    Hour1,
    /// The date has passed.
    Expired,
}

/// What `engine::assess` made of a credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The state.
    pub state: State,
    /// How bad, by blast radius (DESIGN §7).
    pub severity: Severity,
    /// Whether anything uses it.
    pub in_use: bool,
    /// The date that counts: the grant's end if known, else the access expiry of what a person must renew.
    pub expires: Option<Time>,
    /// From when `expiring` is a warning, if `expires` is known.
    pub warn_at: Option<Time>,
    /// From when it is critical.
    pub critical_at: Option<Time>,
    /// The tightest reminder step that has been reached.
    pub tier: Option<Tier>,
    /// One issue of the credential (DESIGN §2, *generation*): reminders are counted once per generation and tier.
    pub generation: String,
    /// Why, one fact a line; never empty.
    pub because: Vec<String>,
    /// What to run, if anything should be done.
    pub fix: Option<String>,
}
