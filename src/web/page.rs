//! The page: what is wrong now and what fixes it, what comes next, then everything known. Pure functions of a view, of what was
//! before, of the reader and of now; nothing from elsewhere, readable on a phone, without a script, and in print.
//!
//! * [`words`]: language, zone, dates as spans.
//! * [`charts`]: small drawings as numbers.
//! * [`rows`]: incidents, silences, receivers, pushes.
//! * [`one`]: the page of one credential.
//! * [`templates`]: the layout that all pages share, and the only door to HTML.

mod charts;
mod one;
mod rows;
pub(super) mod templates;
pub(super) mod words;

use std::collections::BTreeSet;

use serde::Serialize;

use super::api::{Past, Pasts};
use super::site::View;
use crate::domain::{
    Assessed, CredentialId, Finding, GatewayState, Incident, IncidentStatus, Quota, Severity, Snapshot, Span, Subject,
    Time,
};
use crate::engine::check::{CheckScope, exit_code};
use crate::engine::incidents::BALANCE;
use crate::engine::runway;
use crate::output::status::{self, Overall};
use charts::{Curve, Stretch};
use rows::{IncidentRow, PushRow, ReceiverRow, SilenceRow};
use templates::Shell;
use words::{Fix, Reader, When};

pub(super) use one::one;

/// As many credentials are shown; who has more reads the JSON.
const ROWS: usize = 500;
/// As many have drawings of their past.
pub(super) const DRAWN: usize = 100;
/// As many expiries are on the line.
const COMING: usize = 12;
/// What is drawn of the past.
pub(super) const LOOK_BACK: Span = Span::days(30);

/// What the page shows.
#[derive(Serialize)]
pub(super) struct Page {
    shell: Shell,
    taken: When,
    /// The worst severity: `ok`, `warning`, `critical`.
    overall: &'static str,
    headline: String,
    critical: usize,
    warning: usize,
    notes: Vec<String>,
    problems: Vec<Problem>,
    coming: Vec<Coming>,
    coming_more: usize,
    ticks: Vec<Tick>,
    credentials: Vec<Row>,
    more: usize,
    incidents: Vec<IncidentRow>,
    silences: Vec<SilenceRow>,
    receivers: Vec<ReceiverRow>,
    pushes: Vec<PushRow>,
    findings: Vec<Problem>,
    sources: Vec<SourceRow>,
    /// Sources that can be looked at and have nothing.
    empty: Vec<String>,
    gateway: GatewayRow,
}

/// Something wrong, and what to do.
#[derive(Serialize)]
struct Problem {
    severity: &'static str,
    word: String,
    /// What it is about; what is wrong with it.
    subject: Option<Named>,
    what: String,
    ends: Option<When>,
    place: String,
    because: Vec<String>,
    fix: Option<Fix>,
    incident: Option<IncidentRow>,
}

/// A credential by name, and where its page is.
#[derive(Clone, Serialize)]
struct Named {
    id: String,
    href: String,
}

/// An end that comes.
#[derive(Serialize)]
struct Coming {
    name: Named,
    /// The money ends, not the credential.
    money: bool,
    ends: When,
    severity: &'static str,
    /// Where it stands on the line, and where the warning begins, in per cent.
    x: f64,
    warn: f64,
}

#[derive(Serialize)]
struct Tick {
    x: f64,
    label: String,
    /// How the label hangs on it.
    anchor: &'static str,
}

#[derive(Serialize)]
struct Row {
    name: Named,
    provider: String,
    kind: String,
    state: String,
    severity: &'static str,
    shade: &'static str,
    in_use: bool,
    clocks: Vec<Clock>,
    verdict: Option<Answer>,
    quota: Vec<Meter>,
    balance: Option<String>,
    spent: Option<When>,
    spent_between: Option<String>,
    curve: Option<Curve>,
    strip: Vec<Stretch>,
    because: Vec<String>,
    copies: Vec<Named>,
}

/// One of the clocks of a credential.
#[derive(Serialize)]
struct Clock {
    name: String,
    at: When,
    /// The date that counts.
    counts: bool,
}

/// What its provider said last.
#[derive(Serialize)]
struct Answer {
    word: String,
    at: When,
}

/// A quota.
#[derive(Serialize)]
struct Meter {
    window: String,
    percent: f64,
    /// Of the bar: not more than there is.
    width: f64,
    severity: &'static str,
    resets: Option<When>,
}

#[derive(Serialize)]
struct SourceRow {
    name: String,
    up: bool,
    credentials: usize,
}

