//! `credentials explain`: every fact about one credential, where it comes from and how old it is, the rule that led to its
//! state, what would change it, and what to run. Pure; never a secret, whose only trace is whether there is one.

use std::path::Path;

use anstyle::Style;
use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde::Serialize;

use super::status::lines::{clean, relative, shortened, wrap};
use super::wording::{is_command, localised};
use crate::domain::{
    Assessed, Basis, BenchKind, Condition, Credential, Finding, Renewal, Selection, Severity, Snapshot, Span, State,
    Time, Verdict, VerdictKind,
};

/// The note of a credential whose end a person declared.
pub const DECLARED_END: &str = "its end was declared in monitor.toml";

/// How long a conclusive answer counts (DESIGN §7).
const ANSWER_COUNTS: Span = Span::hours(24);

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
    pub zone: Tz,
    /// Shortened to `~`.
    pub home: Option<&'a Path>,
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

/// The rule that decided (DESIGN §7, *precedence*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Rule {
    id: &'static str,
    text: &'static str,
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

/// One fact. Instants in `value` are in UTC, as in all lines that travel.
struct Fact {
    name: &'static str,
    value: String,
    /// The value is an instant, too.
    instant: Option<Time>,
    from: String,
    /// Since when it is known, if that is not just now.
    since: Since,
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
    let read = |line: &str| localised(&shortened(line, options.home), &local);
    let near = |time: Time| format!("{} ({})", local(time), relative(time, now));
    let bold = Style::new().bold();
    let mut out = format!("{bold}{}{bold:#}\n", clean(credential.id.as_str()));
    let used = if judgement.in_use { "in use" } else { "unused" };
    let severity = match judgement.severity {
        Severity::None => String::new(),
        severity => format!(", {severity}"),
    };
    wrap(&mut out, &format!("{}{severity}; {}, {used}", judgement.state, clean(&credential.provider)), width, 2);

