//! One line for Nagios, Icinga and whatever speaks their plugin language, with its exit code.

use super::{Overall, Report, originals};
use crate::domain::{Assessed, Severity, Snapshot, is_unprintable};
use crate::engine::runway;

/// The line (with more lines below it) and the exit code: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
#[must_use]
pub fn nagios(report: &Report<'_>) -> (String, u8) {
    let snapshot = report.snapshot;
    let (word, code) = match report.overall {
        Overall::Ok => ("OK", 0),
        Overall::Warning => ("WARNING", 1),
        Overall::Critical => ("CRITICAL", 2),
        Overall::Unknown => ("UNKNOWN", 3),
    };
    let mut problems: Vec<&Assessed> =
        originals(snapshot).filter(|a| a.judgement.severity >= Severity::Warning).collect();
    problems.sort_by_key(|a| std::cmp::Reverse(a.judgement.severity));
    let mut lines: Vec<String> = problems
        .iter()
        .map(|a| {
            let why = a.judgement.because.first().map_or("", String::as_str);
            format!("{} is {}: {why}", a.credential.id, a.judgement.state)
        })
        .collect();
    let now = snapshot.taken_at;
    lines.extend(originals(snapshot).filter_map(|one| Some(runway::alarm(one, snapshot, now)?.1)));
    let empty = snapshot.providers.iter().filter(|provider| provider.in_use && provider.total == 0);
    lines.extend(empty.map(|provider| format!("{}: in use, and there is no credential", provider.provider)));
    if lines.is_empty() {
        lines.clone_from(&report.check.reasons);
        lines.extend(snapshot.clock_problem.clone());
    }
    let used = originals(snapshot).filter(|a| a.judgement.in_use).count();
    let summary = match lines.first() {
        Some(first) if lines.len() > 1 => format!("{first} (and {} more)", lines.len() - 1),
        Some(first) => first.clone(),
        None => format!("{used} credentials in use, none needs anybody"),
    };
    let data: Vec<String> =
        originals(snapshot).filter(|a| a.judgement.in_use).filter_map(|a| datum(snapshot, a)).collect();
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    let mut out = format!("OPENSOUL {word} - {}{data}\n", plain(&summary));
    for line in lines.iter().skip(1) {
        out.push_str(&plain(line));
        out.push('\n');
    }
    (out, code)
}

/// `'label'=seconds;warn;crit`: seconds left, with ranges that alert below.
fn datum(snapshot: &Snapshot, assessed: &Assessed) -> Option<String> {
    let judgement = &assessed.judgement;
    let end = judgement.expires?;
    let left = (end - snapshot.taken_at).num_seconds();
    let band = |from: Option<crate::domain::Time>| {
        from.map(|from| format!("{}:", (end - from).num_seconds())).unwrap_or_default()
    };
    let label = plain(assessed.credential.id.as_str()).replace('\'', "''").replace('=', "_");
    Some(format!("'{label}'={left}s;{};{}", band(judgement.warn_at), band(judgement.critical_at)))
}

/// A pipe begins performance data and a line break a new line: neither may come from a text.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '|' {
                '¦'
            } else if is_unprintable(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}