#[derive(Serialize)]
struct GatewayRow {
    state: &'static str,
    word: String,
    detail: String,
}

/// The credentials whose past is drawn on the page: the first that are shown.
pub(super) fn drawn(view: &View) -> Vec<CredentialId> {
    shown(&view.snapshot).into_iter().take(DRAWN).map(|one| one.credential.id.clone()).collect()
}

/// Worst first; within a severity as the snapshot has them, soonest end first.
fn shown(snapshot: &Snapshot) -> Vec<&Assessed> {
    let mut all: Vec<&Assessed> = snapshot.credentials.iter().filter(|one| one.copy_of.is_none()).collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.judgement.severity), !one.judgement.in_use));
    all
}

/// The page of everything.
pub(super) fn page(view: &View, pasts: &Pasts, shell: Shell, reader: &Reader<'_>) -> Page {
    let snapshot = &view.snapshot;
    let withheld = view.withheld(reader.now);
    let row = |one: &Incident| rows::incident(one, withheld.get(&one.id), reader);
    let open: Vec<&Incident> =
        view.standing.incidents.iter().filter(|one| one.status != IncidentStatus::Resolved).collect();
    let mut incidents: Vec<&Incident> = open.clone();
    incidents.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)));
    let problems = problems(snapshot, &open, &row, reader);
    let count = |severity: Severity| problems.iter().filter(|one| one.severity == severity.word()).count();
    let (critical, warning) = (count(Severity::Critical), count(Severity::Warning));
    let gateway_down = snapshot.gateway.state == GatewayState::Down;
    // As `status` judges it, and what is open besides.
    let judged = status::overall(snapshot, &exit_code(snapshot, CheckScope::InUse));
    let overall = match (judged, critical, warning) {
        (Overall::Critical, ..) | (_, 1.., _) => "critical",
        (Overall::Warning, ..) | (_, _, 1..) => "warning",
        _ if gateway_down => "warning",
        (Overall::Unknown, ..) => "unknown",
        _ => "ok",
    };
    let all = shown(snapshot);
    let nothing = Past::default();
    let credential = |one: &&Assessed| credential(one, pasts.get(&one.credential.id).unwrap_or(&nothing), reader);
    let (coming, coming_more) = coming(snapshot, reader);
    let mut notes = reader.all(&view.notes);
    notes.extend(snapshot.clock_problem.as_deref().map(|problem| reader.say(problem)));
    let little = |finding: &&Finding| finding.severity < Severity::Warning;
    let silences = view.standing.silences.iter().map(|one| rows::silence(one, reader));
    let windows = view.policy.windows(reader.now);
    Page {
        shell: shell.titled(&format!("{} · {}", reader.say(headline(overall)), snapshot.host), overall),
        taken: reader.when(snapshot.taken_at),
        overall,
        headline: reader.say(headline(overall)),
        critical,
        warning,
        notes,
        coming,
        coming_more,
        ticks: ticks(reader),
        credentials: all.iter().take(ROWS).map(credential).collect(),
        more: all.len().saturating_sub(ROWS),
        incidents: incidents.into_iter().map(row).collect(),
        silences: silences.chain(windows.iter().filter_map(|one| rows::window(one, reader))).collect(),
        receivers: view.standing.receivers.iter().map(|one| rows::receiver(one, reader)).collect(),
        pushes: view.standing.pushes.iter().map(|one| rows::push(one, reader)).collect(),
        findings: snapshot.findings.iter().filter(little).map(|one| finding(one, reader)).collect(),
        sources: snapshot
            .sources
            .iter()
            .map(|s| SourceRow { name: s.source.clone(), up: s.up, credentials: s.credentials })
            .collect(),
        empty: snapshot.sources.iter().filter(|s| s.up && s.credentials == 0).map(|s| s.source.clone()).collect(),
        gateway: GatewayRow {
            state: snapshot.gateway.state.word(),
            word: reader.say(match snapshot.gateway.state {
                GatewayState::Up => "up",
                GatewayState::Down => "down",
                GatewayState::Absent => "absent",
                GatewayState::Unknown => "unknown",
            }),
            detail: reader.say(&snapshot.gateway.detail),
        },
        problems,
    }
}

fn headline(overall: &str) -> &'static str {
    match overall {
        "critical" => "Something needs you now",
        "warning" => "Something needs you soon",
        "unknown" => "Not everything can be seen",
        _ => "Everything works",
    }
}

