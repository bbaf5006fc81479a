//! Checkmk local checks: one service for each provider in use, and one for the machine as a whole.

use super::{Overall, Report, originals};
use crate::domain::{Assessed, Severity, is_unprintable};

/// One line a service: `state "name" metrics text`.
#[must_use]
pub fn checkmk(report: &Report<'_>) -> String {
    let snapshot = report.snapshot;
    let mut out = String::new();
    for provider in snapshot.providers.iter().filter(|provider| provider.in_use) {
        let mut members: Vec<&Assessed> =
            originals(snapshot).filter(|a| a.credential.provider == provider.provider && a.judgement.in_use).collect();
        members.sort_by_key(|a| std::cmp::Reverse(a.judgement.severity));
        let worst = members.iter().map(|a| a.judgement.severity).max().unwrap_or_default();
        let state = match worst {
            _ if !provider.state.is_usable() => 2,
            Severity::Critical => 2,
            Severity::Warning => 1,
            Severity::Info | Severity::None => 0,
        };
        let worst = members.first().filter(|a| a.judgement.severity >= Severity::Warning);
        let text = match worst {
            Some(a) => {
                let why = a.judgement.because.first().map_or("", String::as_str);
                format!("{} is {}: {why}", a.credential.id, a.judgement.state)
            }
            None => format!("{}, {} of {} usable", provider.state, provider.usable, provider.total),
        };
        // The end that the provider lives until: that of its longest.
        let last = members.iter().filter(|a| a.judgement.state.is_usable()).map(|a| a.judgement.expires);
        let left =
            last.max_by_key(|end| (end.is_none(), *end)).flatten().map(|end| (end - snapshot.taken_at).num_seconds());
        let metrics = left.map_or_else(|| "-".to_owned(), |left| format!("seconds_left={left}"));
        out.push_str(&format!("{state} \"OpenSoul {}\" {metrics} {}\n", quoted(&provider.provider), plain(&text)));
    }
    let (state, fallback) = match report.overall {
        Overall::Ok => (0, "everything in use works"),
        Overall::Warning => (1, "somebody should act"),
        Overall::Critical => (2, "something does not work"),
        Overall::Unknown => (3, "something hides the answer"),
    };
    let reasons = report.check.reasons.join("; ");
    let text = if reasons.is_empty() { fallback } else { &reasons };
    let count = originals(snapshot).count();
    out.push_str(&format!("{state} \"OpenSoul credentials\" credentials={count} {}\n", plain(text)));
    out
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

fn quoted(text: &str) -> String {
    plain(text).replace('"', "'")
}
