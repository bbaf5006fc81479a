//! The page: what is wrong now and what fixes it, then everything known. A pure function of a view and of now; no script,
//! nothing from elsewhere, readable on a phone.

use std::sync::OnceLock;

use crate::domain::Zone;
use chrono::SecondsFormat;
use minijinja::Environment;
use serde::Serialize;

use super::site::View;
use crate::domain::{Assessed, Finding, GatewayState, Incident, Severity, Silence, Snapshot, Span, Time, Withheld};
use crate::engine::runway;
use crate::export::metrics::{PushHealth, ReceiverHealth};
use crate::output::alerts;

/// The style sheet.
pub const STYLE: &str = include_str!("assets/style.css");

/// What the page shows.
#[derive(Serialize)]
pub struct Page {
    version: &'static str,
    host: String,
    taken: When,
    /// The worst severity: `ok`, `info`, `warning`, `critical`.
    overall: &'static str,
    notes: Vec<String>,
    problems: Vec<Problem>,
    credentials: Vec<Row>,
    incidents: Vec<IncidentRow>,
    silences: Vec<SilenceRow>,
    receivers: Vec<ReceiverRow>,
    pushes: Vec<PushRow>,
    findings: Vec<Problem>,
    sources: Vec<SourceRow>,
    gateway: GatewayRow,
}

/// An instant, both ways.
#[derive(Serialize)]
struct When {
    relative: String,
    absolute: String,
    machine: String,
}

/// Something wrong, and what to do.
#[derive(Serialize)]
struct Problem {
    severity: &'static str,
    what: String,
    place: String,
    because: Vec<String>,
    fix: String,
}

#[derive(Serialize)]
struct Row {
    id: String,
    provider: String,
    kind: &'static str,
    state: &'static str,
    severity: &'static str,
    in_use: bool,
    expires: Option<When>,
    /// What is left behind it.
    balance: Option<String>,
    /// When that is used up, at the pace of its history; and between which days for all one knows.
    spent: Option<When>,
    spent_between: Option<String>,
    because: Vec<String>,
    copies: Vec<String>,
}

#[derive(Serialize)]
struct IncidentRow {
    name: String,
    subject: String,
    severity: &'static str,
    status: &'static str,
    /// Why nothing is said about it.
    why: Option<String>,
    since: When,
    told: Vec<String>,
}

#[derive(Serialize)]
struct SilenceRow {
    matchers: String,
    state: &'static str,
    starts: When,
    ends: When,
    author: String,
    comment: String,
}

#[derive(Serialize)]
struct ReceiverRow {
    name: String,
    channel: &'static str,
    queued: usize,
    oldest: Option<When>,
    last_success: Option<When>,
    last_error: Option<String>,
    next_try: Option<When>,
}

#[derive(Serialize)]
struct PushRow {
    name: String,
    kind: &'static str,
    failing: Option<When>,
    last_success: Option<When>,
    last_error: Option<String>,
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
    detail: String,
}

/// What the page shows of a view.
#[must_use]
pub fn model(view: &View, now: Time) -> Page {
    let snapshot = &view.snapshot;
    let when = |at: Time| When::new(at, now, view.zone);
    let canonical = || snapshot.credentials.iter().filter(|one| one.copy_of.is_none());
    let mut problems: Vec<(Severity, Problem)> = canonical()
        .filter(|one| one.judgement.severity >= Severity::Warning)
        .map(|one| (one.judgement.severity, credential_problem(one, now, view.zone)))
        .collect();
    problems.extend(canonical().filter_map(|one| running_out(one, snapshot, now)));
    problems.extend(
        snapshot.findings.iter().filter(|f| f.severity >= Severity::Warning).map(|f| (f.severity, finding_problem(f))),
    );
    // Stable: credentials before findings, soonest first, within a severity.
    problems.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    let withheld = view.withheld(now);
    let gateway_down = snapshot.gateway.state == GatewayState::Down;
    let worst = problems.first().map_or(Severity::None, |(severity, _)| *severity);
    Page {
        version: env!("CARGO_PKG_VERSION"),
        host: snapshot.host.clone(),
        taken: when(snapshot.taken_at),
        overall: match worst {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            _ if gateway_down => "warning",
            _ => "ok",
        },
        notes: view.notes.iter().cloned().chain(snapshot.clock_problem.clone()).collect(),
        problems: problems.into_iter().map(|(_, problem)| problem).collect(),
        credentials: canonical().map(|one| row(one, &when)).collect(),
        incidents: view
            .standing
            .incidents
            .iter()
            .map(|one| incident_row(one, withheld.get(&one.id), view.zone, now))
            .collect(),
        silences: view.standing.silences.iter().map(|one| silence_row(one, &when, now)).collect(),
        receivers: view.standing.receivers.iter().map(|one| receiver_row(one, &when)).collect(),
        pushes: view.standing.pushes.iter().map(|one| push_row(one, &when)).collect(),
        findings: snapshot.findings.iter().filter(|f| f.severity < Severity::Warning).map(finding_problem).collect(),
        sources: snapshot
            .sources
            .iter()
            .map(|s| SourceRow { name: s.source.clone(), up: s.up, credentials: s.credentials })
            .collect(),
        gateway: GatewayRow { state: snapshot.gateway.state.word(), detail: snapshot.gateway.detail.clone() },
    }
}

