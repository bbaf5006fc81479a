//! What Alertmanager is told about each problem. PURE.
//!
//! * Identity is the label set, so labels are what never changes while a problem lasts: alert name, severity, host, provider,
//!   credential (or check). What changes is in annotations. A severity that rises is therefore another alert: each band has a
//!   name of its own (`CredentialExpiringWarning`, `CredentialExpiringCritical`), and the one that is left is ended.
//! * What is over is said to be over, for as long as an Alertmanager may not have heard of it. If we fall silent ourselves,
//!   `endsAt` ends it: late enough that a restart or a missed run is no false all-clear.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};

use crate::domain::{Incident, IncidentId, IncidentStatus, Item, Pseudonyms, Severity, Span, Subject, Time};
use crate::engine::due::due;
use crate::engine::policy::Schedule;
use crate::net::redact::cut;

/// An end is repeated for so long, as Prometheus does.
const REPEATED: Span = Span::minutes(15);
/// However often we look: a restart of the machine is no end of its problems.
const SHORTEST: Span = Span::minutes(15);
/// Whoever starts us for the first time may do it once an hour, or once a day; a gap larger than a day was no rhythm.
const FIRST: Span = Span::hours(1);
const LONGEST_GAP: Span = Span::days(1);

type Labels = BTreeMap<String, String>;

/// One alert as it is sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its identity.
    pub labels: Labels,
    /// What is true now.
    pub annotations: Labels,
    /// Since when.
    #[serde(serialize_with = "stamp")]
    pub starts_at: Time,
    /// Until when: in the future while it fires.
    #[serde(serialize_with = "stamp")]
    pub ends_at: Time,
    /// Where people see everything.
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub generator_url: String,
}

fn stamp<S: Serializer>(at: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The bytes of one request; `extra` are the labels of the cluster.
#[must_use]
pub fn body(alerts: &[Alert], extra: &BTreeMap<String, String>) -> Vec<u8> {
    let with = |alert: &Alert| {
        let mut alert = alert.clone();
        alert.labels.extend(extra.clone());
        alert
    };
    serde_json::to_vec(&alerts.iter().map(with).collect::<Vec<_>>()).expect("text and dates only")
}

/// What an alert is worded with.
pub struct Words<'a> {
    /// The machine.
    pub host: &'a str,
    /// E-mail addresses do not leave it.
    pub names: &'a Pseudonyms,
    /// Where people see everything, or empty.
    pub link: &'a str,
}

/// What fires, and what ended a short while ago.
#[derive(Debug, Default)]
pub struct Board {
    firing: BTreeMap<Key, Incident>,
    ended: BTreeMap<Key, (Incident, Time)>,
}

/// A problem in one band.
type Key = (IncidentId, Severity);

impl Board {
    /// What stood when we began: an Alertmanager may know of it.
    #[must_use]
    pub fn new(stood: &[Incident]) -> Self {
        Self { firing: firing(stood), ended: BTreeMap::new() }
    }

    /// Takes in what stands now.
    pub fn turn(&mut self, incidents: &[Incident], now: Time) {
        let firing = firing(incidents);
        for (key, incident) in std::mem::take(&mut self.firing) {
            if !firing.contains_key(&key) {
                self.ended.insert(key, (incident, now));
            }
        }
        self.ended.retain(|key, (_, at)| !firing.contains_key(key) && now - *at <= REPEATED && *at <= now);
        self.firing = firing;
    }

    /// What to send; what fires counts for `hold` from now.
    #[must_use]
    pub fn alerts(&self, words: &Words<'_>, hold: Span, now: Time) -> Vec<Alert> {
        let firing = self.firing.iter().map(|((_, band), incident)| alert(incident, *band, now + hold, words, now));
        let ended = self.ended.iter().map(|((_, band), (incident, at))| alert(incident, *band, *at, words, now));
        firing.chain(ended).collect()
    }
}

/// A test, made of the item that other receivers get: seen to be one, and over by itself at `ends_at`.
#[must_use]
pub fn test(item: &Item, host: &str, ends_at: Time) -> Alert {
    let labels = [("alertname", "OpensoulTest"), ("severity", item.severity.word()), ("host", host)];
    let annotations = [("title", &item.title), ("summary", &item.summary)];
    Alert {
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: annotations.map(|(name, text)| (name.to_owned(), text.clone())).into(),
        starts_at: item.since,
        ends_at,
        generator_url: String::new(),
    }
}

/// Info is no alert.
fn firing(incidents: &[Incident]) -> BTreeMap<Key, Incident> {
    let fires = |one: &&Incident| one.status == IncidentStatus::Firing && one.severity >= Severity::Warning;
    incidents.iter().filter(fires).map(|one| ((one.id.clone(), one.severity), one.clone())).collect()
}

fn alert(incident: &Incident, band: Severity, ends_at: Time, words: &Words<'_>, now: Time) -> Alert {
    let suffix = if band == Severity::Critical { "Critical" } else { "Warning" };
    let mut labels: Labels = [
        ("alertname", format!("{}{suffix}", incident.name)),
        ("severity", band.word().to_owned()),
        ("host", words.host.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let subject = if matches!(incident.subject, Subject::Credential(_)) { "credential" } else { "check" };
    labels.insert(subject.to_owned(), cut(&words.names.apply(incident.subject.as_str()), 300));
    labels.extend(incident.provider.clone().map(|provider| ("provider".to_owned(), words.names.apply(&provider))));

    let mut annotations = Labels::new();
    let mut say = |name: &str, text: &str, limit: usize| {
        if !text.is_empty() {
            annotations.insert(name.to_owned(), cut(&words.names.apply(text), limit));
        }
    };
    say("title", &incident.title, 300);
    say("summary", &incident.summary, 500);
    say("description", &incident.because.join("\n"), 1_000);
    say("fix", incident.fix.as_deref().unwrap_or_default(), 500);
    let expires = incident.expires.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    say("expires", &expires.unwrap_or_default(), 40);
    Alert {
        labels,
        annotations,
        // A clock that was set back must not make an alert begin after its end.
        starts_at: incident.since.min(now).min(ends_at),
        ends_at,
        generator_url: words.link.to_owned(),
    }
}

/// How long what is said now counts without being said again: three rounds, by the schedule and by what is seen of whoever
/// starts us (cron, timers and phones keep no schedule of ours). `before` is the cycle before this one.
#[must_use]
pub fn hold(schedule: &Schedule, before: Option<Time>, now: Time) -> Span {
    let next = |from: Time| due(schedule, Some(from), from).next;
    let third = next(now).and_then(next).and_then(next);
    let planned = third.map_or(LONGEST_GAP, |at| at - now + Span::minutes(1));
    let seen = before.map_or(FIRST, |before| (now - before).clamp(Span::zero(), LONGEST_GAP) * 3);
    planned.max(seen).max(SHORTEST)
}

#[cfg(test)]
#[path = "alerts_tests.rs"]
pub(super) mod tests;
