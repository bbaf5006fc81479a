//! What a snapshot proves about a problem that it does not show: over, or nothing.

use std::collections::BTreeMap;

use crate::domain::{
    Assessed, CredentialId, GatewayState, Incident, IncidentId, Severity, Snapshot, State, Subject, VerdictKind,
};

use super::conditions::{
    BALANCE, BILLING, Condition, FINDING, FORBIDDEN, GATEWAY, GONE, LIMITED, MISSING, OVERDUE, REJECTED, RETIRED,
    UNREADABLE, comes_from_dates, unseen,
};
use super::life;
use super::presence::Presence;

/// What a snapshot says about an incident.
pub(super) enum Sight<'a> {
    /// It is there.
    Firing(&'a Condition),
    /// Nothing that could be relied on: leave it as it is.
    Unclear,
    /// It is over; the text says why, where that is not plain.
    Over(Option<&'static str>),
}

/// The credentials of a snapshot by id.
pub(super) fn by_id(snapshot: &Snapshot) -> BTreeMap<&CredentialId, &Assessed> {
    snapshot.credentials.iter().map(|assessed| (&assessed.credential.id, assessed)).collect()
}

/// What a snapshot proves about an incident whose problem it does not show.
pub(super) fn without_condition<'a>(
    incident: &Incident,
    snapshot: &Snapshot,
    credentials: &BTreeMap<&CredentialId, &Assessed>,
    presence: &Presence,
) -> Sight<'a> {
    if unseen(snapshot) {
        return Sight::Unclear;
    }
    if incident.id != IncidentId::of(&incident.name, incident.subject.as_str(), &snapshot.host) {
        return Sight::Over(Some("this machine has another name now"));
    }
    let Subject::Credential(id) = &incident.subject else {
        return match incident.name.as_str() {
            GATEWAY if snapshot.gateway.state == GatewayState::Unknown => Sight::Unclear,
            // Inhibited, not repaired.
            FINDING
                if incident.subject.as_str().starts_with("gateway.")
                    && snapshot.gateway.state == GatewayState::Down =>
            {
                Sight::Unclear
            }
            _ => Sight::Over(None),
        };
    };
    if let Some(assessed) = credentials.get(id) {
        return present(incident, assessed, snapshot);
    }
    if incident.name == GONE && presence.gone.contains_key(id) {
        return Sight::Over(Some("the provider works without it, or nothing needs it any more"));
    }
    if incident.name == GONE && !presence.uncertain.contains_key(id) {
        return Sight::Over(Some("it has been gone for a week and is forgotten"));
    }
    if presence.uncertain.contains_key(id) { Sight::Unclear } else { Sight::Over(Some("it is not there any more")) }
}

fn present<'a>(incident: &Incident, assessed: &Assessed, snapshot: &Snapshot) -> Sight<'a> {
    let name = incident.name.as_str();
    let judgement = &assessed.judgement;
    if assessed.copy_of.is_some() {
        return Sight::Over(Some("it is a copy of another one now, and judged there"));
    }
    if name == GONE {
        return Sight::Over(None);
    }
    if name == BALANCE {
        // Over when the provider names a balance that lasts; a problem of the key itself hides it.
        let known = assessed.allowance.as_ref().is_some_and(|allowance| allowance.balance.is_some());
        let shown = known && judgement.state.is_usable() && snapshot.clock_problem.is_none();
        return if shown || !judgement.in_use { Sight::Over(None) } else { Sight::Unclear };
    }
    if snapshot.clock_problem.is_some() && comes_from_dates(name, None) {
        return Sight::Unclear;
    }
    // A failing verdict is undone by a new generation or by a yes, not by having grown old.
    let answer = assessed.verdict.as_ref().map(|verdict| verdict.kind);
    let proved = life::is_new(&incident.generation, &judgement.generation)
        || answer == Some(VerdictKind::Accepted)
        || (answer == Some(VerdictKind::Limited) && name != LIMITED);
    let from_verdict = matches!(name, REJECTED | LIMITED | BILLING | FORBIDDEN | RETIRED);
    let there = matches!(name, MISSING | UNREADABLE);
    match judgement.state {
        State::Unknown => Sight::Unclear,
        State::Ok | State::Static => {
            if from_verdict && !proved {
                Sight::Unclear
            } else {
                Sight::Over(None)
            }
        }
        State::Expiring | State::RefreshOverdue | State::Limited if from_verdict => {
            if proved {
                Sight::Over(None)
            } else {
                Sight::Unclear
            }
        }
        State::Missing | State::Unreadable => {
            if judgement.severity == Severity::None {
                unused()
            } else {
                Sight::Unclear
            }
        }
        _ if there => Sight::Over(None),
        _ if judgement.severity == Severity::None => unused(),
        State::Expiring if name == OVERDUE => Sight::Over(None),
        // Another, harder problem of the same credential hides it: inhibited.
        _ => Sight::Unclear,
    }
}

fn unused<'a>() -> Sight<'a> {
    Sight::Over(Some("nothing uses it any more"))
}
