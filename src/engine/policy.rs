//! What the user may choose about judging and alerting. `config` builds these from `monitor.toml`; the defaults are those
//! of the design (§7, §8).

use crate::domain::Zone;

use crate::domain::{Severity, Span};

/// When a credential that a person must renew becomes a warning and critical (DESIGN §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Warning from this long before the end …
    pub warn: Span,
    /// … or from this long, if its lifetime is known to be over 90 days …
    pub warn_long: Span,
    /// … but never more than this share of a known lifetime (3 = a third).
    pub warn_share: i32,
    /// Critical from this long before the end …
    pub critical: Span,
    /// … but never more than this share of a known lifetime (10 = a tenth).
    pub critical_share: i32,
    /// Keys and tokens that show no end are to be replaced after this long; `None`: no such rule.
    pub max_age: Option<Span>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            warn: Span::days(14),
            warn_long: Span::days(30),
            warn_share: 3,
            critical: Span::days(3),
            critical_share: 10,
            max_age: None,
        }
    }
}

/// Which receivers hear of what. Empty lists match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Severities that match.
    pub severity: Vec<Severity>,
    /// Providers that match.
    pub providers: Vec<String>,
    /// Credential or check ids that match; `*` stands for any text.
    pub subjects: Vec<String>,
    /// Names of receivers.
    pub receivers: Vec<String>,
    /// Go on to the next route after a match.
    pub proceed: bool,
}

/// What the decision has to know about a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverPolicy {
    /// Its name.
    pub name: String,
    /// Whether it wants to be told that something is over.
    pub send_resolved: bool,
}

/// Everything `engine::incidents::decide` has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPolicy {
    /// All receivers.
    pub receivers: Vec<ReceiverPolicy>,
    /// Routes in order; none: warnings and criticals go to every receiver.
    pub routes: Vec<Route>,
    /// First reminder of a critical that stays broken.
    pub remind_critical_first: Span,
    /// Later reminders of a critical, and those of a warning.
    pub remind_daily: Span,
    /// More incidents than this for one receiver in one cycle become one digest.
    pub digest_over: usize,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            receivers: Vec::new(),
            routes: Vec::new(),
            remind_critical_first: Span::hours(4),
            remind_daily: Span::days(1),
            digest_over: 20,
        }
    }
}

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// A cron pattern of five fields, or six with seconds first.
    Cron(String),
    /// Every so often.
    Every(Span),
}

/// A rhythm in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub rhythm: Rhythm,
    /// In which zone cron patterns are read.
    pub zone: Zone,
}
