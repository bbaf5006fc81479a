//! The alert life-cycle (DESIGN §8): what stands open and what is seen now become what is open next and what is said to
//! whom.
//!
//! [`conditions`] reads problems off a snapshot, [`sight`] says what it proves about those it does not show, [`life`] moves one incident on, [`crate::engine::grouping`] packs what is to
//! be said into messages. Nothing here sends, stores or asks the time.
//!
//! Three rules carry the rest:
//! * A problem that is not seen is over only if the snapshot *proves* it. No answer, an unreadable source or a wrong clock
//!   hold it as it is: neither announced nor resolved.
//! * What a receiver was told is only what its answer confirmed (`Incident::told`). Whoever is routed, not told and has
//!   nothing queued gets something queued; whoever was told and it is over gets exactly one word of that.
//! * At most one item waits for one (incident, receiver), so queues are bounded by what is wrong, however long a receiver is
//!   away.

mod conditions;
mod life;
mod presence;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{
    CredentialId, Incident, IncidentId, IncidentStatus, Item, ItemStatus, Notification, NotificationId, Pseudonyms,
    Severity, Snapshot, Span, Time,
};
use crate::engine::policy::AlertPolicy;
use crate::engine::{grouping, routing};

use life::News;
use sight::Sight;

/// A problem shorter than this, of which no attempt was made to tell, is not worth a "was down" message.
const LASTED: Span = Span::minutes(5);

/// Everything that stands from earlier cycles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Open incidents, and those that are over and not yet told so to everybody who was told of them.
    pub incidents: Vec<Incident>,
    /// Notifications that are not delivered yet.
    pub queued: Vec<Queued>,
    /// Credentials of earlier cycles, for telling that one is gone.
    pub known: Vec<Known>,
    /// Whether a cycle was ever committed; the first one ever is one digest.
    pub ever_committed: bool,
}

/// A notification that is not delivered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// What it says.
    pub notification: Notification,
    /// Failed attempts so far.
    pub attempts: u32,
    /// It is being sent at this moment: what it says cannot be changed any more.
    pub in_flight: bool,
    /// A failed attempt may have got through all the same (no answer in time, some addresses took it): sent again only
    /// under the same id.
    pub uncertain: bool,
}

/// A credential of earlier cycles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Which.
    pub id: CredentialId,
    /// Its provider.
    pub provider: String,
    /// The source that showed it.
    pub source: String,
    /// Whether anything used it when it was last seen.
    pub in_use: bool,
    /// Since when it has not been there although its source could be read.
    pub absent_since: Option<Time>,
    /// For how many cycles.
    pub absent_cycles: u32,
}

/// What one cycle changes. Applied in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// New and changed incidents.
    pub upsert: Vec<Incident>,
    /// Incidents that are over and done with.
    pub delete: Vec<IncidentId>,
    /// New notifications.
    pub enqueue: Vec<Notification>,
    /// Queued notifications, never attempted, that now say something else under the same id.
    pub amend: Vec<Notification>,
    /// Queued notifications that stopped being true (or whose items moved into another one): never to be sent again.
    pub withdraw: Vec<NotificationId>,
    /// New and changed entries of [`Standing::known`].
    pub known: Vec<Known>,
    /// Entries of [`Standing::known`] to forget.
    pub forget: Vec<CredentialId>,
}