    let head = |out: &mut String, title: &str| out.push_str(&format!("\n{bold}{title}{bold:#}\n"));
    head(&mut out, "Why");
    wrap(&mut out, &format!("Rule: {}.", rule(assessed, snapshot).text), width, 2);
    for line in &judgement.because {
        item(&mut out, &read(line), width);
    }
    head(&mut out, "Facts");
    for fact in facts(subject) {
        let value = fact.instant.map_or_else(|| read(&fact.value), near);
        wrap(&mut out, &format!("{}: {value}", fact.name), width, 2);
        let age = fact.since.map(|(how, at)| format!(", {how} {}", relative(at, now))).unwrap_or_default();
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
            wrap(&mut out, &format!("{} {}: {}", finding.severity, finding.id, read(&finding.message)), width, 2);
        }
    }
    if !history.is_empty() {
        head(&mut out, "Before");
        // The last ones; all of them are in the JSON.
        for past in history.iter().rev().take(10) {
            wrap(&mut out, &format!("{} {}, {}", local(past.at), past.state, past.severity), width, 2);
        }
    }
    head(&mut out, if judgement.fix.is_some() { "What to run" } else { "What to run when it must be renewed" });
    let fix = clean(&shortened(judgement.fix.as_deref().unwrap_or(&credential.fix), options.home));
    if is_command(&fix) {
        out.push_str(&format!("  {fix}\n"));
    } else {
        wrap(&mut out, &fix, width, 2);
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

/// Which rule decided, in the order in which they are asked.
fn rule(assessed: &Assessed, snapshot: &Snapshot) -> Rule {
    let (credential, state) = (&assessed.credential, assessed.judgement.state);
    let answered =
        |kinds: &[VerdictKind]| assessed.verdict.as_ref().is_some_and(|verdict| kinds.contains(&verdict.kind));
    let assumed = credential.clocks.grant_basis == Some(Basis::Assumed);
    let (id, text) = match (state, &credential.condition) {
        (State::Missing, _) => ("secret.absent", "without a secret nothing works"),
        (State::Unreadable, _) => ("secret.unreadable", "what cannot be read is neither well nor ended"),
        (State::Unknown, Condition::Damaged(_)) => ("secret.damaged", "what means nothing is not guessed at"),
        (State::Unknown, _) if snapshot.clock_problem.is_some() => ("clock", "a wrong clock judges no date"),
        (State::Unknown, _) => ("unknown", "nothing is known that would decide"),
        (State::Rejected | State::Billing | State::Forbidden | State::Limited | State::Retired, _) => {
            ("provider", "what the provider said last counts, for a day")
        }
        (State::Expired, _) if answered(&[VerdictKind::Expired]) => {
            ("provider", "what the provider said last counts, for a day")
        }
        (State::Expired, _) => ("end.passed", "its date has passed, and nobody renews it by itself"),
        (State::RefreshOverdue, _) => {
            ("renewal.overdue", "its owner was active after it should have renewed it, and did not")
        }
        (State::Expiring, _) if assumed => ("end.assumed", "an assumed end is a warning and never more"),
        (State::Expiring, _) => ("end.near", "its end is inside the warning band of [thresholds]"),
        (State::Ok, _) if credential.renewal == Renewal::Auto => {
            ("renewal.auto", "its owner renews it when it is used: a passed access token alone is no problem")
        }
        (State::Ok, _) => ("end.far", "its end is beyond the warning band of [thresholds]"),
        (State::Static, _) => ("end.none", "no end is known: it works until somebody says otherwise"),
    };
    Rule { id, text }
}

fn facts(subject: &Subject<'_>) -> Vec<Fact> {
    let assessed = subject.assessed;
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let source = source(credential);
    let changed = credential.origin.modified.map(|at| ("changed", at));
    let mut facts = Vec::new();
    let mut add = |name, value: String, from: &str, since| {
        facts.push(Fact { name, value, instant: None, from: from.to_owned(), since });
    };
    match &credential.origin.path {
        Some(path) => add("place", path.display().to_string(), "read just now", changed),
        None => add("place", credential.origin.source.clone(), "read just now", None),
    }
    add("secret", condition(credential), &source, changed);
    add("kind", format!("{}, renewal {}", credential.kind.word(), credential.renewal.word()), &source, changed);
    if let Some(account) = &credential.account {
        add("account", account.clone(), "its owner's files", None);
    }
    let order = "its order, read just now";
    match &credential.selection {
        Selection::NotApplicable => {}
        Selection::Eligible(0) => add("gateway", "would use it first".to_owned(), order, None),
        Selection::Eligible(n) => add("gateway", format!("number {} in its order", n + 1), order, None),
        Selection::Excluded(why) => add("gateway", format!("does not use it: {why}"), order, None),
    }
    if let Some(bench) = &credential.bench {
        let what = match bench.kind {
            BenchKind::Cooldown => "rests it",
            BenchKind::Disabled => "has disabled it",
        };
        let reason = bench.reason.as_deref().unwrap_or("no reason given");
        add("gateway", format!("{what} until {} ({reason})", when(bench.until)), &source, changed);
    }
    if let Some(declared) = credential.declared_in_use {
        let value = if declared { "in use" } else { "not in use" };
        add("declared", value.to_owned(), "monitor.toml", None);
    }
    let compared = "the same login or secret, compared by keyed hash";
    if let Some(original) = &assessed.copy_of {
        add("copy of", original.to_string(), compared, None);
    }
    if !assessed.copies.is_empty() {
        let ids: Vec<&str> = assessed.copies.iter().map(|id| id.as_str()).collect();
        add("copies", ids.join(", "), compared, None);
    }
    match &assessed.verdict {
        Some(verdict) => add("answer", answer(verdict), &credential.provider, Some(("asked", verdict.at))),
        None => add("answer", "none is remembered".to_owned(), &credential.provider, None),
    }
    facts.extend(dates(subject, &source));
    let bands = [("warning from", judgement.warn_at), ("critical from", judgement.critical_at)];
    for (name, at) in bands {
        facts.extend(at.map(|at| instant(name, at, "[thresholds] and what is known of its lifetime", None)));
    }
    facts
}

/// Since when something is known, and by what.
type Since = Option<(&'static str, Time)>;

fn instant(name: &'static str, at: Time, from: &str, since: Since) -> Fact {
    Fact { name, value: String::new(), instant: Some(at), from: from.to_owned(), since }
}

fn dates(subject: &Subject<'_>, source: &str) -> Vec<Fact> {
    let credential = &subject.assessed.credential;
    let (clocks, activity) = (&credential.clocks, &credential.activity);
    let changed = credential.origin.modified.map(|at| ("changed", at));
    let asked = subject.assessed.verdict.as_ref().map(|verdict| ("asked", verdict.at));
    let assumed = clocks.grant_basis == Some(Basis::Assumed);
    let by_hand = credential.notes.iter().any(|note| note == DECLARED_END);
    let (grant_from, grant_since) = match clocks.grant_basis {
        Some(Basis::Assumed) => {
            ("assumed; neither a file nor the provider says so", subject.first_seen.map(|at| ("first seen", at)))
        }
        Some(Basis::Decoded) => ("written in the token itself", changed),
        Some(Basis::Server) => ("the provider", asked),
        Some(Basis::Declared) | None if by_hand => ("declared in monitor.toml", None),
        Some(Basis::Declared) | None => (source, changed),
    };
    let rows = [
        ("access token ends", clocks.access_expires, source, changed),
        ("renewal due", clocks.refresh_due, source, changed),
        ("login or key ends", clocks.grant_expires, grant_from, grant_since),
        (
            "issued",
            clocks.issued.filter(|_| !assumed),
            "its owner, monitor.toml, or a renewal that was witnessed",
            None,
        ),
        ("last renewed", clocks.last_renewed, source, changed),
        ("last used", activity.last_used, source, changed),
        ("last failure", activity.last_failure, source, changed),
        ("owner's files changed", activity.owner_changed, "the file system", None),
        ("secret first seen", subject.first_seen, "the monitor's ledger", None),
    ];
    let mut facts: Vec<Fact> =
        rows.into_iter().filter_map(|(name, at, from, since)| Some(instant(name, at?, from, since))).collect();
    let own = clocks.grant_expires.or(clocks.access_expires.filter(|_| credential.renewal != Renewal::Auto));
    if let Some(at) = subject.assessed.judgement.expires.filter(|at| own.is_none_or(|own| own != *at)) {
        facts.push(instant("date that counts", at, "a place that holds the same login or secret", None));
    }
    facts
}

fn source(credential: &Credential) -> String {
    match &credential.origin.path {
        Some(path) => {
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
        }
        None => match credential.origin.source.as_str() {
            "declared" => "monitor.toml".to_owned(),
            "env" => "this environment".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn condition(credential: &Credential) -> String {
    match &credential.condition {
        Condition::Present if credential.fingerprint.is_none() => "not here, only declared".to_owned(),
        Condition::Present if credential.refresh_fingerprint.is_some() => "there, with a refresh token".to_owned(),
        Condition::Present => "there".to_owned(),
        Condition::Blanked => "emptied by its owner (logged out)".to_owned(),
        Condition::Absent(what) => format!("absent: {what}"),
        Condition::Unresolved(what) => format!("elsewhere, and not found there: {what}"),
        Condition::Unreadable(why) => format!("cannot be read: {why}"),
        Condition::Damaged(what) => format!("cannot be judged: {what}"),
    }
}

fn answer(verdict: &Verdict) -> String {
    let word = verdict.kind.word().replace('_', " ");
    if verdict.detail.is_empty() { word } else { format!("{word}: {}", verdict.detail) }
}

/// What would make the judgement another one.
fn changes(subject: &Subject<'_>) -> Vec<String> {
    let Subject { snapshot, assessed, .. } = *subject;
    let (credential, judgement) = (&assessed.credential, &assessed.judgement);
    let (id, now) = (&credential.id, snapshot.taken_at);
    let mut lines = Vec::new();
    if let Some(original) = &assessed.copy_of {
        lines
            .push(format!("whatever changes {original}, which stands for it: opensoul credentials explain {original}"));
    }
    let assumed = credential.clocks.grant_basis == Some(Basis::Assumed);
    if matches!(judgement.state, State::Ok | State::Static | State::Expiring | State::Limited) {
        let steps = [
            (judgement.warn_at, "a warning"),
            (judgement.critical_at.filter(|_| !assumed), "critical if nothing else is left"),
        ];
        for (at, what) in steps {
            lines.extend(at.filter(|at| *at > now).map(|at| format!("time: from {} it is {what}", when(at))));
        }
        lines.extend(
            judgement.expires.filter(|at| *at > now && !assumed).map(|at| format!("time: {} it ends", when(at))),
        );
    }
    lines.extend(of_state(assessed, snapshot));
    if assumed || judgement.state == State::Static {
        lines.push(format!("its real end, if you know it: opensoul credentials declare --for '{id}' --expires DATE"));
    }
    if let Some(bench) = credential.bench.as_ref().filter(|bench| bench.until > now) {
        lines.push(format!("time: {} its gateway tries it again", when(bench.until)));
    }
    if !judgement.in_use {
        lines.push(format!(
            "use: a configured model of {}, activity of its tool, or in_use = true in a [[declared]] for it",
            credential.provider
        ));
    } else if judgement.severity > Severity::None {
        lines.push("being unused: it would then be worth knowing, and alert nobody".to_owned());
    }
    if assessed.verdict.is_none() && credential.condition == Condition::Present && credential.fingerprint.is_some() {
        lines.push("an answer of the provider: opensoul status --probe".to_owned());
    }
    lines
}

fn of_state(assessed: &Assessed, snapshot: &Snapshot) -> Option<String> {
    let credential = &assessed.credential;
    Some(match assessed.judgement.state {
        State::Ok if credential.renewal == Renewal::Auto => {
            "a refused renewal, or signs that it was used after its access token ended and was not renewed".to_owned()
        }
        State::Ok | State::Static | State::Expiring => "a refusal by the provider".to_owned(),
        State::Expired => "a new login or key with a later end, or a provider that accepts it all the same".to_owned(),
        State::RefreshOverdue => "a renewal by its owner".to_owned(),
        State::Missing => "a new login or key in its place".to_owned(),
        State::Unreadable => "being readable".to_owned(),
        State::Unknown if snapshot.clock_problem.is_some() => "a clock that is right".to_owned(),
        State::Unknown => "an entry that means something".to_owned(),
        State::Rejected | State::Billing | State::Forbidden | State::Limited | State::Retired => {
            let until = assessed.verdict.as_ref().map(|verdict| when(verdict.at + ANSWER_COUNTS));
            let until = until.map(|until| format!(", or time: after {until} this answer does not count any more"));
            format!("a new secret, or another answer{}", until.unwrap_or_default())
        }
    })
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
