//! The alert life-cycle (DESIGN §8): what stands open and what is seen now become what is open next and what is said to
//! whom.
//!
//! [`conditions`] reads problems off a snapshot, [`sight`] says what it proves about those it does not show, [`life`] moves one
//! incident on, [`inhibition`] finds what others explain, [`crate::engine::overlays`] knows what people want not to hear,
//! [`changes`] are worth a notice, [`report`] comes by the calendar, [`selftest`] to receivers of which nothing was heard, [`crate::engine::grouping`] packs what is to be said into
//! messages, [`afar`] tells of what was done about them by links and chats. Nothing here sends, stores or asks the time.
//!
//! Three rules carry the rest:
//! * A problem that is not seen is over only if the snapshot *proves* it. No answer, an unreadable source or a wrong clock
//!   hold it as it is: neither announced nor resolved.
//! * What a receiver was told is only what its answer confirmed (`Incident::told`). Whoever is routed, not told and has
//!   nothing queued gets something queued; whoever was told and it is over gets exactly one word of that.
//! * At most one item waits for one (incident, receiver), so queues are bounded by what is wrong, however long a receiver is
//!   away.

mod afar;
mod changes;
mod conditions;
mod inhibition;
mod life;
mod presence;
mod report;
mod selftest;
mod sight;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{
    CredentialId, Ended, Incident, IncidentId, IncidentStatus, Item, ItemStatus, Notification, NotificationId,
    Pseudonyms, Severity, Silence, Snapshot, Span, Time,
};
use crate::engine::overlays::Overlays;
use crate::engine::policy::AlertPolicy;
use crate::engine::silences::Labels;
use crate::engine::{grouping, routing};

use changes::Change;
use conditions::Condition;
pub use conditions::{BALANCE, UNREACHED};
use life::News;
use sight::Sight;

pub use life::flaps_until;

/// A problem shorter than this, of which no attempt was made to tell, is not worth a "was down" message.
const LASTED: Span = Span::minutes(5);

/// A notice that could not be delivered for so long is no news any more.
const NOTICE: Span = Span::days(7);

/// A silence made later than now by more than this was made by a clock that has been set back since.
const CORRECTION: Span = Span::minutes(1);

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
    /// Silences that are not over.
    pub silences: Vec<Silence>,
    /// Incidents that ended lately.
    pub ended: Vec<Ended>,
    /// Receivers that do not take what is sent to them.
    pub ailing: Vec<Ailing>,
    /// The last date of the report that was taken care of.
    pub last_report: Option<Time>,
    /// When each receiver last took a message.
    #[serde(default)]
    pub heard: BTreeMap<String, Time>,
}

