//! Which incidents explain others: while the cause stands, nothing is said about what follows from it (DESIGN §8).
//!
//! A cause that waits for its second cycle holds back already, or its consequences would be said before it. What is held back
//! is not over, and is said when the cause is gone and it still is.

use std::collections::BTreeMap;

use crate::domain::{Incident, IncidentId, IncidentStatus, Inhibitor, Subject, Time};

use super::conditions::{
    BALANCE, BILLING, EXPIRING, FINDING, FORBIDDEN, GATEWAY, LIMITED, NETWORK, OVERDUE, PROVIDER, REJECTED,
};

/// What a provider's answer said: without a connection, or from a provider in trouble, it proves nothing new.
const ANSWERS: [&str; 5] = [REJECTED, LIMITED, BILLING, FORBIDDEN, BALANCE];

/// Notes in each incident which other one explains it.
pub(super) fn mark(incidents: &mut BTreeMap<IncidentId, Incident>, now: Time) {
    let causes = Causes::of(incidents, now);
    let marks: Vec<(IncidentId, Option<Inhibitor>)> =
        incidents.values().map(|one| (one.id.clone(), causes.inhibitor(one, now))).collect();
    for (id, inhibitor) in marks {
        if let Some(incident) = incidents.get_mut(&id) {
            incident.inhibited_by = inhibitor;
        }
    }
}

#[derive(Default)]
struct Causes {
    network: Option<Inhibitor>,
    gateway: Option<Inhibitor>,
    providers: BTreeMap<String, Inhibitor>,
    /// By credential: what is seen now about it.
    seen: BTreeMap<String, Vec<Inhibitor>>,
    expired: BTreeMap<String, Inhibitor>,
}

impl Causes {
    fn of(incidents: &BTreeMap<IncidentId, Incident>, now: Time) -> Self {
        let mut causes = Self::default();
        // What is not seen now explains nothing now.
        let standing = |one: &&Incident| one.status != IncidentStatus::Resolved && one.last_seen == now;
        for one in incidents.values().filter(standing) {
            let this = || Inhibitor { incident: one.id.clone(), name: one.name.clone() };
            match (one.name.as_str(), &one.subject, &one.provider) {
                (GATEWAY, ..) => causes.gateway = Some(this()),
                (FINDING, Subject::Check(id), _) if id.starts_with(NETWORK) => causes.network = Some(this()),
                (PROVIDER, _, Some(provider)) => {
                    causes.providers.insert(provider.clone(), this());
                }
                (name, Subject::Credential(id), _) => {
                    let id = id.as_str().to_owned();
                    if name == EXPIRING && one.expires.is_some_and(|end| end <= now) {
                        causes.expired.insert(id.clone(), this());
                    }
                    causes.seen.entry(id).or_default().push(this());
                }
                _ => {}
            }
        }
        causes
    }

    fn inhibitor(&self, one: &Incident, now: Time) -> Option<Inhibitor> {
        if one.status == IncidentStatus::Resolved {
            return None;
        }
        let name = one.name.as_str();
        match &one.subject {
            Subject::Check(id) if name == FINDING && id == "chat.failing" => self.network.clone(),
            Subject::Check(id) if name == FINDING => {
                let behind = id.starts_with("gateway.") || id.starts_with("channel");
                self.gateway.clone().filter(|_| behind)
            }
            Subject::Check(_) => self.network.clone().filter(|_| name == PROVIDER),
            Subject::Credential(id) => {
                let answer = ANSWERS.contains(&name);
                let trouble = one.provider.as_ref().and_then(|provider| self.providers.get(provider));
                let remote = self.network.as_ref().or(trouble).filter(|_| answer);
                let expired = self.expired.get(id.as_str()).filter(|_| matches!(name, OVERDUE | BALANCE | LIMITED));
                // One problem of a credential is said at a time: the one that is seen hides the others.
                let hidden = || self.seen.get(id.as_str())?.iter().find(|other| other.incident != one.id);
                remote.or(expired).cloned().or_else(|| hidden().filter(|_| one.last_seen < now).cloned())
            }
        }
    }
}
