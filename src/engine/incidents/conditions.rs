//! What is wrong in a snapshot, and what a snapshot proves about a problem that it does not show.

use std::collections::BTreeMap;

use crate::domain::{
    Assessed, Finding, GatewayState, Incident, IncidentId, Severity, Snapshot, State, Subject, Tier, Time, VerdictKind,
};

use super::presence::Presence;

/// One problem, as it is seen now.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub name: &'static str,
    pub subject: Subject,
    pub provider: Option<String>,
    pub severity: Severity,
    pub tier: Option<Tier>,
    pub generation: String,
    pub title: String,
    pub summary: String,
    pub because: Vec<String>,
    pub fix: Option<String>,
    pub expires: Option<Time>,
    /// Must be seen in two cycles before anybody is told: a file being rewritten and a gateway being restarted look like
    /// this for a moment.
    pub confirm: bool,
    /// How long it may go on before it is said again.
    pub remind: Remind,
}

/// Which reminders a problem gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remind {
    /// None: tiers do it, or saying it once is enough.
    Never,
    /// Something is broken: criticals after hours, then daily; warnings daily.
    Broken,
}

/// What a snapshot says about an incident.
pub(super) enum Sight {
    /// It is there.
    Firing(Box<Condition>),
    /// Nothing that could be relied on: leave it as it is.
    Unclear,
    /// It is over; the text says why, where that is not plain.
    Over(Option<&'static str>),
}

const EXPIRING: &str = "CredentialExpiring";
const OVERDUE: &str = "CredentialRefreshOverdue";
const REJECTED: &str = "CredentialRejected";
const LIMITED: &str = "CredentialLimited";
const BILLING: &str = "CredentialBilling";
const FORBIDDEN: &str = "CredentialForbidden";
const MISSING: &str = "CredentialMissing";
const UNREADABLE: &str = "CredentialUnreadable";
const RETIRED: &str = "CredentialRetired";
const GONE: &str = "CredentialGone";
const GATEWAY: &str = "GatewayDown";
const SOURCE: &str = "SourceUnreadable";
const CLOCK: &str = "ClockWrong";
const FINDING: &str = "DoctorFinding";

/// Every problem in a snapshot, by the identity of its incident.
pub(super) fn read(snapshot: &Snapshot, presence: &Presence, now: Time) -> BTreeMap<IncidentId, Condition> {
    let credentials = snapshot.credentials.iter().filter_map(|assessed| credential(assessed, snapshot, now));
    let gone = presence.gone.values().filter_map(|known| {
        let lost = stranded(&known.provider, snapshot);
        (known.in_use && lost).then(|| Condition {
            provider: Some(known.provider.clone()),
            severity: Severity::Critical,
            title: format!("{} is gone", known.id),
            summary: format!("{} is not there any more, and nothing else of {} works", known.id, known.provider),
            because: vec![format!("{} was read in two cycles and does not have it", known.source)],
            fix: Some("log in again, or take the provider out of the configured models".to_owned()),
            remind: Remind::Broken,
            ..plain(GONE, Subject::Credential(known.id.clone()))
        })
    });
    let all = credentials.chain(gone).chain(gateway(snapshot)).chain(sources(snapshot, presence));
    let mut found = BTreeMap::new();
    for condition in all.chain(clock(snapshot)).chain(findings(snapshot)) {
        let id = IncidentId::of(condition.name, condition.subject.as_str(), &snapshot.host);
        // Two findings of one check at one place are one problem, as bad as the worse.
        let entry = found.entry(id).or_insert_with(|| condition.clone());
        entry.severity = entry.severity.max(condition.severity);
    }
    found
}

fn plain(name: &'static str, subject: Subject) -> Condition {
    Condition {
        name,
        subject,
        provider: None,
        severity: Severity::Warning,
        tier: None,
        generation: String::new(),
        title: String::new(),
        summary: String::new(),
        because: Vec::new(),
        fix: None,
        expires: None,
        confirm: false,
        remind: Remind::Never,
    }
}

/// Nothing of a provider that is needed would work now.
fn stranded(provider: &str, snapshot: &Snapshot) -> bool {
    snapshot.providers.iter().any(|summary| summary.provider == provider && summary.in_use && summary.usable == 0)
}

fn credential(assessed: &Assessed, snapshot: &Snapshot, now: Time) -> Option<Condition> {
    let judgement = &assessed.judgement;
    if assessed.copy_of.is_some() {
        return None;
    }
    let mut name = name_of(judgement.state)?;
    let mut severity = judgement.severity;
    // A used-up quota says nothing about the end of the login itself, which is the worse problem.
    if judgement.state == State::Limited && judgement.in_use && judgement.warn_at.is_some_and(|at| at <= now) {
        name = EXPIRING;
        let last = snapshot.providers.iter().any(|p| p.provider == assessed.credential.provider && p.usable <= 1);
        let close = judgement.critical_at.is_some_and(|at| at <= now);
        severity = severity.max(if last && close { Severity::Critical } else { Severity::Warning });
    }
    if severity == Severity::None || (snapshot.clock_problem.is_some() && comes_from_dates(name, Some(assessed))) {
        return None;
    }
    let id = &assessed.credential.id;
    let provider = &assessed.credential.provider;
    let date = judgement.expires.map(|at| at.format("%Y-%m-%d %H:%M UTC"));
    let (title, summary) = match name {
        EXPIRING => (
            format!("{id} must be renewed"),
            match date {
                Some(date) if judgement.state == State::Expired => format!("{id} expired {date}"),
                Some(date) => format!("{id} expires {date}"),
                None => format!("{id} has expired"),
            },
        ),
        OVERDUE => (format!("{id} was not renewed"), format!("{id} should have been renewed by its owner and was not")),
        REJECTED => (format!("{id} is refused"), format!("{provider} refuses {id}")),
        LIMITED => (format!("{id} has used up its quota"), format!("{id} works; its quota is used up")),
        BILLING => (format!("{id} has no money behind it"), format!("{provider} refuses {id} for billing reasons")),
        FORBIDDEN => (format!("{id} is not allowed"), format!("{provider} knows {id} and does not allow it")),
        MISSING => (format!("{id} is missing"), format!("there is no secret in {id}")),
        UNREADABLE => (format!("{id} cannot be read"), format!("{id} is there and cannot be read")),
        _ => (format!("{id} has been retired"), format!("the service behind {id} has ended")),
    };
    let tiers_speak = name == EXPIRING && judgement.state != State::Expired;
    Some(Condition {
        provider: Some(provider.clone()),
        severity,
        tier: if name == EXPIRING { judgement.tier } else { None },
        generation: judgement.generation.clone(),
        title,
        summary,
        because: judgement.because.clone(),
        fix: judgement.fix.clone(),
        expires: judgement.expires,
        confirm: name == UNREADABLE,
        remind: if tiers_speak || name == LIMITED { Remind::Never } else { Remind::Broken },
        ..plain(name, Subject::Credential(id.clone()))
    })
}

/// One name from expiring to expired, so that the expiry itself never looks like an end and a new problem.
fn name_of(state: State) -> Option<&'static str> {
    Some(match state {
        State::Expiring | State::Expired => EXPIRING,
        State::RefreshOverdue => OVERDUE,
        State::Rejected => REJECTED,
        State::Limited => LIMITED,
        State::Billing => BILLING,
        State::Forbidden => FORBIDDEN,
        State::Missing => MISSING,
        State::Unreadable => UNREADABLE,
        State::Retired => RETIRED,
        State::Ok | State::Static | State::Unknown => return None,
    })
}

