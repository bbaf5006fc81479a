//! The JSON contract of `status --json` (CONTRACTS §3): names are fixed, additions are welcome.

use std::path::Path;

use chrono::SecondsFormat;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::lines::shortened;
use super::{Incidents, overall};
use crate::domain::{
    Allowance, Assessed, Finding, Incident, IncidentStatus, Origin, ProviderSummary, Snapshot, Time, Withheld,
};
use crate::engine::check::{self, CheckScope};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    schema: &'static str,
    taken_at: String,
    host: &'a str,
    summary: Summary<'a>,
    credentials: Credentials<'a>,
    providers: Vec<Provider<'a>>,
    gateway: Gateway<'a>,
    findings: Vec<FindingEntry<'a>>,
    incidents: Vec<IncidentEntry<'a>>,
    sources: Vec<SourceEntry<'a>>,
    clock_problem: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    state: &'static str,
    exit_code: u8,
    reasons: Vec<String>,
    next_expiry: Option<NextExpiry<'a>>,
}

#[derive(Serialize)]
struct NextExpiry<'a> {
    id: &'a str,
    at: String,
}

/// Each becomes an entry when it is written: ten thousand at once would be as many megabytes.
struct Credentials<'a> {
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
            if place.origin.is_none_or(|last| last.path != origin.path || last.modified != origin.modified) {
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
    modified_at: Option<String>,
}

impl<'a> Place<'a> {
    fn of(origin: &'a Origin, home: Option<&Path>) -> Self {
        let path = origin.path.as_deref().map(|path| shortened(&path.to_string_lossy(), home));
        Self { origin: Some(origin), path, modified_at: origin.modified.map(rfc3339) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credential<'a> {
    id: &'a str,
    provider: &'a str,
    profile: &'a str,
    kind: &'static str,
    agent: Option<&'a str>,
    account: Option<&'a str>,
    source: Source<'a>,
    state: &'static str,
    severity: &'static str,
    renewal: &'static str,
    access_expires_at: Option<String>,
    refresh_due_at: Option<String>,
    grant_expires_at: Option<String>,
    grant_basis: Option<&'static str>,
    expires_at: Option<String>,
    in_use: bool,
    copies: Vec<&'a str>,
    copy_of: Option<&'a str>,
    verdict: Option<Verdict<'a>>,
    quota: Vec<Quota<'a>>,
    balance: Option<Balance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    because: &'a [String],
    fix: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    r#type: &'a str,
    path: Option<&'a str>,
    modified_at: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict<'a> {
    kind: &'static str,
    at: String,
    age_seconds: i64,
    detail: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quota<'a> {
    window: &'a str,
    used_ratio: f64,
    resets_at: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Balance<'a> {
    amount: f64,
    currency: Option<&'a str>,
    at: Option<String>,
    runway_days: Option<i64>,
    runway_days_least: Option<i64>,
    runway_days_most: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider<'a> {
    provider: &'a str,
    state: &'static str,
    in_use: bool,
    usable: usize,
    total: usize,
    effective: Option<&'a str>,
}

#[derive(Serialize)]
struct Gateway<'a> {
    state: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct FindingEntry<'a> {
    id: &'a str,
    severity: &'static str,
    message: &'a str,
    path: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<&'a str>,
    fix: &'a str,
    fixable: bool,
}

#[derive(Serialize)]
struct IncidentEntry<'a> {
    id: &'a str,
    name: &'a str,
    severity: &'static str,
    status: &'static str,
    since: String,
    subject: &'a str,
    withheld: Option<&'a Withheld>,
}

#[derive(Serialize)]
struct SourceEntry<'a> {
    source: &'a str,
    up: bool,
    credentials: usize,
    looked: Vec<String>,
}

impl<'a> Document<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, incidents: Incidents<'a>, home: Option<&'a Path>) -> Self {
        let path = |path: &Path| shortened(&path.to_string_lossy(), home);
        let check = check::exit_code(snapshot, CheckScope::InUse);
        Self {
            schema: "opensoul.status/v1",
            taken_at: rfc3339(snapshot.taken_at),
            host: &snapshot.host,
            summary: Summary {
                state: overall(snapshot, &check).word(),
                exit_code: check.code,
                reasons: check.reasons,
                next_expiry: next_expiry(snapshot),
            },
            credentials: Credentials { snapshot, now: snapshot.taken_at, home },
            providers: snapshot.providers.iter().map(provider).collect(),
            gateway: Gateway { state: snapshot.gateway.state.word(), detail: &snapshot.gateway.detail },
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
                    source: &report.source,
                    up: report.up,
                    credentials: report.credentials,
                    looked: report.looked.iter().map(|place| path(place)).collect(),
                })
                .collect(),
            clock_problem: snapshot.clock_problem.as_deref(),
        }
    }
}

