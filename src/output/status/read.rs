//! The way back: what another machine's `status --json` says becomes a snapshot that can be shown, judged and compared like one
//! of ours. All of it is foreign: [`super::fields`] makes it fit, and what cannot be true is refused as a whole, because a half
//! of an answer looks like a machine on which things went missing.
//!
//! The other machine has judged: states, severities and the answer of `--check` are taken as they are. Nothing here runs, sends or
//! believes a date of a machine whose clock is wrong ([`Answer::heard_at`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::fields::{At, Id, Text, fit};
use super::model::{self, Document, SCHEMA, Status};
use super::{Incidents, Overall, Report};
use crate::domain::{
    Activity, Allowance, Assessed, Balance, Bench, Clocks, Condition, Credential, CredentialId, Finding, Fingerprint,
    Gateway, Incident, IncidentId, IncidentStatus, Judgement, Origin, Owner, Place, ProviderSummary, Quota, Renewal,
    Runway, Selection, Severity, Snapshot, SourceReport, Span, State, Subject, Tier, Time, Verdict, Withheld,
};
use crate::engine::check::CheckResult;
use crate::engine::incidents::UNREACHED;
use crate::engine::tiers;

/// Clocks that differ by more than this make each other's dates worthless (DESIGN §6).
const SKEW: Span = Span::minutes(10);

/// Lines before the document that are looked through: what a login shell says.
const NOISE: usize = 200;

/// What another machine says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Everything it knows.
    pub snapshot: Snapshot,
    /// What `status --check` returns there, and why.
    pub check: CheckResult,
    /// What it is as a whole, by its own word.
    pub overall: Overall,
    /// Its own incidents; only what a reader of the list is told of them.
    pub incidents: Vec<Incident>,
    /// Why it says nothing about some of them.
    pub withheld: BTreeMap<IncidentId, Withheld>,
}

/// Why an answer is not understood. Shows no more of it than a word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misunderstood {
    /// There is nothing in it that could be our document.
    #[error("it is no status of opensoul; is the `opensoul` there the gateway's own program?")]
    Foreign,
    /// A version that is not known here.
    #[error("it speaks {0}, and this opensoul understands {SCHEMA}: update the older of the two")]
    Version(String),
    /// It is ours, and damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Answer {
    /// To be shown.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report { snapshot: &self.snapshot, check: self.check.clone(), overall: self.overall }
    }

    /// The same.
    #[must_use]
    pub fn incidents(&self) -> Incidents<'_> {
        Incidents { all: &self.incidents, withheld: &self.withheld }
    }

    /// As it is to be understood by somebody whose clock shows `now`. Where the two clocks differ, no date is believed.
    #[must_use]
    pub fn heard_at(mut self, now: Time) -> Self {
        let ahead = self.snapshot.taken_at - now;
        if ahead.abs() > SKEW && self.snapshot.clock_problem.is_none() {
            let (minutes, way) = (ahead.num_minutes().abs(), if ahead > Span::zero() { "ahead of" } else { "behind" });
            self.snapshot.clock_problem =
                Some(format!("its clock is {minutes} minutes {way} that of the machine that asked"));
            self.overall = self.overall.max(Overall::Unknown);
        }
        self
    }
}

/// Only what tells documents apart.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Understands the answer of another machine. A login shell may have said something before it.
///
/// # Errors
/// It is not ours, of another version, or damaged.
pub fn read(text: &[u8]) -> Result<Answer, Misunderstood> {
    let mut from = Some(0);
    for _ in 0..NOISE {
        let Some(at) = from else { break };
        let rest = &text[at..];
        if let Some(schema) = schema(rest) {
            return match schema.strip_prefix("opensoul.status/") {
                Some(_) if schema == SCHEMA => document(rest),
                Some(_) => Err(Misunderstood::Version(fit(schema, 40))),
                None => Err(Misunderstood::Foreign),
            };
        }
        from = rest.iter().position(|byte| *byte == b'\n').map(|line| at + line + 1);
    }
    // Cut off, or broken: a document of ours begins with its schema.
    let begun = text.windows(SCHEMA.len()).any(|part| part == SCHEMA.as_bytes());
    Err(if begun { Misunderstood::Damaged("it ends too early".to_owned()) } else { Misunderstood::Foreign })
}

/// The schema of the document that begins here, if one does.
fn schema(text: &[u8]) -> Option<String> {
    (text.first() == Some(&b'{')).then_some(())?;
    Head::deserialize(&mut serde_json::Deserializer::from_slice(text)).ok().map(|head| head.schema)
}