/// True if a wrong clock makes it meaningless. That a provider called it expired does not depend on our clock.
fn comes_from_dates(name: &str, assessed: Option<&Assessed>) -> bool {
    let said = assessed.and_then(|a| a.verdict.as_ref()).is_some_and(|verdict| verdict.kind == VerdictKind::Expired);
    name == OVERDUE || (name == EXPIRING && !said)
}

fn gateway(snapshot: &Snapshot) -> Option<Condition> {
    (snapshot.gateway.state == GatewayState::Down).then(|| Condition {
        severity: Severity::Critical,
        title: "the gateway does not answer".to_owned(),
        summary: "the gateway does not answer".to_owned(),
        because: vec![snapshot.gateway.detail.clone()],
        fix: Some("opensoul doctor --only gateway".to_owned()),
        confirm: true,
        remind: Remind::Broken,
        ..plain(GATEWAY, Subject::Check("gateway".to_owned()))
    })
}

fn sources<'a>(snapshot: &'a Snapshot, presence: &'a Presence) -> impl Iterator<Item = Condition> + 'a {
    snapshot.sources.iter().filter(|source| !source.up).map(|source| {
        let mut lost = presence.uncertain.values().filter(|known| known.source == source.source && known.in_use);
        let blind = lost.any(|known| stranded(&known.provider, snapshot));
        let fix = match source.looked.first() {
            Some(path) => format!("opensoul doctor; look at {}", path.display()),
            None => "opensoul doctor".to_owned(),
        };
        Condition {
            severity: if blind { Severity::Critical } else { Severity::Warning },
            title: format!("{} cannot be read", source.source),
            summary: format!("credentials of {} are there and cannot be read", source.source),
            because: source.looked.iter().map(|path| format!("looked at {}", path.display())).collect(),
            fix: Some(fix),
            confirm: true,
            remind: Remind::Broken,
            ..plain(SOURCE, Subject::Check(format!("source.{}", source.source)))
        }
    })
}

