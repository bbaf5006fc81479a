//! What is wrong in a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::domain::{
    Assessed, Balance, CredentialId, Finding, GatewayState, IncidentId, Severity, Snapshot, SourceReport, State,
    Subject, Tier, Time, VerdictKind,
};

use super::Known;
use super::presence::Presence;
use crate::engine::assess::in_use::offered;
use crate::engine::{runway, tiers};

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

pub(super) const EXPIRING: &str = "CredentialExpiring";
pub(super) const OVERDUE: &str = "CredentialRefreshOverdue";
pub(super) const REJECTED: &str = "CredentialRejected";
pub(super) const LIMITED: &str = "CredentialLimited";
pub(super) const BILLING: &str = "CredentialBilling";
pub(super) const FORBIDDEN: &str = "CredentialForbidden";
pub(super) const MISSING: &str = "CredentialMissing";
pub(super) const UNREADABLE: &str = "CredentialUnreadable";
pub(super) const RETIRED: &str = "CredentialRetired";
/// The balance behind a credential that works runs out before long.
pub const BALANCE: &str = "CredentialBalanceEnding";
pub(super) const GONE: &str = "CredentialGone";
pub(super) const GATEWAY: &str = "GatewayDown";
const SOURCE: &str = "SourceUnreadable";
const CLOCK: &str = "ClockWrong";
pub(super) const FINDING: &str = "DoctorFinding";
pub(super) const PROVIDER: &str = "ProviderTrouble";
/// The finding that says that this machine has no connection.
pub(super) const NETWORK: &str = "network.unreachable";
/// The finding of whoever asks another machine and does not reach it: of that machine nothing at all was seen.
pub const UNREACHED: &str = "machine.unreached";
/// A gateway's file beside its store: it is rewritten in place whenever something is used.
const SIDE_FILE: &str = "store.damaged-side-file";
/// The finding that says that a provider has trouble of its own; its key is the provider's id.
const TROUBLE: &str = "provider.trouble";

/// Whether nothing of the machine was seen: then nothing is over, and nothing is gone.
pub(super) fn unseen(snapshot: &Snapshot) -> bool {
    snapshot.findings.iter().any(|finding| finding.id == UNREACHED)
}

/// Every problem in a snapshot, by the identity of its incident.
pub(super) fn read(snapshot: &Snapshot, presence: &Presence, now: Time) -> BTreeMap<IncidentId, Condition> {
    let working = working(snapshot, now);
    let credentials = snapshot.credentials.iter().filter_map(|assessed| credential(assessed, snapshot, &working, now));
    let credentials = credentials.chain(snapshot.credentials.iter().filter_map(|one| balance(one, snapshot, now)));
    let gone = presence.gone.values().filter(|known| known.in_use).filter_map(|known| gone(known, snapshot));
    let all = credentials.chain(gone).chain(gateway(snapshot)).chain(sources(snapshot, presence));
    let mut found = BTreeMap::new();
    for condition in all.chain(clock(snapshot)).chain(trouble(snapshot)).chain(findings(snapshot, presence)) {
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

/// Something that was in use has gone, and nothing of its provider works in its place. Where the provider is still asked for,
/// that is broken; where not, it may have been meant, and is said once.
fn gone(known: &Known, snapshot: &Snapshot) -> Option<Condition> {
    let summary = snapshot.providers.iter().find(|summary| summary.provider == known.provider);
    if summary.is_some_and(|summary| summary.usable > 0) {
        return None;
    }
    let needed = stranded(&known.provider, snapshot);
    Some(Condition {
        provider: Some(known.provider.clone()),
        severity: if needed { Severity::Critical } else { Severity::Warning },
        title: format!("{} is gone", known.id),
        summary: format!("{} is not there any more, and nothing else of {} works", known.id, known.provider),
        because: vec![format!("{} was read in two cycles and does not have it", known.source)],
        fix: Some("log in again, or take the provider out of the configured models".to_owned()),
        remind: if needed { Remind::Broken } else { Remind::Never },
        ..plain(GONE, Subject::Credential(known.id.clone()))
    })
}

/// By provider, what would work now: one id for all places of one secret.
type Working<'a> = BTreeMap<&'a str, BTreeSet<&'a CredentialId>>;

fn working(snapshot: &Snapshot, now: Time) -> Working<'_> {
    let mut working = Working::new();
    for assessed in &snapshot.credentials {
        let credential = &assessed.credential;
        if offered(credential, assessed.judgement.state, now) {
            let id = assessed.copy_of.as_ref().unwrap_or(&credential.id);
            working.entry(&credential.provider).or_default().insert(id);
        }
    }
    working
}

/// How much depends on it: why it is as bad as it is.
fn blast_radius(assessed: &Assessed, severity: Severity, working: &Working<'_>) -> Option<String> {
    let Assessed { credential, judgement, .. } = assessed;
    let provider = &credential.provider;
    let others = working.get(provider.as_str()).map_or(0, |ids| ids.len() - usize::from(ids.contains(&credential.id)));
    Some(match others {
        _ if !judgement.in_use => return None,
        0 => format!("nothing else of {provider} works"),
        // What works elsewhere (another tool's login, one that is about to end itself) is no reserve.
        _ if severity == Severity::Critical => format!("nothing else of {provider} works in its place"),
        1 => format!("1 other credential of {provider} works"),
        others => format!("{others} other credentials of {provider} work"),
    })
}

fn credential(assessed: &Assessed, snapshot: &Snapshot, working: &Working<'_>, now: Time) -> Option<Condition> {
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
        because: judgement.because.iter().cloned().chain(blast_radius(assessed, severity, working)).collect(),
        fix: judgement.fix.clone(),
        expires: judgement.expires,
        // A file that is emptied and written anew looks like a logout.
        confirm: matches!(name, UNREADABLE | MISSING),
        remind: if tiers_speak || name == LIMITED { Remind::Never } else { Remind::Broken },
        ..plain(name, Subject::Credential(id.clone()))
    })
}