/// A receiver that does not take what is sent to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ailing {
    /// Its name.
    pub name: String,
    /// Since when it has been so.
    pub since: Time,
    /// Its last words, redacted.
    pub detail: String,
    /// How many messages wait for it.
    pub queued: u64,
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
    /// For how many cycles; one more than it takes once that was noticed.
    pub absent_cycles: u32,
    /// The generation last seen; `None` where nothing is known of it.
    pub generation: Option<String>,
    /// A hash of the account last seen.
    pub account: Option<String>,
    /// What it was allowed to do.
    pub scopes: Option<BTreeSet<String>>,
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
    /// Incidents that ended now.
    pub ended: Vec<Ended>,
    /// Silences whose dates another clock had made.
    pub silences: Vec<Silence>,
    /// The report's date that is taken care of by this.
    pub report_at: Option<Time>,
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
    let silences = of_this_clock(&standing.silences, snapshot, now, &mut decision);
    let overlays = Overlays::new(policy, &silences, &snapshot.host, now);
    let presence = presence::update(&standing.known, snapshot, now);
    let conditions = conditions::read(snapshot, &presence, now);
    let mut incidents = moved_on(standing, snapshot, &conditions, &presence, now, &mut decision);
    inhibition::mark(&mut incidents, now);

    let mut news: BTreeMap<IncidentId, News> = BTreeMap::new();
    for (id, incident) in &mut incidents {
        life::end_ack(incident, now);
        let Some(seen) = conditions.get(id).filter(|_| overlays.muted(incident).is_none()) else { continue };
        if let Some(what) = life::news(incident, seen, policy, now) {
            life::announce(incident, seen, what, now);
            news.insert(id.clone(), what);
        }
    }

    let queue = grouping::Queue::new(&standing.queued);
    let mut wants = Vec::new();
    for incident in incidents.values_mut() {
        let scene = Scene { queue: &queue, policy, overlays: &overlays, names, now };
        wants.extend(scene.wanted(incident, news.get(&incident.id).copied()));
    }
    if standing.ever_committed {
        let changed = changes::read(&standing.known, snapshot, &presence, now);
        // What is broken by it is an incident, and said as one.
        let broken = |change: &Change| {
            let gone = IncidentId::of(conditions::GONE, change.subject.as_str(), &snapshot.host);
            change.name == changes::REMOVED && conditions.contains_key(&gone)
        };
        let scene = Scene { queue: &queue, policy, overlays: &overlays, names, now };
        wants.extend(
            changed.iter().filter(|change| !broken(change)).flat_map(|one| scene.notices(one, snapshot, |_| false)),
        );
        for ended in &decision.ended {
            let incident = &incidents[&ended.incident];
            wants.extend(scene.fixed(incident, snapshot));
        }
    }
    wants.extend(afar::heard(standing, &silences, &snapshot.host, names, now, &overlays));
    afar::note(&mut incidents, &silences, &mut decision);
    let still_true = |receiver: &str, item: &Item| {
        let configured = || policy.receivers.iter().any(|r| r.name == receiver);
        let incident = incidents.get(&item.incident);
        match item.status {
            ItemStatus::Firing => incident.is_some_and(|incident| {
                incident.status == IncidentStatus::Firing
                    && overlays.receivers(incident).contains(&receiver)
                    && overlays.muted(incident).is_none()
                    && !(overlays.acked(incident) && incident.told.contains_key(receiver))
            }),
            ItemStatus::Resolved | ItemStatus::WasDown => {
                incident.is_some_and(|incident| incident.status == IncidentStatus::Resolved) && configured()
            }
            ItemStatus::Notice => configured() && now - item.ended.unwrap_or(item.since) < NOTICE,
        }
    };
    let facts = report::Facts {
        standing,
        incidents: &incidents.values().collect::<Vec<_>>(),
        silences: &silences,
        snapshot,
        overlays: &overlays,
        names,
        now,
    };
    let reports = report::reports(policy, &facts);
    decision.report_at = reports.at;
    wants.extend(selftest::wants(policy, standing, &wants, &reports.messages, snapshot, now));
    let plan = grouping::plan(
        &standing.queued,
        still_true,
        wants,
        reports.messages,
        &grouping::Rules {
            host: &snapshot.host,
            first_ever: !standing.ever_committed,
            digest_over: policy.digest_over,
            receivers: &policy.receivers,
            now,
        },
    );

    let mentioned: BTreeSet<&IncidentId> = plan.mentioned.iter().collect();
    let before: BTreeMap<&IncidentId, &Incident> = standing.incidents.iter().map(|i| (&i.id, i)).collect();
    for (id, incident) in incidents {
        let owed = !incident.told.is_empty() || !incident.maybe_told.is_empty() || mentioned.contains(&id);
        if incident.status == IncidentStatus::Resolved && !owed {
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

/// Every incident, old and new, as this snapshot leaves it. What is over and done with is noted in `decision`.
fn moved_on(
    standing: &Standing,
    snapshot: &Snapshot,
    conditions: &BTreeMap<IncidentId, Condition>,
    presence: &presence::Presence,
    now: Time,
    decision: &mut Decision,
) -> BTreeMap<IncidentId, Incident> {
    let credentials = sight::by_id(snapshot);
    let mut incidents: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    for before in &standing.incidents {
        let sight = match conditions.get(&before.id) {
            Some(condition) => Sight::Firing(condition),
            None => sight::without_condition(before, snapshot, &credentials, presence),
        };
        let Some(incident) = life::advance(before.clone(), &sight, now) else {
            decision.delete.push(before.id.clone());
            continue;
        };
        if before.status == IncidentStatus::Firing && incident.status == IncidentStatus::Resolved {
            decision.ended.push(life::ended(&incident, now));
        }
        incidents.insert(incident.id.clone(), incident);
    }
    let ended: BTreeMap<&IncidentId, &Ended> = standing.ended.iter().map(|one| (&one.incident, one)).collect();
    for (id, condition) in conditions {
        if !incidents.contains_key(id) {
            let returned = ended.get(id).is_some_and(|ended| life::returns(ended, condition, now));
            incidents.insert(id.clone(), life::begin(id.clone(), condition, returned, now));
        }
    }
    incidents
}

/// The silences as they count by the clock of now: one of two hours lasts two hours, though the clock that it was made by ran
/// ahead. Not while the clock is known to be wrong: then it is now that means nothing.
fn of_this_clock(silences: &[Silence], snapshot: &Snapshot, now: Time, decision: &mut Decision) -> Vec<Silence> {
    let mut all = silences.to_vec();
    for silence in all.iter_mut().filter(|_| snapshot.clock_problem.is_none()) {
        let ahead = silence.created_at - now;
        if ahead > CORRECTION {
            for date in [&mut silence.created_at, &mut silence.starts_at, &mut silence.ends_at] {
                *date -= ahead;
            }
            decision.silences.push(silence.clone());
        }
    }
    all
}

/// What is said to whom depends on this.
struct Scene<'a> {
    queue: &'a grouping::Queue<'a>,
    policy: &'a AlertPolicy,
    overlays: &'a Overlays<'a>,
    names: &'a Pseudonyms,
    now: Time,
}

impl Scene<'_> {
    /// What each receiver should now hear of one incident.
    fn wanted(&self, incident: &mut Incident, news: Option<News>) -> Vec<grouping::Want> {
        let configured = &self.policy.receivers;
        for receiver in configured {
            if self.queue.firing(&receiver.name, &incident.id) == Some(true) {
                incident.maybe_told.insert(receiver.name.clone());
            }
        }
        incident.maybe_told.retain(|name| configured.iter().any(|r| r.name == *name));
        if incident.status == IncidentStatus::Resolved {
            // Whoever does not want to hear of an end, or is not configured any more, owes us nothing.
            incident.told.retain(|name, _| configured.iter().any(|r| r.name == *name && r.send_resolved));
        }
        let heard = match incident.status {
            IncidentStatus::Pending => Vec::new(),
            IncidentStatus::Firing => self.of_a_problem(incident, news),
            IncidentStatus::Resolved => self.of_an_end(incident),
        };
        let want = |(receiver, status): (String, ItemStatus)| grouping::Want {
            receiver,
            item: item(incident, status, self.names),
        };
        heard.into_iter().map(want).collect()
    }

    fn of_a_problem(&self, incident: &Incident, news: Option<News>) -> Vec<(String, ItemStatus)> {
        if self.overlays.muted(incident).is_some() {
            return Vec::new();
        }
        // Not seen this time: neither announced nor over. Taken up by somebody: nobody new need know.
        let held = incident.last_seen < self.now || self.overlays.acked(incident);
        let receivers = self.overlays.receivers(incident).into_iter();
        receivers
            .filter(|receiver| {
                let heard = incident.told.contains_key(*receiver)
                    || incident.given_up.contains(*receiver)
                    || self.queue.has(receiver, &incident.id, false);
                news.is_some() || (!heard && !held)
            })
            .map(|receiver| (receiver.to_owned(), ItemStatus::Firing))
            .collect()
    }

    fn of_an_end(&self, incident: &mut Incident) -> Vec<(String, ItemStatus)> {
        let flaps = self.overlays.withheld(incident).is_some();
        let lasted = incident.resolved_at.unwrap_or(self.now) - incident.since >= LASTED;
        let muted = self.overlays.muted(incident).is_some();
        // Not critical, begun and ended within the same quiet hours: it never was news.
        let slept = incident.severity < Severity::Critical
            && self.overlays.quiet().is_some_and(|quiet| quiet.since <= incident.since);
        let mut said = Vec::new();
        for receiver in &self.policy.receivers {
            let name = receiver.name.as_str();
            if self.queue.has(name, &incident.id, true) {
                continue;
            }
            let mut say = |status| {
                if !flaps {
                    said.push((name.to_owned(), status));
                }
            };
            if incident.told.contains_key(name) {
                say(ItemStatus::Resolved);
                continue;
            }
            let waits = self.queue.has(name, &incident.id, false);
            if waits && lasted && incident.severity >= Severity::Warning && !muted && !slept {
                // What waits is withdrawn now; the word that it was so may have to wait longer.
                incident.maybe_told.insert(name.to_owned());
            }
            if incident.maybe_told.contains(name) {
                say(ItemStatus::WasDown);
            }
        }
        said
    }

    /// A notice for everybody whose route names info.
    fn notices(&self, change: &Change, snapshot: &Snapshot, knows: impl Fn(&str) -> bool) -> Vec<grouping::Want> {
        let (provider, severity) = (change.provider.as_deref(), Severity::Info);
        let labels = Labels { name: change.name, subject: &change.subject, provider, severity, host: &snapshot.host };
        if self.overlays.silenced(&labels).is_some() {
            return Vec::new();
        }
        let item = changes::item(change, &snapshot.host, self.names);
        let receivers = routing::receivers(self.policy, severity, provider, &change.subject);
        let curious = receivers.into_iter().filter(|receiver| !knows(receiver));
        curious.map(|receiver| grouping::Want { receiver: receiver.to_owned(), item: item.clone() }).collect()
    }

    /// "Fixed after 6 min", for those who were not told of the problem itself.
    fn fixed(&self, incident: &Incident, snapshot: &Snapshot) -> Vec<grouping::Want> {
        let lasted = self.now - incident.since >= LASTED;
        let news = incident.announced_at.is_some() && incident.severity >= Severity::Warning && lasted;
        if !news || flaps_until(incident).is_some() || self.overlays.muted(incident).is_some() {
            return Vec::new();
        }
        let knows = |receiver: &str| {
            incident.told.contains_key(receiver)
                || incident.maybe_told.contains(receiver)
                || self.queue.has(receiver, &incident.id, false)
        };
        self.notices(&changes::fixed(incident, self.now), snapshot, knows)
    }
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
mod overlay_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