fn clock(snapshot: &Snapshot) -> Option<Condition> {
    snapshot.clock_problem.as_ref().map(|why| Condition {
        title: format!("the clock of {} is wrong", snapshot.host),
        summary: "dates cannot be trusted: nothing is said about expiry until the clock is right".to_owned(),
        because: vec![why.clone()],
        fix: Some("set the clock (for example: timedatectl set-ntp true)".to_owned()),
        remind: Remind::Broken,
        ..plain(CLOCK, Subject::Check("clock".to_owned()))
    })
}

/// Doctor findings that are worth a message and that no other incident speaks of already.
fn findings(snapshot: &Snapshot) -> impl Iterator<Item = Condition> + '_ {
    snapshot
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning && !spoken_for(finding, snapshot))
        .map(|finding| {
            let title = match &finding.place.path {
                Some(path) => format!("{}: {}", finding.id, path.display()),
                None => finding.id.clone(),
            };
            Condition {
                severity: finding.severity,
                title,
                summary: finding.message.clone(),
                because: vec![match finding.place.to_string() {
                    place if place.is_empty() => finding.id.clone(),
                    place => format!("{} at {place}", finding.id),
                }],
                fix: Some(finding.fix.clone()),
                remind: if finding.severity == Severity::Critical { Remind::Broken } else { Remind::Never },
                ..plain(FINDING, Subject::Check(subject_of(finding)))
            }
        })
}

/// The check and a hash of the place. Line and column are left out: an edit elsewhere in the file moves them.
fn subject_of(finding: &Finding) -> String {
    let path = finding.place.path.as_deref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let key = finding.place.key.clone().unwrap_or_default();
    format!("{}#{}", finding.id, &IncidentId::of(&finding.id, &path, &key).as_str()[..8])
}

/// One cause, one alert: the state of a credential, the clock, the gateway and an unreadable source have incidents of their
/// own.
fn spoken_for(finding: &Finding, snapshot: &Snapshot) -> bool {
    let area = finding.id.split('.').next().unwrap_or_default();
    let in_unreadable_source = finding.place.path.as_ref().is_some_and(|path| {
        snapshot.sources.iter().any(|source| !source.up && source.looked.iter().any(|looked| looked == path))
    });
    matches!(area, "credential" | "credentials" | "clock")
        || (area == "gateway" && snapshot.gateway.state == GatewayState::Down)
        || in_unreadable_source
}

/// What a snapshot proves about an incident whose problem it does not show.
pub(super) fn without_condition(incident: &Incident, snapshot: &Snapshot, presence: &Presence) -> Sight {
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
    if let Some(assessed) = snapshot.credentials.iter().find(|assessed| assessed.credential.id == *id) {
        return present(incident, assessed, snapshot);
    }
    if incident.name == GONE && presence.gone.contains_key(id) {
        return Sight::Over(Some("the provider works without it, or nothing needs it any more"));
    }
    if presence.uncertain.contains_key(id) { Sight::Unclear } else { Sight::Over(Some("it is not there any more")) }
}

fn present(incident: &Incident, assessed: &Assessed, snapshot: &Snapshot) -> Sight {
    let name = incident.name.as_str();
    let judgement = &assessed.judgement;
    if assessed.copy_of.is_some() {
        return Sight::Over(Some("it is a copy of another one now, and judged there"));
    }
    if name == GONE {
        return Sight::Over(None);
    }
    if snapshot.clock_problem.is_some() && comes_from_dates(name, None) {
        return Sight::Unclear;
    }
    // A failing verdict is undone by a new generation or by a yes, not by having grown old.
    let answer = assessed.verdict.as_ref().map(|verdict| verdict.kind);
    let proved = incident.generation != judgement.generation
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

fn unused() -> Sight {
    Sight::Over(Some("nothing uses it any more"))
}