fn named(id: &CredentialId) -> Named {
    Named { id: id.to_string(), href: href(id.as_str()) }
}

/// Ids have slashes and hashes in them: they travel as a value.
pub(super) fn href(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@".contains(&byte);
    let escaped: String =
        id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("/credential?id={escaped}")
}

/// Stable: credentials before findings, soonest first, within a severity.
fn problems(
    snapshot: &Snapshot,
    open: &[&Incident],
    row: &impl Fn(&Incident) -> IncidentRow,
    reader: &Reader<'_>,
) -> Vec<Problem> {
    let canonical = || snapshot.credentials.iter().filter(|one| one.copy_of.is_none());
    let mut taken = BTreeSet::new();
    let mut take = |fits: &dyn Fn(&Incident) -> bool| {
        let found = open.iter().find(|one| !taken.contains(&one.id) && fits(one))?;
        taken.insert(found.id.clone());
        Some(row(found))
    };
    let mut found: Vec<(Severity, Problem)> = Vec::new();
    for one in canonical().filter(|one| one.judgement.severity >= Severity::Warning) {
        let about = Subject::Credential(one.credential.id.clone());
        let incident = take(&|incident| incident.subject == about && incident.name != BALANCE);
        found.push((one.judgement.severity, Problem { incident, ..broken(one, reader) }));
    }
    for one in canonical() {
        let Some((severity, _)) = runway::alarm(one, snapshot, reader.now) else { continue };
        let about = Subject::Credential(one.credential.id.clone());
        let incident = take(&|incident| incident.subject == about && incident.name == BALANCE);
        found.push((severity, running_out(one, severity, incident, reader)));
    }
    let worth = snapshot.findings.iter().filter(|one| one.severity >= Severity::Warning);
    found.extend(worth.map(|one| (one.severity, finding(one, reader))));
    found.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    found.into_iter().map(|(_, problem)| problem).collect()
}

fn broken(one: &Assessed, reader: &Reader<'_>) -> Problem {
    let judgement = &one.judgement;
    Problem {
        severity: judgement.severity.word(),
        word: reader.severity(judgement.severity),
        subject: Some(named(&one.credential.id)),
        what: reader.state(judgement.state),
        ends: judgement.expires.map(|at| reader.when(at)),
        place: one.credential.origin.path.as_ref().map(|path| reader.path(path)).unwrap_or_default(),
        because: reader.all(&judgement.because),
        fix: judgement.fix.as_deref().and_then(|fix| reader.fix(fix)),
        incident: None,
    }
}

/// The balance behind a credential that works runs out before long.
fn running_out(one: &Assessed, severity: Severity, incident: Option<IncidentRow>, reader: &Reader<'_>) -> Problem {
    let allowance = one.allowance.as_ref();
    let left = allowance.and_then(|allowance| allowance.balance.as_ref()).map(ToString::to_string).unwrap_or_default();
    Problem {
        severity: severity.word(),
        word: reader.severity(severity),
        subject: Some(named(&one.credential.id)),
        // By whom and when stands before it and after it.
        what: reader.say(&format!("its balance of {left} is probably used up")),
        ends: allowance.and_then(|allowance| allowance.runway).map(|runway| reader.when(runway.ends)),
        place: String::new(),
        because: vec![reader.say("its balance, since the last top-up")],
        fix: reader.fix(&runway::top_up(&one.credential.provider)),
        incident,
    }
}

fn finding(finding: &Finding, reader: &Reader<'_>) -> Problem {
    Problem {
        severity: finding.severity.word(),
        word: reader.severity(finding.severity),
        subject: None,
        what: reader.say(&finding.message),
        ends: None,
        place: reader.say(&finding.place.to_string()),
        because: vec![finding.id.clone()],
        fix: reader.fix(&finding.fix),
        incident: None,
    }
}

