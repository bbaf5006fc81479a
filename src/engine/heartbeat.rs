//! Whether the dead-man's ping is deserved (DESIGN §8): every firing critical was delivered to at least one receiver or is
//! younger than 15 minutes, and the last two cycles were committed. Pure.
//!
//! Whoever waits for the ping raises an alarm when it stays out: so a monitor that sees a problem and cannot tell anybody must
//! fall silent, however well it runs.

use std::collections::BTreeSet;

use crate::domain::{Incident, IncidentId, IncidentStatus, Severity, Span, Time};

/// So long a critical may be on its way.
pub const ON_ITS_WAY: Span = Span::minutes(15);

/// What is known after a cycle was committed.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'a> {
    /// Every incident that stands.
    pub incidents: &'a [Incident],
    /// Whether the cycle before this one was committed too.
    pub one_before: bool,
    /// Those that a person has taken up or put aside, and those that another incident explains: nobody has to hear of them.
    pub aside: &'a BTreeSet<IncidentId>,
    /// An Alertmanager has just taken all of them: it is a receiver like any other.
    pub taken: bool,
    /// Now.
    pub now: Time,
}

/// Why a ping stays out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The cycle before this one came to nothing, or there was none.
    Cycle,
    /// Nobody has heard of so many criticals; the title of one, since when it stands.
    Unheard(usize, String, Time),
}

impl std::fmt::Display for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cycle => f.write_str("two cycles in a row must have been committed"),
            Self::Unheard(1, title, _) => write!(f, "nobody has been told that {title}"),
            Self::Unheard(count, title, _) => {
                write!(f, "nobody has been told of {count} criticals; one of them: {title}")
            }
        }
    }
}

/// Whether a ping is deserved now.
///
/// # Errors
/// Why not.
pub fn deserved(cycle: &Cycle<'_>) -> Result<(), Withheld> {
    if !cycle.one_before {
        return Err(Withheld::Cycle);
    }
    let unheard: Vec<&Incident> = if cycle.taken {
        Vec::new()
    } else {
        criticals(cycle.incidents)
            .filter(|one| !heard(one) && !cycle.aside.contains(&one.id) && !on_its_way(one, cycle.now))
            .collect()
    };
    match unheard.iter().min_by_key(|one| one.since) {
        None => Ok(()),
        Some(first) => Err(Withheld::Unheard(unheard.len(), first.title.clone(), first.since)),
    }
}

/// The criticals that fire.
pub fn criticals(incidents: &[Incident]) -> impl Iterator<Item = &Incident> {
    incidents.iter().filter(|one| one.status == IncidentStatus::Firing && one.severity >= Severity::Critical)
}

/// Told as a critical: whoever was told of a warning knows nothing of it.
fn heard(incident: &Incident) -> bool {
    incident.told.values().any(|told| told.severity >= Severity::Critical)
}

/// What was a warning for weeks may be critical since a minute. A reminder makes nothing young again.
fn on_its_way(incident: &Incident, now: Time) -> bool {
    let age = |since: Time| now - since;
    let announced = incident.announced_at.filter(|_| incident.reminders == 0).unwrap_or(incident.since);
    age(announced) < ON_ITS_WAY
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::domain::{IncidentId, Subject, Told};

    fn now() -> Time {
        "2026-11-22T12:00:00Z".parse().expect("time")
    }

    fn critical(age: Span) -> Incident {
        Incident {
            severity: Severity::Critical,
            since: now() - age,
            announced_at: Some(now() - age),
            announced_severity: Severity::Critical,
            title: "a is refused".into(),
            ..Incident::new(
                IncidentId::from("0123456789abcdef"),
                "CredentialRejected",
                Subject::Check("a".into()),
                now(),
            )
        }
    }

    fn told(severity: Severity, incident: Incident) -> Incident {
        Incident { told: [("ops".to_owned(), Told { at: now(), severity })].into(), ..incident }
    }

    #[test]
    fn what_was_put_aside_need_not_be_heard_of() {
        let old = critical(Span::hours(5));
        let aside = BTreeSet::from([old.id.clone()]);
        assert!(judge(std::slice::from_ref(&old)).is_err());
        let cycle = Cycle { incidents: &[old], one_before: true, aside: &aside, taken: false, now: now() };
        assert_eq!(deserved(&cycle), Ok(()));
    }

    fn judge(incidents: &[Incident]) -> Result<(), Withheld> {
        deserved(&Cycle { incidents, one_before: true, aside: &BTreeSet::new(), taken: false, now: now() })
    }

    #[test]
    fn a_critical_must_have_been_heard_or_be_young() {
        let old = Span::minutes(15);
        assert_eq!(judge(&[]), Ok(()));
        assert_eq!(judge(&[critical(Span::minutes(14))]), Ok(()));
        assert!(matches!(judge(&[critical(old)]), Err(Withheld::Unheard(1, ..))));
        assert_eq!(judge(&[told(Severity::Critical, critical(old))]), Ok(()));
        assert!(judge(&[told(Severity::Warning, critical(old))]).is_err(), "heard of it as of a warning");
        assert_eq!(judge(&[Incident { severity: Severity::Warning, ..critical(old) }]), Ok(()));
        for status in [IncidentStatus::Pending, IncidentStatus::Resolved] {
            assert_eq!(judge(&[Incident { status, ..critical(old) }]), Ok(()), "{status:?}");
        }
        let both = [told(Severity::Critical, critical(old)), critical(old + old)];
        assert_eq!(judge(&both), Err(Withheld::Unheard(1, "a is refused".into(), now() - old - old)));
        let taken = Cycle { incidents: &both, one_before: true, aside: &BTreeSet::new(), taken: true, now: now() };
        assert_eq!(deserved(&taken), Ok(()), "an Alertmanager has it");
    }

    #[test]
    fn what_was_a_warning_for_weeks_may_be_critical_since_a_minute() {
        let risen = Incident { announced_at: Some(now() - Span::minutes(1)), ..critical(Span::days(20)) };
        assert_eq!(judge(std::slice::from_ref(&risen)), Ok(()));
        assert!(judge(&[Incident { reminders: 1, ..risen }]).is_err(), "a reminder makes nothing young");
    }

    #[test]
    fn one_cycle_is_not_two() {
        let cycle = Cycle { incidents: &[], one_before: false, aside: &BTreeSet::new(), taken: true, now: now() };
        assert_eq!(deserved(&cycle), Err(Withheld::Cycle));
    }
}
