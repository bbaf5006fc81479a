//! The JSON contract of `status --json` (CONTRACTS §3): names are fixed, additions are welcome. One set of types for both
//! directions: [`Document::of`] writes what this machine knows, [`super::read`] takes what another one says.

use std::path::Path;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

use super::fields::{At, Id, Text};
use super::lines::shortened;
use super::{Incidents, Overall, Report};
use crate::domain::{
    Allowance, Assessed, Basis, BenchKind, Finding, GatewayState, Incident, IncidentStatus, Kind, Origin,
    ProviderSummary, Renewal, Selection, Severity, Snapshot, State, Time, VerdictKind, Withheld,
};

/// The version that is written and understood.
pub(super) const SCHEMA: &str = "opensoul.status/v1";

/// The document; `C` are its credentials: a list of [`Credential`] when it is read, [`Credentials`] when it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a, C> {
    pub schema: Text<'a>,
    pub taken_at: At,
    pub host: Text<'a>,
    pub summary: Summary<'a>,
    pub credentials: C,
    pub providers: Vec<Provider<'a>>,
    pub gateway: Gateway<'a>,
    pub findings: Vec<FindingEntry<'a>>,
    pub incidents: Vec<IncidentEntry<'a>>,
    pub sources: Vec<SourceEntry<'a>>,
    pub clock_problem: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    pub state: Overall,
    pub exit_code: u8,
    pub reasons: Vec<Text<'a>>,
    pub next_expiry: Option<NextExpiry<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct NextExpiry<'a> {
    pub id: Id<'a>,
    pub at: At,
}

/// Each becomes an entry when it is written: ten thousand at once would be as many megabytes.
pub(super) struct Credentials<'a> {
    snapshot: &'a Snapshot,
    now: Time,
    home: Option<&'a Path>,
}

impl Serialize for Credentials<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.snapshot.credentials.len()))?;
        let mut place = Place::default();
        for assessed in &self.snapshot.credentials {
            let origin = &assessed.credential.origin;
            // One store holds many, and they mostly follow each other.
            if place.origin.is_none_or(|last| last.path != origin.path) {
                place = Place::of(origin, self.home);
            }
            all.serialize_element(&credential(assessed, self.snapshot, self.now, &place))?;
        }
        all.end()
    }
}

/// Where a credential is, as people read it.
#[derive(Default)]
struct Place<'a> {
    origin: Option<&'a Origin>,
    path: Option<String>,
}

