//! What was done about alerts from afar, by a link or in a chat, is told to whoever was told of the problem or is to be, and of
//! a silence that fits nothing yet to everybody: who did what, until when. Nobody can hush up a problem unseen, not even somebody who got hold of a link. Said once for each ack and silence, with
//! the urgency of the problem itself: what passed through quiet hours does so now.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Ack, Incident, IncidentId, IncidentStatus, Item, ItemStatus, Pseudonyms, Severity, Silence, Time};
use crate::engine::grouping::Want;
use crate::engine::overlays::Overlays;
use crate::engine::silences::{self, Labels};

use super::{Decision, Standing};

/// What is to be said. About incidents as they stood: also of those that end with this cycle.
pub(super) fn heard(
    standing: &Standing,
    silences: &[Silence],
    host: &str,
    names: &Pseudonyms,
    now: Time,
    overlays: &Overlays<'_>,
) -> Vec<Want> {
    let policy = overlays.policy;
    let mut wants = Vec::new();
    let mut tell = |told: BTreeSet<&str>, item: Item| {
        let known = policy.receivers.iter().filter(|receiver| told.contains(receiver.name.as_str()));
        wants.extend(known.map(|receiver| Want { receiver: receiver.name.clone(), item: item.clone() }));
    };
    for incident in &standing.incidents {
        let Some(ack) = incident.ack.as_ref().filter(|ack| ack.unannounced) else { continue };
        tell(concerned(incident, overlays), acknowledged(incident, ack, host, names, now));
    }
    for silence in silences.iter().filter(|silence| silence.unannounced) {
        let open = standing.incidents.iter().filter(|one| one.status == IncidentStatus::Firing);
        let fitting: Vec<&Incident> = open.filter(|one| silences::matches(silence, &Labels::of(one, host))).collect();
        let severity = fitting.iter().map(|one| one.severity).max().unwrap_or(Severity::Info);
        let told = if fitting.is_empty() {
            policy.receivers.iter().map(|receiver| receiver.name.as_str()).collect()
        } else {
            fitting.into_iter().flat_map(|one| concerned(one, overlays)).collect()
        };
        tell(told, silenced(silence, severity, host, names, now));
    }
    wants
}

/// That it is being said.
pub(super) fn note(incidents: &mut BTreeMap<IncidentId, Incident>, silences: &[Silence], decision: &mut Decision) {
    for ack in incidents.values_mut().filter_map(|incident| incident.ack.as_mut()) {
        ack.unannounced = false;
    }
    for silence in silences.iter().filter(|silence| silence.unannounced) {
        decision.silences.retain(|one| one.id != silence.id);
        decision.silences.push(Silence { unannounced: false, ..silence.clone() });
    }
}

/// Who knows of it, and who hears of it by the routes: what waits for quiet hours or a slow server is known soon.
fn concerned<'a>(incident: &'a Incident, overlays: &Overlays<'a>) -> BTreeSet<&'a str> {
    let knowing = incident.told.keys().chain(&incident.maybe_told).map(String::as_str);
    knowing.chain(overlays.receivers(incident)).collect()
}

fn acknowledged(incident: &Incident, ack: &Ack, host: &str, names: &Pseudonyms, now: Time) -> Item {
    let until = ack.until.map(|at| format!(" until {}", minute(at))).unwrap_or_default();
    let by = &ack.by;
    let title = if ack.snooze {
        format!("put off by {by}{until}: {}", incident.title)
    } else {
        format!("acknowledged by {by}{until}: {}", incident.title)
    };
    Item {
        provider: incident.provider.clone(),
        subject: names.apply(incident.subject.as_str()),
        because: because(ack.comment.as_deref(), names),
        fix: Some(format!("opensoul alerts unack {}", incident.id)),
        ..line("AlertAcknowledged", incident.id.as_str(), &title, incident.severity, host, names, now)
    }
}

fn silenced(silence: &Silence, severity: Severity, host: &str, names: &Pseudonyms, now: Time) -> Item {
    let title =
        format!("silenced by {} until {}: {}", silence.author, minute(silence.ends_at), silence.matchers_text());
    Item {
        because: because(Some(&silence.comment), names),
        fix: Some(format!("opensoul alerts unsilence {}", silence.id)),
        ..line("AlertSilenced", silence.id.as_str(), &title, severity, host, names, now)
    }
}

fn because(comment: Option<&str>, names: &Pseudonyms) -> Vec<String> {
    let how = "this was done from afar, by a link or in a chat".to_owned();
    comment.map(|text| names.apply(text)).into_iter().chain([how]).collect()
}

fn line(name: &str, subject: &str, title: &str, severity: Severity, host: &str, names: &Pseudonyms, now: Time) -> Item {
    let title = names.apply(title);
    Item {
        incident: IncidentId::of(name, subject, host),
        name: name.to_owned(),
        subject: subject.to_owned(),
        provider: None,
        status: ItemStatus::Notice,
        severity,
        tier: None,
        since: now,
        ended: None,
        expires: None,
        summary: title.clone(),
        title,
        because: Vec::new(),
        fix: None,
    }
}

fn minute(at: Time) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
