//! `credentials explain`: every fact about one credential, where it comes from and how old it is, the rule that led to its
//! state, what would change it, and what to run. Pure; never a secret, whose only trace is whether there is one.

mod facts;
mod rules;

use std::path::Path;

use crate::domain::Zone;
use anstyle::Style;
use chrono::SecondsFormat;
use serde::Serialize;

use super::status::lines::{clean, relative, shortened, wrap};
use super::wording::{is_command, localised, marks, spoken};
use crate::domain::{Assessed, Finding, Lang, Severity, Snapshot, State, Time};
use facts::facts;
use rules::{Rule, changes, rule};

/// The note of a credential whose end a person declared.
pub const DECLARED_END: &str = "its end was declared in monitor.toml";

/// The notes of a credential of which a person said whether it is used.
pub const DECLARED_USE: [&str; 2] = ["monitor.toml says that nothing uses it", "monitor.toml says that it is used"];

/// What it was before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Since when.
    pub at: Time,
    /// Its state.
    pub state: State,
    /// How bad that was.
    pub severity: Severity,
}

/// Everything known of one credential.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The instant, the host, the gateway, the findings.
    pub snapshot: &'a Snapshot,
    /// Which one.
    pub assessed: &'a Assessed,
    /// When our ledger first saw its secret.
    pub first_seen: Option<Time>,
    /// What the monitor has recorded of it, oldest first.
    pub history: &'a [Past],
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// The reader's zone.
    pub zone: Zone,
    /// Shortened to `~`.
    pub home: Option<&'a Path>,
    /// The reader's language.
    pub lang: Lang,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    taken_at: String,
    id: &'a str,
    provider: &'a str,
    kind: &'static str,
    renewal: &'static str,
    state: &'static str,
    severity: &'static str,
    in_use: bool,
    copy_of: Option<&'a str>,
    copies: Vec<&'a str>,
    rule: Rule,
    because: Vec<String>,
    facts: Vec<FactEntry>,
    changes: Vec<String>,
    fix: String,
    findings: Vec<FindingEntry<'a>>,
    history: Vec<PastEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FactEntry {
    name: &'static str,
    value: String,
    from: String,
    known_since: Option<String>,
    age_seconds: Option<i64>,
}

#[derive(Serialize)]
struct FindingEntry<'a> {
    id: &'a str,
    severity: &'static str,
    message: &'a str,
    fix: &'a str,
}

#[derive(Serialize)]
struct PastEntry {
    at: String,
    state: &'static str,
    severity: &'static str,
}