fn document(text: &[u8]) -> Result<Answer, Misunderstood> {
    let damaged = |why: String| Misunderstood::Damaged(fit(why, 200));
    let read: Document<'static, Vec<model::Credential<'static>>> =
        Document::deserialize(&mut serde_json::Deserializer::from_slice(text))
            .map_err(|error| damaged(error.to_string()))?;
    if ![0, 1, 2, 66, 78].contains(&read.summary.exit_code) {
        return Err(damaged(format!("{} is no exit code of --check", read.summary.exit_code)));
    }
    let ids: BTreeSet<&Id<'_>> = read.credentials.iter().map(|one| &one.id).collect();
    if ids.len() != read.credentials.len() {
        return Err(damaged("two credentials have one id".to_owned()));
    }
    let fleet = read.credentials.iter().any(|one| one.identity.is_some());
    let now = read.taken_at.0;
    let check = CheckResult {
        code: read.summary.exit_code,
        reasons: strings(read.summary.reasons),
        unseen: read.summary.state == Overall::Unknown,
    };
    let credentials: Vec<Assessed> = read.credentials.into_iter().map(|one| credential(one, now)).collect();
    let (incidents, withheld) = incidents(read.incidents, &credentials);
    let snapshot = Snapshot {
        taken_at: now,
        host: read.host.into_string(),
        credentials,
        providers: read.providers.into_iter().map(provider).collect(),
        gateway: Gateway { state: read.gateway.state, detail: read.gateway.detail.into_string() },
        // Whether a machine can be reached is said by the one that asks.
        findings: read.findings.into_iter().map(finding).filter(|finding| finding.id != UNREACHED).collect(),
        sources: read.sources.into_iter().map(source).collect(),
        clock_problem: read.clock_problem.map(Text::into_string),
        fleet,
    };
    if snapshot.host.trim().is_empty() || snapshot.host.chars().count() > 255 {
        return Err(damaged("the name of the machine is empty or too long".to_owned()));
    }
    Ok(Answer { snapshot, check, overall: read.summary.state, incidents, withheld })
}

fn strings(texts: Vec<Text<'_>>) -> Vec<String> {
    texts.into_iter().map(Text::into_string).collect()
}

fn time(at: Option<At>) -> Option<Time> {
    at.map(|at| at.0)
}

fn id(id: Id<'_>) -> CredentialId {
    CredentialId(id.into_string())
}