impl<'a> Place<'a> {
    fn of(origin: &'a Origin, home: Option<&Path>) -> Self {
        let path = origin.path.as_deref().map(|path| shortened(&path.to_string_lossy(), home));
        Self { origin: Some(origin), path }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential<'a> {
    pub id: Id<'a>,
    pub provider: Id<'a>,
    pub profile: Text<'a>,
    pub kind: Kind,
    pub agent: Option<Text<'a>>,
    pub account: Option<Text<'a>>,
    pub source: Source<'a>,
    pub state: State,
    pub severity: Severity,
    pub renewal: Renewal,
    pub access_expires_at: Option<At>,
    pub refresh_due_at: Option<At>,
    pub grant_expires_at: Option<At>,
    pub grant_basis: Option<Basis>,
    pub expires_at: Option<At>,
    pub warn_at: Option<At>,
    pub critical_at: Option<At>,
    pub in_use: bool,
    pub copies: Vec<Id<'a>>,
    pub copy_of: Option<Id<'a>>,
    pub verdict: Option<Verdict<'a>>,
    pub quota: Vec<Quota<'a>>,
    pub balance: Option<Balance<'a>>,
    /// Its gateway does not use it until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside<'a>>,
    /// Why its gateway would never take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Text<'a>>,
    pub because: Vec<Text<'a>>,
    pub fix: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source<'a> {
    pub r#type: Id<'a>,
    pub path: Option<Text<'a>>,
    pub modified_at: Option<At>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict<'a> {
    pub kind: VerdictKind,
    pub at: At,
    #[serde(default)]
    pub age_seconds: i64,
    pub detail: Text<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quota<'a> {
    pub window: Text<'a>,
    pub used_ratio: f64,
    pub resets_at: Option<At>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Balance<'a> {
    pub amount: f64,
    pub currency: Option<Text<'a>>,
    pub at: Option<At>,
    pub runway_days: Option<i64>,
    pub runway_days_least: Option<i64>,
    pub runway_days_most: Option<i64>,
    /// When it is used up, and from when that is a warning and critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_out: Option<RunsOut>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunsOut {
    pub at: At,
    pub earliest: At,
    pub latest: Option<At>,
    pub warn_at: Option<At>,
    pub critical_at: Option<At>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SetAside<'a> {
    pub kind: BenchKind,
    pub until: At,
    pub reason: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider<'a> {
    pub provider: Id<'a>,
    pub state: State,
    pub in_use: bool,
    pub usable: u32,
    pub total: u32,
    pub effective: Option<Id<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Gateway<'a> {
    pub state: GatewayState,
    pub detail: Text<'a>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FindingEntry<'a> {
    pub id: Id<'a>,
    pub severity: Severity,
    pub message: Text<'a>,
    pub path: Option<Text<'a>>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    pub key: Option<Text<'a>>,
    pub fix: Text<'a>,
    #[serde(default)]
    pub fixable: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct IncidentEntry<'a> {
    pub id: Id<'a>,
    pub name: Id<'a>,
    pub severity: Severity,
    pub status: Status,
    pub since: At,
    pub subject: Text<'a>,
    pub withheld: Option<Withheld>,
}

/// Where an incident is, for its readers.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Pending,
    Firing,
    Acked,
    Silenced,
    Resolved,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SourceEntry<'a> {
    pub source: Id<'a>,
    pub up: bool,
    /// A place of it lies where nobody can look into.
    #[serde(default)]
    pub hidden: bool,
    pub credentials: u32,
    pub looked: Vec<Text<'a>>,
}

impl<'a> Document<'a, Credentials<'a>> {
    pub(super) fn of(report: &'a Report<'a>, incidents: Incidents<'a>, home: Option<&'a Path>) -> Self {
        let snapshot = report.snapshot;
        let path = |path: &Path| shortened(&path.to_string_lossy(), home);
        Self {
            schema: SCHEMA.into(),
            taken_at: At(snapshot.taken_at),
            host: Text::from(&snapshot.host),
            summary: Summary {
                state: report.overall,
                exit_code: report.check.code,
                reasons: report.check.reasons.iter().map(Text::from).collect(),
                next_expiry: next_expiry(snapshot),
            },
            credentials: Credentials { snapshot, now: snapshot.taken_at, home },
            providers: snapshot.providers.iter().map(provider).collect(),
            gateway: Gateway { state: snapshot.gateway.state, detail: Text::from(&snapshot.gateway.detail) },
            findings: snapshot.findings.iter().map(|finding| entry(finding, path)).collect(),
            incidents: incidents
                .all
                .iter()
                .filter(|i| i.status != IncidentStatus::Resolved)
                .map(|one| incident(one, incidents.withheld.get(&one.id)))
                .collect(),
            sources: snapshot
                .sources
                .iter()
                .map(|report| SourceEntry {
                    source: Id::from(&report.source),
                    up: report.up,
                    hidden: report.hidden,
                    credentials: count(report.credentials),
                    looked: report.looked.iter().map(|place| path(place).into()).collect(),
                })
                .collect(),
            clock_problem: snapshot.clock_problem.as_ref().map(Text::from),
        }
    }
}

fn count(number: usize) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// The next date that something in use meets.
fn next_expiry(snapshot: &Snapshot) -> Option<NextExpiry<'_>> {
    let coming = |assessed: &&Assessed| {
        let judgement = &assessed.judgement;
        judgement.in_use && judgement.expires.is_some_and(|end| end > snapshot.taken_at)
    };
    let next = super::originals(snapshot).filter(coming).min_by_key(|assessed| assessed.judgement.expires)?;
    Some(NextExpiry { id: Id::from(&next.credential.id.0), at: At(next.judgement.expires?) })
}

fn quota(quota: &crate::domain::Quota) -> Quota<'_> {
    Quota { window: Text::from(&quota.window), used_ratio: quota.used_ratio, resets_at: quota.resets_at.map(At) }
}

fn balance(allowance: &Allowance, now: Time) -> Option<Balance<'_>> {
    let left = allowance.balance.as_ref()?;
    let days = |end: Time| (end - now).num_days().max(0);
    let runway = allowance.runway;
    Some(Balance {
        amount: left.amount,
        currency: left.currency.as_ref().map(Text::from),
        at: allowance.at.map(At),
        runway_days: runway.map(|runway| days(runway.ends)),
        runway_days_least: runway.map(|runway| days(runway.earliest)),
        runway_days_most: runway.and_then(|runway| runway.latest).map(days),
        runs_out: runway.map(|runway| RunsOut {
            at: At(runway.ends),
            earliest: At(runway.earliest),
            latest: runway.latest.map(At),
            warn_at: allowance.bands.map(|(warn_at, _)| At(warn_at)),
            critical_at: allowance.bands.map(|(_, critical_at)| At(critical_at)),
        }),
    })
}

