//! What keeps an alert from being heard at an instant: acks, silences, maintenance windows, incidents that explain it, routes
//! that lead nowhere, quiet hours. One place, so that what is done and what is shown are the same.

use std::collections::BTreeMap;

use crate::domain::{Incident, IncidentId, IncidentStatus, Severity, Silence, Time, Withheld};
use crate::engine::policy::{AlertPolicy, Maintenance};
use crate::engine::silences::{self, Labels};
use crate::engine::windows::Period;
use crate::engine::{glob, incidents, routing};

/// What holds at one instant.
#[derive(Debug)]
pub struct Overlays<'a> {
    pub(super) policy: &'a AlertPolicy,
    host: &'a str,
    now: Time,
    silences: Vec<&'a Silence>,
    maintenance: Vec<(&'a Maintenance, Period)>,
    quiet: Option<Period>,
}

impl<'a> Overlays<'a> {
    /// What holds `now` on `host`.
    #[must_use]
    pub fn new(policy: &'a AlertPolicy, all: &'a [Silence], host: &'a str, now: Time) -> Self {
        let open = |window: &'a Maintenance| Some((window, window.open(now)?));
        Self {
            policy,
            host,
            now,
            silences: all.iter().filter(|silence| silence.holds(now)).collect(),
            maintenance: policy.maintenance.iter().filter_map(open).collect(),
            quiet: policy.quiet.as_ref().and_then(|hours| hours.open(now)),
        }
    }

    /// The quiet hours that are now.
    #[must_use]
    pub fn quiet(&self) -> Option<Period> {
        self.quiet
    }

    /// A silence or a maintenance window fits these labels.
    #[must_use]
    pub fn silenced(&self, labels: &Labels<'_>) -> Option<Withheld> {
        let ending_last = |silence: &&&Silence| silence.ends_at;
        let fitting = self.silences.iter().filter(|silence| silences::matches(silence, labels));
        if let Some(silence) = fitting.max_by_key(ending_last) {
            return Some(Withheld::Silenced {
                silence: silence.id.clone(),
                by: silence.author.clone(),
                until: silence.ends_at,
                comment: silence.comment.clone(),
            });
        }
        let fitting = self.maintenance.iter().filter(|(window, _)| concerns(window, labels));
        let (window, period) = fitting.max_by_key(|(_, period)| period.until)?;
        Some(Withheld::Maintenance { name: window.name.clone(), until: period.until })
    }

    /// Why nothing at all is said about an incident: neither to those who know of it nor to those who do not.
    #[must_use]
    pub fn muted(&self, incident: &Incident) -> Option<Withheld> {
        self.silenced(&Labels::of(incident, self.host))
            .or_else(|| Some(Withheld::Inhibited { by: incident.inhibited_by.clone()? }))
    }

    /// Whether somebody has taken it up.
    #[must_use]
    pub fn acked(&self, incident: &Incident) -> bool {
        incident.ack.as_ref().is_some_and(|ack| ack.holds(self.now))
    }

    /// Who hears of an incident: the receivers of the routes, and those of the steps of escalation that it has reached.
    #[must_use]
    pub fn receivers(&self, incident: &Incident) -> Vec<&'a str> {
        let policy = self.policy;
        let mut named = routing::receivers(policy, incident.severity, incident.provider.as_deref(), &incident.subject);
        let since = incident.unacked_since.filter(|_| !self.acked(incident));
        for step in &policy.escalation {
            if since.is_some_and(|since| self.now - since >= step.after) && routing::matches(&step.to, incident) {
                let known = policy.receivers.iter().map(|receiver| receiver.name.as_str());
                let new: Vec<&str> = known.filter(|name| step.to.receivers.iter().any(|to| to == name)).collect();
                named.extend(new.into_iter().filter(|name| !named.contains(name)).collect::<Vec<_>>());
            }
        }
        named
    }

    /// [`Self::withheld`] of each that is withheld.
    #[must_use]
    pub fn all(&self, incidents: &[Incident]) -> BTreeMap<IncidentId, Withheld> {
        incidents.iter().filter_map(|one| Some((one.id.clone(), self.withheld(one)?))).collect()
    }

    /// Why nothing is said about an incident at this instant, the strongest reason first; `None`: whatever there is to say is
    /// said.
    #[must_use]
    pub fn withheld(&self, incident: &Incident) -> Option<Withheld> {
        match incident.status {
            IncidentStatus::Pending => return None,
            IncidentStatus::Resolved => {
                return incidents::flaps_until(incident)
                    .filter(|until| self.now < *until)
                    .map(|until| Withheld::Flapping { until });
            }
            IncidentStatus::Firing => {}
        }
        if let Some(ack) = incident.ack.as_ref().filter(|ack| ack.holds(self.now)) {
            return Some(Withheld::Acked {
                by: ack.by.clone(),
                until: ack.until,
                snoozed: ack.snooze,
                comment: ack.comment.clone(),
            });
        }
        if let Some(muted) = self.muted(incident) {
            return Some(muted);
        }
        let receivers = self.receivers(incident);
        if receivers.is_empty() {
            return Some(Withheld::Unrouted);
        }
        let unheard = receivers.iter().any(|name| !incident.told.contains_key(*name));
        let quiet = self.quiet.filter(|_| incident.severity < Severity::Critical && unheard)?;
        Some(Withheld::Quiet { until: quiet.until })
    }
}

fn concerns(window: &Maintenance, labels: &Labels<'_>) -> bool {
    let provider = window.providers.is_empty()
        || labels.provider.is_some_and(|name| window.providers.iter().any(|pattern| glob::fits(pattern, name)));
    let subject = labels.subject.as_str();
    let subject = window.subjects.is_empty() || window.subjects.iter().any(|pattern| glob::fits(pattern, subject));
    provider && subject && silences::all_fit(&window.matchers, labels)
}