/// Decides what follows from `snapshot` on top of `standing`. Called again with the same input it gives the same output,
/// ids included.
#[must_use]
pub fn decide(
    standing: &Standing,
    snapshot: &Snapshot,
    policy: &AlertPolicy,
    names: &Pseudonyms,
    now: Time,
) -> Decision {
    let mut decision = Decision::default();
    let presence = presence::update(&standing.known, snapshot, now);
    let mut seen = conditions::read(snapshot, &presence, now);
    let credentials = sight::by_id(snapshot);

    let mut incidents: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    let mut news: BTreeMap<IncidentId, News> = BTreeMap::new();
    for before in &standing.incidents {
        let sight = match seen.remove(&before.id) {
            Some(condition) => Sight::Firing(Box::new(condition)),
            None => sight::without_condition(before, snapshot, &credentials, &presence),
        };
        if let Some((incident, what)) = life::advance(before.clone(), sight, policy, now) {
            news.extend(what.map(|what| (incident.id.clone(), what)));
            incidents.insert(incident.id.clone(), incident);
        } else {
            decision.delete.push(before.id.clone());
        }
    }
    for (id, condition) in seen {
        let (incident, what) = life::begin(id.clone(), condition, now);
        news.extend(what.map(|what| (id.clone(), what)));
        incidents.insert(id, incident);
    }

    let queue = grouping::Queue::new(&standing.queued);
    let mut wants = Vec::new();
    for incident in incidents.values_mut() {
        wants.extend(wanted(incident, news.get(&incident.id).copied(), &queue, policy, names, now));
    }
    let still_true = |receiver: &str, item: &Item| {
        incidents.get(&item.incident).is_some_and(|incident| match item.status {
            ItemStatus::Firing => {
                incident.status == IncidentStatus::Firing && routed(policy, incident).contains(&receiver)
            }
            ItemStatus::Resolved | ItemStatus::WasDown => {
                incident.status == IncidentStatus::Resolved && policy.receivers.iter().any(|r| r.name == receiver)
            }
        })
    };
    let plan = grouping::plan(
        &standing.queued,
        still_true,
        wants,
        &grouping::Rules {
            host: &snapshot.host,
            first_ever: !standing.ever_committed,
            digest_over: policy.digest_over,
            now,
        },
    );

    let mentioned: BTreeSet<&IncidentId> = plan.mentioned.iter().collect();
    let before: BTreeMap<&IncidentId, &Incident> = standing.incidents.iter().map(|i| (&i.id, i)).collect();
    for (id, incident) in incidents {
        if incident.status == IncidentStatus::Resolved && incident.told.is_empty() && !mentioned.contains(&id) {
            if before.contains_key(&id) {
                decision.delete.push(id);
            }
        } else if before.get(&id) != Some(&&incident) {
            decision.upsert.push(incident);
        }
    }
    decision.enqueue = plan.enqueue;
    decision.amend = plan.amend;
    decision.withdraw = plan.withdraw;
    decision.known = presence.changed;
    decision.forget = presence.forget;
    decision
}

fn routed<'a>(policy: &'a AlertPolicy, incident: &Incident) -> Vec<&'a str> {
    routing::receivers(policy, incident.severity, incident.provider.as_deref(), &incident.subject)
}

/// What each receiver should now hear of one incident.
fn wanted(
    incident: &mut Incident,
    news: Option<News>,
    queue: &grouping::Queue<'_>,
    policy: &AlertPolicy,
    names: &Pseudonyms,
    now: Time,
) -> Vec<grouping::Want> {
    for receiver in &policy.receivers {
        if queue.firing(&receiver.name, &incident.id) == Some(true) {
            incident.maybe_told.insert(receiver.name.clone());
        }
    }
    incident.maybe_told.retain(|name| policy.receivers.iter().any(|r| r.name == *name));
    if incident.status == IncidentStatus::Resolved {
        // Whoever does not want to hear of an end, or is not configured any more, owes us nothing.
        incident.told.retain(|name, _| policy.receivers.iter().any(|r| r.name == *name && r.send_resolved));
    }
    let mut wants = Vec::new();
    let mut say = |receiver: &str, status| {
        wants.push(grouping::Want { receiver: receiver.to_owned(), item: item(incident, status, names) });
    };
    match incident.status {
        IncidentStatus::Pending => {}
        IncidentStatus::Firing => {
            let held = news.is_none() && incident.last_seen < now;
            for receiver in routed(policy, incident) {
                let heard = incident.told.contains_key(receiver) || queue.has(receiver, &incident.id, false);
                if news.is_some() || (!heard && !held) {
                    say(receiver, ItemStatus::Firing);
                }
            }
        }
        IncidentStatus::Resolved => {
            for receiver in &policy.receivers {
                let name = receiver.name.as_str();
                if queue.has(name, &incident.id, true) {
                    continue;
                }
                if incident.told.contains_key(name) {
                    say(name, ItemStatus::Resolved);
                } else {
                    let lasted = incident.resolved_at.unwrap_or(now) - incident.since >= LASTED;
                    let waits = queue.has(name, &incident.id, false);
                    let unheard = waits && lasted && incident.severity >= Severity::Warning;
                    if unheard || incident.maybe_told.contains(name) {
                        say(name, ItemStatus::WasDown);
                    }
                }
            }
        }
    }
    wants
}

/// What a message says about an incident, in the form that may leave the machine.
fn item(incident: &Incident, status: ItemStatus, names: &Pseudonyms) -> Item {
    Item {
        incident: incident.id.clone(),
        name: incident.name.clone(),
        subject: names.apply(incident.subject.as_str()),
        provider: incident.provider.clone(),
        status,
        severity: incident.severity,
        tier: incident.announced_tier,
        since: incident.since,
        ended: incident.resolved_at,
        expires: incident.expires,
        title: names.apply(&incident.title),
        summary: names.apply(&incident.summary),
        because: incident.because.iter().map(|line| names.apply(line)).collect(),
        fix: incident.fix.as_deref().map(|line| names.apply(line)),
    }
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
