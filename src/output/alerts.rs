//! `alerts`: incidents and why nothing is said about some, silences, the outbox; as JSON (also that of the API) and as text.

mod text;

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::domain::{Acted, Incident, IncidentId, ItemStatus, Notification, NotificationKind, Silence, Time, Withheld};
use crate::engine::windows::{Period, Window};

pub use text::{Options, acted, incident, incidents, outbox, silences, why};

/// What is known about alerts at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Alerts<'a> {
    /// This machine.
    pub host: &'a str,
    /// The instant.
    pub now: Time,
    /// Incidents, those that are over and not told included.
    pub incidents: &'a [Incident],
    /// Silences, those that are over included.
    pub silences: &'a [Silence],
    /// Maintenance windows and quiet hours; those that are not open are not shown.
    pub windows: &'a [Window],
    /// Why nothing is said about an incident.
    pub withheld: &'a BTreeMap<IncidentId, Withheld>,
}

/// A message of the outbox, as it is shown.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it says.
    pub notification: Notification,
    /// `queued`, `sent`, `withdrawn`.
    pub state: &'static str,
    /// Failed attempts.
    pub attempts: u32,
    /// Not tried before; only while it waits.
    pub next_at: Option<Time>,
    /// When it was sent or withdrawn.
    pub ended_at: Option<Time>,
    /// Class of the last failure.
    pub reason: Option<&'static str>,
    /// The receiver's last words, redacted.
    pub detail: Option<String>,
}

/// One word for where an incident stands: `pending`, `firing`, `acked`, `silenced`, `inhibited`, `resolved`.
#[must_use]
pub fn status(incident: &Incident, withheld: Option<&Withheld>) -> &'static str {
    match withheld {
        Some(why @ (Withheld::Acked { .. } | Withheld::Silenced { .. } | Withheld::Maintenance { .. })) => why.word(),
        Some(why @ Withheld::Inhibited { .. }) => why.word(),
        _ => incident.status.word(),
    }
}

/// Incidents, silences, and the recurring times that are open (`opensoul.alerts/v1`).
#[must_use]
pub fn document(alerts: &Alerts<'_>) -> Value {
    json!({
        "schema": "opensoul.alerts/v1",
        "takenAt": rfc3339(alerts.now),
        "host": alerts.host,
        "incidents": alerts.incidents.iter().map(|one| incident_json(one, alerts.withheld.get(&one.id))).collect::<Vec<_>>(),
        "silences": alerts.silences.iter().map(|one| silence_json(one, alerts.now)).collect::<Vec<_>>(),
        "windows": alerts.windows.iter().filter_map(window_json).collect::<Vec<_>>(),
    })
}

fn window_json(one: &Window) -> Option<Value> {
    let Period { since, until } = one.open?;
    Some(json!({ "kind": one.kind, "name": one.name, "startsAt": rfc3339(since), "endsAt": rfc3339(until) }))
}

/// Silences alone (`opensoul.silences/v1`).
#[must_use]
pub fn silences_document(silences: &[Silence], now: Time) -> Value {
    json!({
        "schema": "opensoul.silences/v1",
        "silences": silences.iter().map(|one| silence_json(one, now)).collect::<Vec<_>>(),
    })
}

/// The outbox (`opensoul.outbox/v1`).
#[must_use]
pub fn outbox_document(messages: &[Message]) -> Value {
    json!({ "schema": "opensoul.outbox/v1", "messages": messages.iter().map(message_json).collect::<Vec<_>>() })
}

/// One incident.
#[must_use]
pub fn incident_json(one: &Incident, withheld: Option<&Withheld>) -> Value {
    let told: Vec<Value> = one
        .told
        .iter()
        .map(|(name, told)| json!({ "receiver": name, "at": rfc3339(told.at), "severity": told.severity.word() }))
        .collect();
    let ack = one.ack.as_ref().map(|ack| {
        json!({
            "by": ack.by,
            "comment": ack.comment,
            "at": rfc3339(ack.at),
            "until": ack.until.map(rfc3339),
            "snoozed": ack.snooze,
        })
    });
    json!({
        "id": one.id.as_str(),
        "name": one.name,
        "severity": one.severity.word(),
        "status": status(one, withheld),
        "since": rfc3339(one.since),
        "resolvedAt": one.resolved_at.map(rfc3339),
        "subject": one.subject.as_str(),
        "provider": one.provider,
        "title": one.title,
        "summary": one.summary,
        "because": one.because,
        "fix": one.fix,
        "expiresAt": one.expires.map(rfc3339),
        "told": told,
        "ack": ack,
        "withheld": withheld,
    })
}

/// One silence.
#[must_use]
pub fn silence_json(one: &Silence, now: Time) -> Value {
    json!({
        "id": one.id.as_str(),
        "state": silence_state(one, now),
        "matchers": one.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "startsAt": rfc3339(one.starts_at),
        "endsAt": rfc3339(one.ends_at),
        "createdAt": rfc3339(one.created_at),
        "author": one.author,
        "comment": one.comment,
    })
}

/// `active`, `pending`, `expired`.
#[must_use]
pub fn silence_state(one: &Silence, now: Time) -> &'static str {
    if one.holds(now) {
        "active"
    } else if now < one.starts_at && one.starts_at < one.ends_at {
        "pending"
    } else {
        "expired"
    }
}

/// What became of what somebody wanted.
#[must_use]
pub fn acted_json(acted: &Acted, now: Time) -> Value {
    match acted {
        Acted::Incident(incident) => json!({ "incident": incident_json(incident, None) }),
        Acted::Silence(silence) => json!({ "silence": silence_json(silence, now) }),
        Acted::Receiver(name) => json!({ "receiver": name }),
        Acted::Messages(ids) => json!({ "messages": ids.iter().map(|id| id.as_str()).collect::<Vec<_>>() }),
    }
}

fn message_json(one: &Message) -> Value {
    let message = &one.notification;
    let items: Vec<Value> = message
        .items
        .iter()
        .map(|item| {
            json!({
                "incident": item.incident.as_str(),
                "name": item.name,
                "status": item_status(item.status),
                "severity": item.severity.word(),
                "title": item.title,
            })
        })
        .collect();
    json!({
        "id": message.id.as_str(),
        "receiver": message.receiver,
        "kind": kind(message.kind),
        "severity": message.severity.word(),
        "state": one.state,
        "createdAt": rfc3339(message.created_at),
        "attempts": one.attempts,
        "nextAt": one.next_at.map(rfc3339),
        "endedAt": one.ended_at.map(rfc3339),
        "reason": one.reason,
        "detail": one.detail,
        "items": items,
    })
}

fn kind(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Alert => "alert",
        NotificationKind::Digest => "digest",
        NotificationKind::Report => "report",
    }
}

fn item_status(status: ItemStatus) -> &'static str {
    match status {
        ItemStatus::Firing => "firing",
        ItemStatus::Resolved => "resolved",
        ItemStatus::WasDown => "was_down",
        ItemStatus::Notice => "notice",
    }
}

fn rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests;
