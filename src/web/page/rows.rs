//! What stands around credentials: incidents, silences, receivers, pushes. PURE.

use serde::Serialize;

use super::words::{Reader, When};
use crate::domain::{Incident, Silence, Subject, Withheld};
use crate::engine::windows::{Period, Window};
use crate::export::metrics::{PushHealth, ReceiverHealth};
use crate::output::alerts;

#[derive(Serialize)]
pub(in crate::web) struct IncidentRow {
    pub id: String,
    name: String,
    title: String,
    /// Of the page of the credential it is about.
    href: Option<String>,
    severity: &'static str,
    word: String,
    status: String,
    /// Why nothing is said about it.
    why: Option<String>,
    /// Somebody took it up, and can take that back.
    acked: bool,
    since: When,
    told: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct SilenceRow {
    matchers: String,
    pending: bool,
    state: String,
    starts: When,
    ends: When,
    author: String,
    comment: String,
}

#[derive(Serialize)]
pub(super) struct ReceiverRow {
    name: String,
    channel: &'static str,
    /// `ok`, `warning`, `critical`.
    health: &'static str,
    queued: usize,
    oldest: Option<When>,
    last_success: Option<When>,
    last_error: Option<String>,
    next_try: Option<When>,
}

#[derive(Serialize)]
pub(super) struct PushRow {
    name: String,
    kind: &'static str,
    /// `ok`, `warning`.
    health: &'static str,
    failing: Option<When>,
    last_success: Option<When>,
    last_error: Option<String>,
    /// It is tried like all others.
    next_try: Option<When>,
}

pub(in crate::web) fn incident(one: &Incident, withheld: Option<&Withheld>, reader: &Reader<'_>) -> IncidentRow {
    IncidentRow {
        id: one.id.as_str().to_owned(),
        name: one.name.clone(),
        title: reader.say(&one.title),
        href: match &one.subject {
            Subject::Credential(id) => Some(super::href(id.as_str())),
            Subject::Check(_) => None,
        },
        severity: one.severity.word(),
        word: reader.severity(one.severity),
        status: reader.say(alerts::status(one, withheld)),
        why: withheld.map(|why| reader.say(&dated(&alerts::why(why, reader.now, reader.zone)))),
        acked: one.ack.as_ref().is_some_and(|ack| ack.holds(reader.now)),
        since: reader.when(one.since),
        told: one.told.keys().cloned().collect(),
    }
}

/// Without the span behind a date, `(in 3 h)`: it is English, and the date says enough.
fn dated(text: &str) -> String {
    match text.split_once(" (in ").map(|(before, after)| (before, after.split_once(')'))) {
        Some((before, Some((_, after)))) => format!("{before}{after}"),
        _ => text.to_owned(),
    }
}

pub(super) fn silence(one: &Silence, reader: &Reader<'_>) -> SilenceRow {
    SilenceRow {
        matchers: one.matchers_text(),
        pending: reader.now < one.starts_at,
        state: reader.say(alerts::silence_state(one, reader.now)),
        starts: reader.when(one.starts_at),
        ends: reader.when(one.ends_at),
        author: one.author.clone(),
        comment: one.comment.clone(),
    }
}

/// A maintenance window or the quiet hours, if they are now.
pub(super) fn window(one: &Window, reader: &Reader<'_>) -> Option<SilenceRow> {
    let Period { since, until } = one.open?;
    let what = match one.kind {
        "maintenance" => format!("maintenance window {:?}", one.name),
        _ => "quiet hours: only criticals are sent".to_owned(),
    };
    Some(SilenceRow {
        matchers: reader.say(&what),
        pending: false,
        state: reader.say("active"),
        starts: reader.when(since),
        ends: reader.when(until),
        author: "monitor.toml".to_owned(),
        comment: String::new(),
    })
}

pub(super) fn receiver(one: &ReceiverHealth, reader: &Reader<'_>) -> ReceiverRow {
    ReceiverRow {
        name: one.name.clone(),
        channel: one.channel,
        health: match (one.quarantined, one.queued, &one.last_error) {
            (Some(_), ..) => "critical",
            (None, 1.., Some(_)) => "warning",
            _ => "ok",
        },
        queued: one.queued,
        oldest: one.oldest_queued.map(|at| reader.when(at)),
        last_success: one.last_success.map(|at| reader.when(at)),
        last_error: one.last_error.as_deref().map(|said| reader.say(said)),
        next_try: one.quarantined.map(|at| reader.when(at)),
    }
}

pub(super) fn push(one: &PushHealth, reader: &Reader<'_>) -> PushRow {
    PushRow {
        name: one.name.clone(),
        kind: one.kind,
        health: if one.failing_since.is_some() { "warning" } else { "ok" },
        failing: one.failing_since.map(|at| reader.when(at)),
        last_success: one.last_success.map(|at| reader.when(at)),
        last_error: one.last_error.as_deref().map(|said| reader.say(said)),
        next_try: None,
    }
}