/// The document of `credentials explain --json`.
///
/// # Errors
/// Never for these types; the signature is that of the serialiser.
pub fn json(subject: &Subject<'_>, home: Option<&Path>) -> serde_json::Result<String> {
    let Subject { snapshot, assessed, .. } = *subject;
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let short = |text: &str| shortened(text, home);
    let facts = facts(subject).into_iter().map(|fact| FactEntry {
        name: fact.name,
        value: fact.instant.map_or_else(|| short(&fact.value), rfc3339),
        from: short(&fact.from),
        known_since: fact.since.map(|(_, at)| rfc3339(at)),
        age_seconds: fact.since.map(|(_, at)| (snapshot.taken_at - at).num_seconds()),
    });
    let document = Document {
        schema: "opensoul.credential/v1",
        taken_at: rfc3339(snapshot.taken_at),
        id: credential.id.as_str(),
        provider: &credential.provider,
        kind: credential.kind.word(),
        renewal: credential.renewal.word(),
        state: judgement.state.word(),
        severity: judgement.severity.word(),
        in_use: judgement.in_use,
        copy_of: assessed.copy_of.as_ref().map(|id| id.as_str()),
        copies: assessed.copies.iter().map(|id| id.as_str()).collect(),
        rule: rule(assessed, snapshot),
        because: judgement.because.iter().map(|line| short(line)).collect(),
        facts: facts.collect(),
        changes: changes(subject).iter().map(|line| short(line)).collect(),
        fix: short(judgement.fix.as_deref().unwrap_or(&credential.fix)),
        findings: findings(subject)
            .map(|one| FindingEntry {
                id: &one.id,
                severity: one.severity.word(),
                message: &one.message,
                fix: &one.fix,
            })
            .collect(),
        history: subject
            .history
            .iter()
            .map(|past| PastEntry { at: rfc3339(past.at), state: past.state.word(), severity: past.severity.word() })
            .collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The explanation for people, at any width from 24 columns on. With styles.
#[must_use]
pub fn text(subject: &Subject<'_>, options: &Options<'_>) -> String {
    let Subject { snapshot, assessed, history, .. } = *subject;
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let width = options.width.clamp(24, 120);
    let now = snapshot.taken_at;
    let local = |time: Time| time.with_timezone(&options.zone).format("%Y-%m-%d %H:%M").to_string();
    let said = |text: &str| spoken(options.lang, text.to_owned());
    let (joins, leads) = marks(options.lang);
    let read = |line: &str| localised(&shortened(&said(line), options.home), &local);
    let near = |time: Time| said(&format!("{} ({})", local(time), relative(time, now)));
    let bold = Style::new().bold();
    let mut out = format!("{bold}{}{bold:#}\n", clean(credential.id.as_str()));
    let used = if judgement.in_use { "in use" } else { "unused" };
    let mut state = vec![said(judgement.state.word())];
    state.extend((judgement.severity > Severity::None).then(|| said(judgement.severity.word())));
    let apart = if options.lang == Lang::Chinese { "；" } else { "; " };
    let about = format!("{}{apart}{}{joins}{}", state.join(joins), clean(&credential.provider), said(used));
    wrap(&mut out, &about, width, 2);

    let head = |out: &mut String, title: &str| out.push_str(&format!("\n{bold}{}{bold:#}\n", said(title)));
    head(&mut out, "Why");
    wrap(&mut out, &said(&format!("Rule: {}.", rule(assessed, snapshot).text)), width, 2);
    for line in &judgement.because {
        item(&mut out, &read(line), width);
    }
    head(&mut out, "Facts");
    for fact in facts(subject) {
        let value = fact.instant.map_or_else(|| read(&fact.value), near);
        wrap(&mut out, &format!("{}{leads}{value}", said(fact.name)), width, 2);
        let age = |(how, at)| format!("{joins}{}", said(&format!("{how} {}", relative(at, now))));
        let age = fact.since.map(age).unwrap_or_default();
        wrap(&mut out, &format!("{}{age}", read(&fact.from)), width, 6);
    }
    head(&mut out, "What would change it");
    for line in changes(subject) {
        item(&mut out, &read(&line), width);
    }
    let found: Vec<&Finding> = findings(subject).collect();
    if !found.is_empty() {
        head(&mut out, "Findings");
        for finding in found {
            let severity = said(finding.severity.word());
            wrap(&mut out, &format!("{severity} {}{leads}{}", finding.id, read(&finding.message)), width, 2);
        }
    }
    if !history.is_empty() {
        head(&mut out, "Before");
        // The last ones; all of them are in the JSON.
        for past in history.iter().rev().take(10) {
            let (state, severity) = (said(past.state.word()), said(past.severity.word()));
            wrap(&mut out, &format!("{} {state}{joins}{severity}", local(past.at)), width, 2);
        }
    }
    head(&mut out, if judgement.fix.is_some() { "What to run" } else { "What to run when it must be renewed" });
    let fix = shortened(judgement.fix.as_deref().unwrap_or(&credential.fix), options.home);
    let fix = clean(&fix);
    if is_command(&fix) {
        out.push_str(&format!("  {fix}\n"));
    } else {
        wrap(&mut out, &read(&fix), width, 2);
    }
    out
}

/// One of several points; further lines stand under its first word.
fn item(out: &mut String, text: &str, width: usize) {
    let start = out.len();
    wrap(out, text, width, 4);
    if out.len() > start {
        out.replace_range(start + 2..start + 3, "-");
    }
}

fn rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn when(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// Findings that name it, or are about its very place.
fn findings<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Finding> {
    let credential = &subject.assessed.credential;
    let (id, profile, path) = (credential.id.as_str(), credential.profile.as_str(), credential.origin.path.as_deref());
    subject.snapshot.findings.iter().filter(move |finding| {
        let place = &finding.place;
        let here = path.is_some()
            && place.path.as_deref() == path
            && place.key.as_deref().is_none_or(|key| key == profile || key.contains(profile));
        here || mentions(&finding.message, id)
    })
}

/// The id as a whole, not as the beginning of a longer one.
fn mentions(text: &str, id: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "-_/:@".contains(c);
    text.match_indices(id).any(|(at, _)| !text[..at].ends_with(part) && !text[at + id.len()..].starts_with(part))
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