fn credential<'a>(assessed: &'a Assessed, snapshot: &Snapshot, now: Time, place: &'a Place<'_>) -> Credential<'a> {
    let Assessed { credential, judgement, copies, copy_of, verdict, allowance } = assessed;
    let clocks = &credential.clocks;
    let bench = credential.bench.as_ref().filter(|bench| bench.until > now);
    Credential {
        id: Id::from(&credential.id.0),
        provider: Id::from(&credential.provider),
        profile: Text::from(&credential.profile),
        kind: credential.kind,
        agent: credential.agent.as_ref().map(Text::from),
        account: credential.account.as_ref().map(Text::from),
        source: Source {
            r#type: Id::from(credential.origin.source.as_ref()),
            path: place.path.as_ref().map(Text::from),
            modified_at: credential.origin.modified.map(At),
        },
        state: judgement.state,
        severity: judgement.severity,
        renewal: credential.renewal,
        access_expires_at: clocks.access_expires.map(At),
        refresh_due_at: clocks.refresh_due.map(At),
        grant_expires_at: clocks.grant_expires.map(At),
        grant_basis: clocks.grant_expires.and(clocks.grant_basis),
        expires_at: judgement.expires.map(At),
        warn_at: judgement.warn_at.map(At),
        critical_at: judgement.critical_at.map(At),
        in_use: judgement.in_use,
        copies: copies.iter().map(|id| Id::from(&id.0)).collect(),
        copy_of: copy_of.as_ref().map(|id| Id::from(&id.0)),
        verdict: verdict.as_ref().map(|verdict| Verdict {
            kind: verdict.kind,
            at: At(verdict.at),
            age_seconds: (now - verdict.at).num_seconds().max(0),
            detail: Text::from(&verdict.detail),
        }),
        quota: allowance.iter().flat_map(|allowance| &allowance.quota).map(quota).collect(),
        balance: allowance.as_ref().and_then(|allowance| balance(allowance, now)),
        set_aside: bench.map(|bench| SetAside {
            kind: bench.kind,
            until: At(bench.until),
            reason: bench.reason.as_ref().map(Text::from),
        }),
        passed_over: match &credential.selection {
            Selection::Excluded(why) => Some(Text::from(why)),
            Selection::NotApplicable | Selection::Eligible(_) => None,
        },
        identity: snapshot.identity(credential).map(Text::from),
        because: judgement.because.iter().map(Text::from).collect(),
        fix: Text::from(judgement.fix.as_ref().unwrap_or(&credential.fix)),
    }
}

fn provider(summary: &ProviderSummary) -> Provider<'_> {
    Provider {
        provider: Id::from(&summary.provider),
        state: summary.state,
        in_use: summary.in_use,
        usable: count(summary.usable),
        total: count(summary.total),
        effective: summary.effective.as_ref().map(|id| Id::from(&id.0)),
    }
}

fn entry<'a>(finding: &'a Finding, path: impl Fn(&Path) -> String) -> FindingEntry<'a> {
    let place = &finding.place;
    FindingEntry {
        id: Id::from(&finding.id),
        severity: finding.severity,
        message: Text::from(&finding.message),
        path: place.path.as_deref().map(|place| path(place).into()),
        line: place.line.map(count),
        column: place.column.map(count),
        key: place.key.as_ref().map(Text::from),
        fix: Text::from(&finding.fix),
        fixable: false,
    }
}

fn incident<'a>(incident: &'a Incident, withheld: Option<&'a Withheld>) -> IncidentEntry<'a> {
    IncidentEntry {
        id: Id::from(&incident.id.0),
        name: Id::from(&incident.name),
        severity: incident.severity,
        // What another incident explains is as silent as what a person silenced; `withheld` says which it is.
        status: match (withheld, incident.status) {
            (Some(Withheld::Acked { .. }), _) => Status::Acked,
            (Some(Withheld::Silenced { .. } | Withheld::Maintenance { .. } | Withheld::Inhibited { .. }), _) => {
                Status::Silenced
            }
            (_, IncidentStatus::Pending) => Status::Pending,
            (_, IncidentStatus::Firing) => Status::Firing,
            (_, IncidentStatus::Resolved) => Status::Resolved,
        },
        since: At(incident.since),
        subject: Text::from(incident.subject.as_str()),
        withheld: withheld.cloned(),
    }
}
