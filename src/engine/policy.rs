//! What the user may choose about judging and alerting. `config` builds these from `monitor.toml`; the defaults are those
//! of the design (§7, §8).

use chrono::NaiveTime;

use crate::domain::{Matcher, Severity, Span, Zone};

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

/// Who is told besides, when nobody takes a problem up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// So long after it was first said, or after the last ack ended.
    pub after: Span,
    /// What is meant, and who is told.
    pub to: Route,
}

/// A recurring time in which nothing is said about what it concerns. Empty lists concern everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// Its name, for people.
    pub name: String,
    /// When it begins.
    pub schedule: Schedule,
    /// How long it lasts.
    pub duration: Span,
    /// Providers that it concerns; `*` stands for any text.
    pub providers: Vec<String>,
    /// Credential or check ids that it concerns; `*` stands for any text.
    pub subjects: Vec<String>,
    /// What it concerns must fit all of these too, as with a silence.
    pub matchers: Vec<Matcher>,
}

/// Hours in which only criticals are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// From this time of day …
    pub from: NaiveTime,
    /// … to this one, of the next day if it is earlier.
    pub to: NaiveTime,
    /// In this zone.
    pub zone: Zone,
}

/// A report by the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When.
    pub schedule: Schedule,
    /// Who gets it.
    pub receivers: Vec<String>,
    /// How far ahead it looks for ends.
    pub horizon: Span,
}

/// What the decision has to know about a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverPolicy {
    /// Its name.
    pub name: String,
    /// Whether it wants to be told that something is over.
    pub send_resolved: bool,
    /// Whether a message of which nothing follows can be sent to it: not where each one wakes somebody up.
    pub testable: bool,
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
    /// Steps of escalation.
    pub escalation: Vec<Escalation>,
    /// Maintenance windows.
    pub maintenance: Vec<Maintenance>,
    /// Quiet hours.
    pub quiet: Option<QuietHours>,
    /// The report.
    pub report: Option<Report>,
    /// A receiver that has taken nothing for so long is sent a quiet test; `None`: none is.
    pub self_test: Option<Span>,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            receivers: Vec::new(),
            routes: Vec::new(),
            remind_critical_first: Span::hours(4),
            remind_daily: Span::days(1),
            digest_over: 20,
            escalation: Vec::new(),
            maintenance: Vec::new(),
            quiet: None,
            report: None,
            self_test: None,
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