/// The money behind a key that works will be used up before long: said in the steps of an expiry. Once it is, the provider's
/// own answer speaks.
fn balance(assessed: &Assessed, snapshot: &Snapshot, now: Time) -> Option<Condition> {
    let Assessed { credential, judgement, allowance, .. } = assessed;
    let allowance = allowance.as_ref()?;
    let (runway, (warn_at, _)) = (allowance.runway?, allowance.bands?);
    let (severity, summary) = runway::alarm(assessed, snapshot, now)?;
    let id = &credential.id;
    let left = allowance.balance.as_ref().map(Balance::to_string).unwrap_or_default();
    let day = |time: Time| time.format("%Y-%m-%d").to_string();
    let latest =
        runway.latest.map_or_else(|| "may be never".to_owned(), |latest| format!("at the latest {}", day(latest)));
    Some(Condition {
        provider: Some(credential.provider.clone()),
        severity,
        tier: tiers::tier(runway.ends, None, warn_at, now),
        generation: judgement.generation.clone(),
        title: format!("the balance behind {id} is running out"),
        summary,
        because: vec![
            format!("{} says that {left} are left", credential.provider),
            format!("at the pace since the last top-up: at the earliest {}, {latest}", day(runway.earliest)),
        ],
        fix: Some(runway::top_up(&credential.provider)),
        expires: Some(runway.ends),
        ..plain(BALANCE, Subject::Credential(id.clone()))
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
pub(super) fn comes_from_dates(name: &str, assessed: Option<&Assessed>) -> bool {
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

/// Credentials of this source that were in use and are not seen now.
fn lost<'a>(source: &'a SourceReport, presence: &'a Presence) -> impl Iterator<Item = &'a Known> {
    presence.uncertain.values().filter(|known| known.source == source.source && known.in_use)
}

/// Something of this source is there and cannot be read, or was there and cannot be seen.
fn is_blind(source: &SourceReport, presence: &Presence) -> bool {
    !source.up || (source.hidden && lost(source, presence).next().is_some())
}

fn sources<'a>(snapshot: &'a Snapshot, presence: &'a Presence) -> impl Iterator<Item = Condition> + 'a {
    snapshot.sources.iter().filter(|source| is_blind(source, presence)).map(|source| {
        let blind = lost(source, presence).any(|known| stranded(&known.provider, snapshot));
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

/// Providers that have trouble of their own: nobody here can do anything about it, so it is told only to those who ask for
/// info, and explains what else is seen of them.
fn trouble(snapshot: &Snapshot) -> impl Iterator<Item = Condition> + '_ {
    snapshot.findings.iter().filter(|finding| finding.id == TROUBLE).filter_map(|finding| {
        let provider = finding.place.key.clone()?;
        Some(Condition {
            severity: Severity::Info,
            title: format!("{provider} has trouble"),
            summary: finding.message.clone(),
            fix: Some(finding.fix.clone()),
            provider: Some(provider.clone()),
            ..plain(PROVIDER, Subject::Check(format!("provider.{provider}")))
        })
    })
}

/// Doctor findings that are worth a message and that no other incident speaks of already.
fn findings<'a>(snapshot: &'a Snapshot, presence: &'a Presence) -> impl Iterator<Item = Condition> + 'a {
    snapshot
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::Warning && !spoken_for(finding, snapshot, presence))
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
                // A phone that went through a tunnel is no outage either.
                confirm: [SIDE_FILE, UNREACHED].contains(&finding.id.as_str()),
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
fn spoken_for(finding: &Finding, snapshot: &Snapshot, presence: &Presence) -> bool {
    let area = finding.id.split('.').next().unwrap_or_default();
    let in_unreadable_source = finding.place.path.as_ref().is_some_and(|path| {
        let about =
            |looked: &PathBuf, source: &SourceReport| looked == path || (source.hidden && looked.starts_with(path));
        let blind = snapshot.sources.iter().filter(|source| is_blind(source, presence));
        blind.into_iter().any(|source| source.looked.iter().any(|looked| about(looked, source)))
    });
    matches!(area, "credential" | "credentials" | "clock")
        || (area == "gateway" && snapshot.gateway.state == GatewayState::Down)
        || in_unreadable_source
}