/// The next date that something in use meets.
fn next_expiry(snapshot: &Snapshot) -> Option<NextExpiry<'_>> {
    let coming = |assessed: &&Assessed| {
        let judgement = &assessed.judgement;
        judgement.in_use && judgement.expires.is_some_and(|end| end > snapshot.taken_at)
    };
    let next = super::originals(snapshot).filter(coming).min_by_key(|assessed| assessed.judgement.expires)?;
    Some(NextExpiry { id: next.credential.id.as_str(), at: rfc3339(next.judgement.expires?) })
}

fn quota(quota: &crate::domain::Quota) -> Quota<'_> {
    Quota { window: &quota.window, used_ratio: quota.used_ratio, resets_at: quota.resets_at.map(rfc3339) }
}

fn balance(allowance: &Allowance, now: Time) -> Option<Balance<'_>> {
    let left = allowance.balance.as_ref()?;
    let days = |end: Time| (end - now).num_days().max(0);
    Some(Balance {
        amount: left.amount,
        currency: left.currency.as_deref(),
        at: allowance.at.map(rfc3339),
        runway_days: allowance.runway.map(|runway| days(runway.ends)),
        runway_days_least: allowance.runway.map(|runway| days(runway.earliest)),
        runway_days_most: allowance.runway.and_then(|runway| runway.latest).map(days),
    })
}

fn credential<'a>(assessed: &'a Assessed, snapshot: &Snapshot, now: Time, place: &'a Place<'_>) -> Credential<'a> {
    let Assessed { credential, judgement, copies, copy_of, verdict, allowance } = assessed;
    let clocks = &credential.clocks;
    Credential {
        id: credential.id.as_str(),
        provider: &credential.provider,
        profile: &credential.profile,
        kind: credential.kind.word(),
        agent: credential.agent.as_deref(),
        account: credential.account.as_deref(),
        source: Source {
            r#type: credential.origin.source,
            path: place.path.as_deref(),
            modified_at: place.modified_at.as_deref(),
        },
        state: judgement.state.word(),
        severity: judgement.severity.word(),
        renewal: credential.renewal.word(),
        access_expires_at: clocks.access_expires.map(rfc3339),
        refresh_due_at: clocks.refresh_due.map(rfc3339),
        grant_expires_at: clocks.grant_expires.map(rfc3339),
        grant_basis: clocks.grant_expires.and(clocks.grant_basis).map(|basis| basis.word()),
        expires_at: judgement.expires.map(rfc3339),
        in_use: judgement.in_use,
        copies: copies.iter().map(|id| id.as_str()).collect(),
        copy_of: copy_of.as_ref().map(|id| id.as_str()),
        verdict: verdict.as_ref().map(|verdict| Verdict {
            kind: verdict.kind.word(),
            at: rfc3339(verdict.at),
            age_seconds: (now - verdict.at).num_seconds().max(0),
            detail: &verdict.detail,
        }),
        quota: allowance.iter().flat_map(|allowance| &allowance.quota).map(quota).collect(),
        balance: allowance.as_ref().and_then(|allowance| balance(allowance, now)),
        identity: snapshot.identity(credential),
        because: &judgement.because,
        fix: judgement.fix.as_deref().unwrap_or(&credential.fix),
    }
}

fn provider(summary: &ProviderSummary) -> Provider<'_> {
    Provider {
        provider: &summary.provider,
        state: summary.state.word(),
        in_use: summary.in_use,
        usable: summary.usable,
        total: summary.total,
        effective: summary.effective.as_ref().map(|id| id.as_str()),
    }
}

fn entry<'a>(finding: &'a Finding, path: impl Fn(&Path) -> String) -> FindingEntry<'a> {
    FindingEntry {
        id: &finding.id,
        severity: finding.severity.word(),
        message: &finding.message,
        path: finding.place.path.as_deref().map(path),
        line: finding.place.line,
        column: finding.place.column,
        key: finding.place.key.as_deref(),
        fix: &finding.fix,
        fixable: false,
    }
}

fn incident<'a>(incident: &'a Incident, withheld: Option<&'a Withheld>) -> IncidentEntry<'a> {
    IncidentEntry {
        id: incident.id.as_str(),
        name: &incident.name,
        severity: incident.severity.word(),
        // What another incident explains is as silent as what a person silenced; `withheld` says which it is.
        status: match withheld {
            Some(Withheld::Acked { .. }) => "acked",
            Some(Withheld::Silenced { .. } | Withheld::Maintenance { .. } | Withheld::Inhibited { .. }) => "silenced",
            _ => incident.status.word(),
        },
        since: rfc3339(incident.since),
        subject: incident.subject.as_str(),
        withheld,
    }
}

fn rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