fn credential_problem(one: &Assessed, now: Time, zone: Zone) -> Problem {
    let judgement = &one.judgement;
    let date = judgement.expires.map(|at| {
        let when = When::new(at, now, zone);
        format!(" — {} ({})", when.relative, when.absolute)
    });
    Problem {
        severity: judgement.severity.word(),
        what: format!(
            "{} is {}{}",
            one.credential.id,
            judgement.state.word().replace('_', " "),
            date.unwrap_or_default()
        ),
        place: one.credential.origin.path.as_ref().map(|p| p.display().to_string()).unwrap_or_default(),
        because: judgement.because.clone(),
        fix: judgement.fix.clone().unwrap_or_default(),
    }
}

/// The balance behind a credential that works runs out before long.
fn running_out(one: &Assessed, snapshot: &Snapshot, now: Time) -> Option<(Severity, Problem)> {
    let (severity, what) = runway::alarm(one, snapshot, now)?;
    let problem = Problem {
        severity: severity.word(),
        what,
        place: String::new(),
        because: vec!["its balance, since the last top-up".to_owned()],
        fix: format!("Add credit to the {} account.", one.credential.provider),
    };
    Some((severity, problem))
}

fn finding_problem(finding: &Finding) -> Problem {
    Problem {
        severity: finding.severity.word(),
        what: finding.message.clone(),
        place: finding.place.to_string(),
        because: vec![finding.id.clone()],
        fix: finding.fix.clone(),
    }
}

fn row(one: &Assessed, when: &impl Fn(Time) -> When) -> Row {
    let balance = one.allowance.as_ref().and_then(|allowance| allowance.balance.as_ref());
    let runway = one.allowance.as_ref().and_then(|allowance| allowance.runway);
    let day = |at: Time| when(at).absolute;
    Row {
        id: one.credential.id.to_string(),
        provider: one.credential.provider.clone(),
        kind: one.credential.kind.word(),
        state: one.judgement.state.word(),
        severity: one.judgement.severity.word(),
        in_use: one.judgement.in_use,
        expires: one.judgement.expires.map(when),
        balance: balance.map(ToString::to_string),
        spent: runway.map(|runway| when(runway.ends)),
        spent_between: runway.map(|runway| {
            let latest =
                runway.latest.map_or_else(|| "perhaps never".to_owned(), |at| format!("at the latest {}", day(at)));
            format!("at the earliest {}, {latest}", day(runway.earliest))
        }),
        because: one.judgement.because.clone(),
        copies: one.copies.iter().map(ToString::to_string).collect(),
    }
}

fn incident_row(one: &Incident, withheld: Option<&Withheld>, zone: Zone, now: Time) -> IncidentRow {
    IncidentRow {
        name: one.name.clone(),
        subject: one.subject.as_str().to_owned(),
        severity: one.severity.word(),
        status: alerts::status(one, withheld),
        why: withheld.map(|why| alerts::why(why, now, zone)),
        since: When::new(one.since, now, zone),
        told: one.told.keys().cloned().collect(),
    }
}

fn silence_row(one: &Silence, when: &impl Fn(Time) -> When, now: Time) -> SilenceRow {
    SilenceRow {
        matchers: one.matchers_text(),
        state: alerts::silence_state(one, now),
        starts: when(one.starts_at),
        ends: when(one.ends_at),
        author: one.author.clone(),
        comment: one.comment.clone(),
    }
}

fn receiver_row(one: &ReceiverHealth, when: &impl Fn(Time) -> When) -> ReceiverRow {
    ReceiverRow {
        name: one.name.clone(),
        channel: one.channel,
        queued: one.queued,
        oldest: one.oldest_queued.map(when),
        last_success: one.last_success.map(when),
        last_error: one.last_error.clone(),
        next_try: one.quarantined.map(when),
    }
}

fn push_row(one: &PushHealth, when: &impl Fn(Time) -> When) -> PushRow {
    PushRow {
        name: one.name.clone(),
        kind: one.kind,
        failing: one.failing_since.map(when),
        last_success: one.last_success.map(when),
        last_error: one.last_error.clone(),
    }
}

impl When {
    fn new(at: Time, now: Time, zone: Zone) -> Self {
        Self {
            relative: relative(at - now),
            absolute: at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string(),
            machine: at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }
    }
}

/// `in 3 d 4 h`, `2 min ago`: the two largest units, rounded down.
fn relative(span: Span) -> String {
    let seconds = span.num_seconds().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    };
    if span < Span::zero() { format!("{text} ago") } else { format!("in {text}") }
}

/// The page as HTML.
#[must_use]
pub fn render(page: &Page) -> String {
    static TEMPLATES: OnceLock<Environment<'static>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(|| {
        let mut templates = Environment::new();
        // The name decides: minijinja escapes in templates whose name ends in .html, and in no other.
        templates
            .add_template("page.html", include_str!("templates/page.html"))
            .expect("the embedded template is valid");
        templates
    });
    let template = templates.get_template("page.html").expect("added above");
    template
        .render(minijinja::Value::from(minijinja::value::Serde(page)))
        .expect("the template uses only what the page has")
}

#[cfg(test)]
#[path = "page_tests.rs"]
pub(in crate::web) mod tests;
