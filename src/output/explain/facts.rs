//! Every fact about one credential, where it comes from, and since when it is known.

use super::{DECLARED_END, DECLARED_USE, Subject, when};
use crate::domain::{Basis, BenchKind, Condition, Credential, Owner, Renewal, Selection, Time, Verdict, VerdictKind};

/// One fact. Instants in `value` are in UTC, as in all lines that travel.
pub(super) struct Fact {
    pub name: &'static str,
    pub value: String,
    /// The value is this instant.
    pub instant: Option<Time>,
    pub from: String,
    /// Since when it is known, if that is not just now.
    pub since: Since,
}

pub(super) fn facts(subject: &Subject<'_>) -> Vec<Fact> {
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
        None => add("place", credential.origin.source.to_string(), "read just now", None),
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
    if let Some(used) = credential.declared_in_use {
        let said = |note: &String| DECLARED_USE.contains(&note.as_str());
        let by_hand = credential.owner == Owner::Declared || credential.notes.iter().any(said);
        let (name, from) = if by_hand { ("declared", "monitor.toml") } else { ("counted as", "how it is kept there") };
        add(name, if used { "in use" } else { "not in use" }.to_owned(), from, None);
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
        // Where there is no way to ask, nobody was asked.
        Some(verdict) if verdict.kind == VerdictKind::Unverifiable => {
            add("answer", answer(verdict), &credential.provider, Some(("looked at", verdict.at)));
        }
        Some(verdict) => add("answer", answer(verdict), &credential.provider, Some(("asked", verdict.at))),
        None => add("answer", "none is remembered".to_owned(), "the monitor's state, for a day", None),
    }
    facts.extend(allowance(subject));
    facts.extend(dates(subject, &source));
    let bands = [("warning from", judgement.warn_at), ("critical from", judgement.critical_at)];
    for (name, at) in bands {
        facts.extend(at.map(|at| instant(name, at, "[thresholds] and what is known of its lifetime", None)));
    }
    facts
}

/// Since when something is known, and by what.
pub(super) type Since = Option<(&'static str, Time)>;

fn instant(name: &'static str, at: Time, from: &str, since: Since) -> Fact {
    Fact { name, value: String::new(), instant: Some(at), from: from.to_owned(), since }
}

/// What its provider said is left.
fn allowance(subject: &Subject<'_>) -> Vec<Fact> {
    let Some(allowance) = &subject.assessed.allowance else { return Vec::new() };
    let provider = &subject.assessed.credential.provider;
    let said = |name, value| {
        let since = allowance.at.map(|at| ("asked", at));
        Fact { name, value, instant: None, from: provider.clone(), since }
    };
    let mut facts: Vec<Fact> = allowance.balance.iter().map(|balance| said("balance", balance.to_string())).collect();
    if let Some(runway) = allowance.runway {
        let latest = runway.latest.map_or_else(|| "maybe never".to_owned(), |at| format!("at the latest {}", when(at)));
        let from = format!("its history since the last top-up; at the earliest {}, {latest}", when(runway.earliest));
        facts.push(instant("balance ends about", runway.ends, &from, None));
    }
    for quota in &allowance.quota {
        let until = quota.resets_at.map(|at| format!(", begins anew {}", when(at))).unwrap_or_default();
        facts.push(said("quota", format!("{:.0} % of {} used{until}", quota.used_ratio * 100.0, quota.window)));
    }
    facts
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
        ("last renewed", clocks.last_renewed, "its owner, or a renewal that was witnessed", changed),
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
        None => match credential.origin.source.as_ref() {
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
        Condition::Retired(why) => format!("of no use any more: {why}"),
    }
}

fn answer(verdict: &Verdict) -> String {
    let word = verdict.kind.word().replace('_', " ");
    if verdict.detail.is_empty() { word } else { format!("{word}: {}", verdict.detail) }
}
