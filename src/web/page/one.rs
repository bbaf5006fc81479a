//! The page of one credential: `credentials explain` with its drawings, its history and its incidents. PURE.

use serde::Serialize;
use serde_json::Value;

use super::super::api::Past;
use super::rows::{self, IncidentRow};
use super::templates::Shell;
use super::words::{Fix, Reader, When};
use super::{Named, Row, charts, named};
use crate::domain::{Incident, IncidentStatus, Severity, Subject, Time};
use crate::engine::runway;
use crate::output::explain;
use crate::web::site::View;

/// As many changes are listed.
const CHANGES: usize = 50;

#[derive(Serialize)]
pub(in crate::web) struct One {
    shell: Shell,
    taken: When,
    row: Row,
    account: Option<String>,
    place: Option<String>,
    copy_of: Option<Named>,
    rule: String,
    facts: Vec<FactRow>,
    changes: Vec<String>,
    advice: Option<Fix>,
    /// It need not be done now.
    later: bool,
    findings: Vec<FindingRow>,
    incidents: Vec<IncidentRow>,
    history: Vec<PastRow>,
    earlier: usize,
}

#[derive(Serialize)]
struct FactRow {
    name: String,
    value: String,
    at: Option<When>,
    from: String,
    since: Option<When>,
}

#[derive(Serialize)]
struct FindingRow {
    severity: String,
    word: String,
    message: String,
    fix: Option<Fix>,
}

#[derive(Serialize)]
struct PastRow {
    at: When,
    state: String,
    severity: &'static str,
    shade: &'static str,
    word: String,
    expires: Option<When>,
    /// A new login or key.
    renewed: bool,
}

/// `None` if there is no such credential.
pub(in crate::web) fn one(view: &View, id: &str, past: &Past, shell: Shell, reader: &Reader<'_>) -> Option<One> {
    let snapshot = &view.snapshot;
    let assessed = snapshot.credentials.iter().find(|one| one.credential.id.as_str() == id)?;
    let credential = &assessed.credential;
    let mut before: Vec<explain::Past> = past
        .changes
        .iter()
        .map(|change| explain::Past { at: change.at, state: change.state, severity: change.severity })
        .collect();
    before.dedup_by_key(|past| (past.state, past.severity));
    let subject = explain::Subject { snapshot, assessed, first_seen: None, history: &before };
    // The contract is the view model: what the command prints as JSON is what is shown.
    let text = explain::json(&subject, Some(&view.home)).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let about = Subject::Credential(credential.id.clone());
    let withheld = view.withheld(reader.now);
    let ours = |one: &&Incident| one.subject == about && one.status != IncidentStatus::Resolved;
    let judgement = &assessed.judgement;
    let running_out = runway::alarm(assessed, snapshot, reader.now).map(|(severity, _)| severity);
    let fix = judgement.fix.clone().or(running_out.map(|_| runway::top_up(&assessed.credential.provider)));
    let severity = judgement.severity.max(running_out.unwrap_or(Severity::None));
    let mood = if severity >= Severity::Warning { severity.word() } else { charts::shade(judgement.state, severity) };
    Some(One {
        shell: shell.titled(id, mood),
        taken: reader.when(snapshot.taken_at),
        row: super::credential(assessed, past, reader),
        account: credential.account.clone(),
        place: credential.origin.path.as_ref().map(|path| reader.path(path)),
        copy_of: assessed.copy_of.as_ref().map(named),
        rule: reader.say(text_of(&document["rule"]["text"])),
        facts: list(&document["facts"]).map(|fact| fact_row(fact, reader)).collect(),
        changes: list(&document["changes"]).map(|line| reader.say(text_of(line))).collect(),
        advice: reader.fix(fix.as_ref().unwrap_or(&credential.fix)),
        later: fix.is_none(),
        findings: list(&document["findings"])
            .map(|finding| FindingRow {
                severity: text_of(&finding["severity"]).to_owned(),
                word: reader.say(match text_of(&finding["severity"]) {
                    "info" => "note",
                    worse => worse,
                }),
                message: reader.say(text_of(&finding["message"])),
                fix: reader.fix(text_of(&finding["fix"])),
            })
            .collect(),
        incidents: view
            .standing
            .incidents
            .iter()
            .filter(ours)
            .map(|one| rows::incident(one, withheld.get(&one.id), reader))
            .collect(),
        history: history(past, reader),
        earlier: past.changes.len().saturating_sub(CHANGES),
    })
}

/// Newest first.
fn history(past: &Past, reader: &Reader<'_>) -> Vec<PastRow> {
    let changes = &past.changes;
    let before = |index: usize| index.checked_sub(1).and_then(|index| changes.get(index));
    let rows = changes.iter().enumerate().rev().take(CHANGES).map(|(index, change)| PastRow {
        at: reader.when(change.at),
        state: reader.state(change.state),
        severity: change.severity.word(),
        shade: charts::shade(change.state, change.severity),
        word: reader.severity(change.severity),
        expires: change.expires.map(|at| reader.when(at)),
        renewed: before(index).is_some_and(|before| before.generation != change.generation),
    });
    rows.collect()
}

fn fact_row(fact: &Value, reader: &Reader<'_>) -> FactRow {
    let value = text_of(&fact["value"]);
    let at = value.parse::<Time>().ok();
    FactRow {
        name: reader.say(text_of(&fact["name"])),
        value: if at.is_some() { String::new() } else { reader.say(value) },
        at: at.map(|at| reader.when(at)),
        from: reader.say(text_of(&fact["from"])),
        since: fact["knownSince"].as_str().and_then(|at| at.parse().ok()).map(|at| reader.when(at)),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