fn credential(read: model::Credential<'_>, now: Time) -> Assessed {
    let expires = time(read.expires_at);
    let warn_at = time(read.warn_at);
    let generation = generation(read.renewal, expires);
    let fix = read.fix.into_string();
    let path = read.source.path.map(Text::into_string);
    let judgement = Judgement {
        state: read.state,
        severity: read.severity,
        in_use: read.in_use,
        expires,
        warn_at,
        critical_at: time(read.critical_at),
        tier: expires.and_then(|end| tier(end, warn_at.unwrap_or(end), now)),
        generation,
        because: strings(read.because),
        fix: Some(fix.clone()).filter(|fix| !fix.is_empty() && read.severity > Severity::None),
    };
    let fingerprint = read.identity.and_then(|text| Fingerprint::from_short(&text.into_string()));
    let credential = Credential {
        id: id(read.id),
        provider: read.provider.into_string(),
        profile: read.profile.into_string(),
        kind: read.kind,
        agent: read.agent.map(|agent| agent.into_string().into()),
        origin: Origin {
            source: Cow::Owned(read.source.r#type.into_string()),
            path: path.map(|path| Arc::from(Path::new(&path))),
            modified: time(read.source.modified_at),
        },
        // Who keeps it, and who would take it, went into the judgement there.
        owner: Owner::Tool,
        renewal: read.renewal,
        condition: condition(read.state),
        clocks: Clocks {
            access_expires: time(read.access_expires_at),
            refresh_due: time(read.refresh_due_at),
            grant_expires: time(read.grant_expires_at),
            grant_basis: read.grant_basis,
            ..Clocks::default()
        },
        account: read.account.map(Text::into_string),
        scopes: None,
        fingerprint,
        refresh_fingerprint: None,
        selection: match read.passed_over {
            Some(why) => Selection::Excluded(why.into_string()),
            None => Selection::NotApplicable,
        },
        bench: read.set_aside.map(|bench| Bench {
            kind: bench.kind,
            until: bench.until.0,
            reason: bench.reason.map(Text::into_string),
        }),
        activity: Activity::default(),
        declared_in_use: None,
        fix,
        notes: Vec::new(),
    };
    Assessed {
        credential: Box::new(credential),
        judgement,
        copies: read.copies.into_iter().map(id).collect(),
        copy_of: read.copy_of.map(id),
        verdict: read.verdict.map(|verdict| Verdict {
            kind: verdict.kind,
            at: verdict.at.0,
            detail: verdict.detail.into_string(),
        }),
        allowance: allowance(read.quota, read.balance),
    }
}

/// How long it lives is not said, but who is warned more than two weeks before has a long life.
fn tier(end: Time, warn_at: Time, now: Time) -> Option<Tier> {
    let issued = (end - warn_at > Span::days(14)).then(|| end - Span::days(365));
    tiers::tier(end, issued, warn_at, now)
}

/// What is renewed by a person is another one when its date is another one. Hashes stay where they were made, so a key without a
/// date looks the same after it was replaced: a yes of its provider then ends what was wrong with it.
fn generation(renewal: Renewal, expires: Option<Time>) -> String {
    match (renewal, expires) {
        (Renewal::Manual, Some(end)) => format!("dated:{}", end.timestamp()),
        _ => "elsewhere".to_owned(),
    }
}

fn condition(state: State) -> Condition {
    let there = || "as that machine says".to_owned();
    match state {
        State::Missing => Condition::Absent(there()),
        State::Unreadable => Condition::Unreadable(there()),
        State::Retired => Condition::Retired(there()),
        _ => Condition::Present,
    }
}

fn allowance(quota: Vec<model::Quota<'_>>, balance: Option<model::Balance<'_>>) -> Option<Box<Allowance>> {
    if quota.is_empty() && balance.is_none() {
        return None;
    }
    let mut allowance = Allowance {
        quota: quota
            .into_iter()
            .map(|one| Quota {
                window: one.window.into_string(),
                used_ratio: one.used_ratio.clamp(0.0, 1_000.0),
                resets_at: time(one.resets_at),
            })
            .collect(),
        ..Allowance::default()
    };
    if let Some(said) = balance {
        allowance.balance = Some(Balance { amount: said.amount, currency: said.currency.map(Text::into_string) });
        allowance.at = time(said.at);
        if let Some(end) = said.runs_out {
            allowance.runway = Some(Runway { ends: end.at.0, earliest: end.earliest.0, latest: time(end.latest) });
            allowance.bands = end.warn_at.zip(end.critical_at).map(|(warn_at, critical_at)| (warn_at.0, critical_at.0));
        }
    }
    Some(Box::new(allowance))
}

fn provider(read: model::Provider<'_>) -> ProviderSummary {
    ProviderSummary {
        provider: read.provider.into_string(),
        state: read.state,
        in_use: read.in_use,
        usable: read.usable as usize,
        total: read.total as usize,
        effective: read.effective.map(id),
    }
}

fn finding(read: model::FindingEntry<'_>) -> Finding {
    let place = Place {
        path: read.path.map(|path| PathBuf::from(path.into_string())),
        line: read.line.map(|line| line as usize),
        column: read.column.map(|column| column as usize),
        key: read.key.map(Text::into_string),
    };
    Finding {
        id: read.id.into_string(),
        severity: read.severity,
        message: read.message.into_string(),
        place,
        fix: read.fix.into_string(),
        // What would mend it there is for that machine to do.
        repair: None,
    }
}

fn source(read: model::SourceEntry<'_>) -> SourceReport {
    SourceReport {
        source: read.source.into_string(),
        looked: read.looked.into_iter().map(|place| PathBuf::from(place.into_string())).collect(),
        up: read.up,
        hidden: read.hidden,
        credentials: read.credentials as usize,
    }
}

fn incidents(
    read: Vec<model::IncidentEntry<'_>>,
    credentials: &[Assessed],
) -> (Vec<Incident>, BTreeMap<IncidentId, Withheld>) {
    let known: BTreeMap<&str, &str> =
        credentials.iter().map(|one| (one.credential.id.as_str(), one.credential.provider.as_str())).collect();
    let mut withheld = BTreeMap::new();
    let all = read.into_iter().map(|one| {
        let incident = IncidentId(one.id.into_string());
        if let Some(why) = one.withheld {
            withheld.insert(incident.clone(), fit_withheld(why));
        }
        let (subject, since) = (one.subject.into_string(), one.since.0);
        let provider = known.get(subject.as_str()).map(|provider| (*provider).to_owned());
        let about = match provider {
            Some(_) => Subject::Credential(CredentialId(subject)),
            None => Subject::Check(subject),
        };
        Incident {
            provider,
            severity: one.severity,
            announced_severity: one.severity,
            status: match one.status {
                Status::Pending => IncidentStatus::Pending,
                Status::Resolved => IncidentStatus::Resolved,
                Status::Firing | Status::Acked | Status::Silenced => IncidentStatus::Firing,
            },
            ..Incident::new(incident, one.name.into_string(), about, since)
        }
    });
    (all.collect(), withheld)
}

/// What people wrote there is as foreign as the rest.
fn fit_withheld(mut why: Withheld) -> Withheld {
    let clean = |text: &mut String| *text = fit(std::mem::take(text), 200);
    match &mut why {
        Withheld::Acked { by, comment, .. } => {
            clean(by);
            comment.as_mut().into_iter().for_each(clean);
        }
        Withheld::Silenced { silence, by, comment, .. } => {
            clean(&mut silence.0);
            clean(by);
            clean(comment);
        }
        Withheld::Maintenance { name, .. } => clean(name),
        Withheld::Inhibited { by } => {
            clean(&mut by.incident.0);
            clean(&mut by.name);
        }
        Withheld::Flapping { .. } | Withheld::Unrouted | Withheld::Quiet { .. } => {}
    }
    why
}
