//! Change notices: what changed about credentials and is no problem. Severity info, said once, and only where a route names
//! info. The first cycle ever has nothing to compare with and says nothing.

use std::collections::BTreeMap;

use crate::domain::{
    Assessed, Condition, CredentialId, Incident, IncidentId, Item, ItemStatus, Pseudonyms, Renewal, Severity, Snapshot,
    Span, Subject, Time,
};
use crate::engine::assess::generation;

use super::Known;
use super::presence::Presence;

/// A change, before it is known who hears of it.
pub(super) struct Change {
    pub name: &'static str,
    pub subject: Subject,
    pub provider: Option<String>,
    pub title: String,
    pub because: Vec<String>,
    pub since: Time,
    pub ended: Option<Time>,
    pub expires: Option<Time>,
}

const ROTATED: &str = "CredentialRotated";
const ACCOUNT: &str = "CredentialAccountChanged";
const SCOPES: &str = "CredentialScopesReduced";
const NEW: &str = "CredentialAdded";
pub(super) const REMOVED: &str = "CredentialRemoved";
const FIXED: &str = "ProblemFixed";

/// What changed since the last cycle.
pub(super) fn read(known: &[Known], snapshot: &Snapshot, presence: &Presence, now: Time) -> Vec<Change> {
    let before: BTreeMap<&CredentialId, &Known> = known.iter().map(|entry| (&entry.id, entry)).collect();
    let originals = snapshot.credentials.iter().filter(|one| one.copy_of.is_none());
    let mut changes: Vec<Change> = originals
        .filter(|one| one.credential.condition == Condition::Present)
        .filter_map(|one| changed(before.get(&one.credential.id).copied(), one, now))
        .collect();
    let removed = presence.newly_gone.iter().filter(|entry| !entry.generation.as_deref().is_some_and(is_copy));
    changes.extend(removed.map(|entry| Change {
        name: REMOVED,
        subject: Subject::Credential(entry.id.clone()),
        provider: Some(entry.provider.clone()),
        title: format!("{} is not there any more", entry.id),
        because: vec![format!("{} was read in two cycles and does not have it", entry.source)],
        since: now,
        ended: None,
        expires: None,
    }));
    changes
}

fn is_copy(generation: &str) -> bool {
    generation::unmarked(generation) != generation
}

fn changed(before: Option<&Known>, one: &Assessed, now: Time) -> Option<Change> {
    let id = &one.credential.id;
    let say = |name, title, because| {
        Some(Change {
            name,
            subject: Subject::Credential(id.clone()),
            provider: Some(one.credential.provider.clone()),
            title,
            because,
            since: now,
            ended: None,
            expires: one.judgement.expires,
        })
    };
    let Some(before) = before else {
        return say(NEW, format!("{id} is new"), vec![format!("{} has it now", one.credential.origin.source)]);
    };
    let account = generation::account(&one.credential);
    if let (Some(old), Some(new)) = (&before.account, &account)
        && old != new
    {
        return say(ACCOUNT, format!("{id} belongs to another account"), Vec::new());
    }
    if let (Some(old), Some(new)) = (&before.scopes, &one.credential.scopes) {
        let lost: Vec<&str> = old.difference(new).map(String::as_str).collect();
        if !lost.is_empty() {
            return say(SCOPES, format!("{id} may do less than before"), vec![format!("lost: {}", lost.join(", "))]);
        }
    }
    let issue = |word: &str| Some(generation::unmarked(word).to_owned()).filter(|word| is_secret(word));
    let (old, new) = (issue(before.generation.as_deref()?)?, issue(&one.judgement.generation)?);
    if one.credential.renewal == Renewal::Auto || old == new {
        return None;
    }
    say(ROTATED, format!("{id} was replaced by a new one"), Vec::new())
}

/// Whether a generation is that of a secret that was there: not the word for an empty place, or for a date.
fn is_secret(generation: &str) -> bool {
    !generation.is_empty()
        && generation != "none"
        && !generation.starts_with("dated:")
        && !generation.starts_with("auto:")
}

/// "Fixed after 6 min", for those who want to know and were not told of the problem itself.
pub(super) fn fixed(incident: &Incident, now: Time) -> Change {
    let lasted = incident.resolved_at.unwrap_or(now) - incident.since;
    Change {
        name: FIXED,
        subject: incident.subject.clone(),
        provider: incident.provider.clone(),
        title: format!("{}: fixed after {}", incident.title, words(lasted)),
        because: Vec::new(),
        since: incident.since,
        ended: incident.resolved_at,
        expires: incident.expires,
    }
}

/// The two largest units.
fn words(span: Span) -> String {
    let minutes = span.num_minutes().max(0);
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, 0, _) => "1 day".to_owned(),
        (days, 0, _) => format!("{days} days"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

/// What a message says about it.
pub(super) fn item(change: &Change, host: &str, names: &Pseudonyms) -> Item {
    let title = names.apply(&change.title);
    Item {
        incident: IncidentId::of(change.name, change.subject.as_str(), host),
        name: change.name.to_owned(),
        subject: names.apply(change.subject.as_str()),
        provider: change.provider.clone(),
        status: ItemStatus::Notice,
        severity: Severity::Info,
        tier: None,
        since: change.since,
        ended: change.ended,
        expires: change.expires,
        summary: title.clone(),
        title,
        because: change.because.iter().map(|line| names.apply(line)).collect(),
        fix: None,
    }
}