/// What ends next, and how many more there are.
fn coming(snapshot: &Snapshot, reader: &Reader<'_>) -> (Vec<Coming>, usize) {
    let mut all: Vec<(Time, bool, &Assessed)> = Vec::new();
    for one in snapshot.credentials.iter().filter(|one| one.copy_of.is_none()) {
        let money = one.allowance.as_ref().and_then(|allowance| allowance.runway).map(|runway| runway.ends);
        all.extend(one.judgement.expires.map(|at| (at, false, one)));
        all.extend(money.map(|at| (at, true, one)));
    }
    all.retain(|(at, ..)| *at > reader.now);
    all.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2.credential.id.cmp(&b.2.credential.id)));
    let more = all.len().saturating_sub(COMING);
    let shown = all.into_iter().take(COMING).map(|(at, money, one)| {
        let bands = if money {
            one.allowance.as_ref().and_then(|allowance| allowance.bands)
        } else {
            one.judgement.warn_at.map(|warn| (warn, one.judgement.critical_at.unwrap_or(at)))
        };
        let severity = match bands {
            Some((_, critical)) if critical <= reader.now => Severity::Critical,
            Some((warn, _)) if warn <= reader.now => Severity::Warning,
            _ => Severity::None,
        };
        // What nothing uses is in nobody's way.
        let severity = if money { severity } else { severity.min(one.judgement.severity) };
        Coming {
            name: named(&one.credential.id),
            money,
            ends: reader.when(at),
            severity: severity.word(),
            x: charts::ahead(at - reader.now),
            warn: bands.map_or(100.0, |(warn, _)| charts::ahead(warn - reader.now)),
        }
    });
    (shown.collect(), more)
}

fn ticks(reader: &Reader<'_>) -> Vec<Tick> {
    let tick =
        |days: i64, label: &str, anchor| Tick { x: charts::ahead(Span::days(days)), label: reader.say(label), anchor };
    vec![
        tick(0, "now", "start"),
        tick(1, "1 day", "middle"),
        tick(7, "1 week", "middle"),
        tick(30, "1 month", "middle"),
        tick(365, "1 year", "end"),
    ]
}

fn credential(one: &Assessed, past: &Past, reader: &Reader<'_>) -> Row {
    let allowance = one.allowance.as_ref();
    let balance = allowance.and_then(|allowance| allowance.balance.as_ref());
    let runway = allowance.and_then(|allowance| allowance.runway);
    let changes: Vec<_> = past.changes.iter().map(|change| (change.at, change.state, change.severity)).collect();
    Row {
        name: named(&one.credential.id),
        provider: one.credential.provider.clone(),
        kind: reader.say(one.credential.kind.word()),
        state: reader.state(one.judgement.state),
        severity: one.judgement.severity.word(),
        shade: charts::shade(one.judgement.state, one.judgement.severity),
        in_use: one.judgement.in_use,
        clocks: clocks(one, reader),
        verdict: one
            .verdict
            .as_ref()
            .map(|verdict| Answer { word: reader.verdict(verdict.kind), at: reader.when(verdict.at) }),
        quota: allowance
            .map(|allowance| allowance.quota.iter().map(|one| meter(one, reader)).collect())
            .unwrap_or_default(),
        balance: balance.map(ToString::to_string),
        spent: runway.map(|runway| reader.when(runway.ends)),
        spent_between: runway.map(|runway| {
            let day = |at: Time| reader.when(at).absolute;
            reader.say(&match runway.latest {
                Some(latest) => format!("at the earliest {}, at the latest {}", day(runway.earliest), day(latest)),
                None => format!("at the earliest {}, perhaps never", day(runway.earliest)),
            })
        }),
        curve: charts::curve(&past.balances, runway.map(|runway| runway.ends)),
        strip: charts::strip(&changes, reader.now - LOOK_BACK, reader.now),
        because: reader.all(&one.judgement.because),
        copies: one.copies.iter().map(named).collect(),
    }
}

/// The clocks that are known; the date that counts first, whichever it is.
fn clocks(one: &Assessed, reader: &Reader<'_>) -> Vec<Clock> {
    let clocks = &one.credential.clocks;
    let counts = one.judgement.expires;
    let mut shown = Vec::new();
    if let Some(at) = counts {
        shown.push(Clock { name: reader.say("ends"), at: reader.when(at), counts: true });
    }
    for (name, at) in [
        ("access token ends", clocks.access_expires),
        ("renewal due", clocks.refresh_due),
        ("login ends", clocks.grant_expires),
    ] {
        if let Some(at) = at.filter(|at| Some(*at) != counts) {
            shown.push(Clock { name: reader.say(name), at: reader.when(at), counts: false });
        }
    }
    shown
}

fn meter(quota: &Quota, reader: &Reader<'_>) -> Meter {
    let percent = quota.used_ratio * 100.0;
    Meter {
        window: quota.window.clone(),
        percent: percent.round(),
        width: percent.clamp(0.0, 100.0),
        severity: match percent {
            p if p >= 100.0 => "critical",
            p if p >= 80.0 => "warning",
            _ => "none",
        },
        resets: quota.resets_at.map(|at| reader.when(at)),
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
pub(in crate::web) mod tests;
