//! `[[escalation]]`, `[[maintenance]]`, `[quiet_hours]` and `[digest]`: tree → the engine's policies. Pure.

use std::collections::BTreeSet;

use chrono::NaiveTime;

use super::receivers::{named, severity_of};
use super::sections::zone;
use super::tree::{Table, shown};
use super::values;
use crate::domain::{Matcher, Severity, Span, Zone};
use crate::engine::policy::{Escalation, Maintenance, QuietHours, Report, Rhythm, Route, Schedule};
use crate::engine::{due, silences};

/// `[[escalation]]`; `names` are the receivers that exist.
pub(super) fn escalation(root: &mut Table<'_>, names: &BTreeSet<String>) -> Vec<Escalation> {
    let mut steps = Vec::new();
    for mut table in root.tables("escalation") {
        let after = span(&mut table, "after", "\"30m\"");
        let severity = match table.texts("severity") {
            Some(words) => words.into_iter().filter_map(|word| severity_of(&table, word)).collect(),
            None => vec![Severity::Critical],
        };
        let (providers, subjects) = (plain(&mut table, "providers"), plain(&mut table, "subjects"));
        let receivers = table.texts("receivers");
        let receivers = named(&table, receivers, names);
        table.finish();
        if let Some(after) = after {
            steps.push(Escalation { after, to: Route { severity, providers, subjects, receivers, proceed: false } });
        }
    }
    steps
}

/// `[[maintenance]]`
pub(super) fn maintenance(root: &mut Table<'_>, local: Zone) -> Vec<Maintenance> {
    let mut windows = Vec::new();
    for mut table in root.tables("maintenance") {
        let name = table.text("name").map(|text| text.value.trim().to_owned()).filter(|name| !name.is_empty());
        let zone = zone(&mut table).unwrap_or(local);
        let example = "\"0 2 * * 0\"";
        let rhythm = table.required("schedule", example).and_then(|text| match due::parse(text.value) {
            Ok(rhythm @ Rhythm::Cron(_)) => Some(rhythm),
            Ok(Rhythm::Every(_)) => {
                let what = "is an interval, which says nothing about when a window begins";
                table.problem(text.place, what, format!("write a cron pattern such as {example}"));
                None
            }
            Err(what) => {
                table.problem(text.place, what, format!("write for example {example}"));
                None
            }
        });
        let duration = span(&mut table, "duration", "\"2h\"");
        let (providers, subjects) = (plain(&mut table, "providers"), plain(&mut table, "subjects"));
        let matchers = matchers(&mut table);
        table.finish();
        if let (Some(rhythm), Some(duration)) = (rhythm, duration) {
            let name = name.unwrap_or_else(|| format!("maintenance {}", windows.len() + 1));
            let schedule = Schedule { rhythm, zone };
            windows.push(Maintenance { name, schedule, duration, providers, subjects, matchers });
        }
    }
    windows
}

/// `matchers`, written as those of a silence.
fn matchers(table: &mut Table<'_>) -> Vec<Matcher> {
    let mut all = Vec::new();
    for text in table.texts("matchers").unwrap_or_default() {
        match silences::parse(text.value) {
            Ok(matcher) => all.push(matcher),
            Err(what) => table.problem(text.place, what, "the matchers are those of `opensoul alerts silence`"),
        }
    }
    all
}

/// `[quiet_hours]`
pub(super) fn quiet_hours(root: &mut Table<'_>, local: Zone) -> Option<QuietHours> {
    let mut table = root.table("quiet_hours")?;
    let zone = zone(&mut table).unwrap_or(local);
    let mut time = |name, example: &str| {
        let text = table.required(name, example)?;
        let found = NaiveTime::parse_from_str(text.value.trim(), "%H:%M").ok();
        if found.is_none() {
            let what = format!("{} is not a time of day", shown(text.value));
            table.problem(text.place, what, format!("write for example {example}"));
        }
        found
    };
    let (from, to) = (time("from", "\"22:00\""), time("to", "\"07:00\""));
    table.finish();
    let (from, to) = (from?, to?);
    if from == to {
        table.problem(table.place.clone(), "begins when it ends", "write two times, or remove the section");
        return None;
    }
    Some(QuietHours { from, to, zone })
}

/// `[digest]`; `names` are the receivers that exist.
pub(super) fn digest(root: &mut Table<'_>, names: &BTreeSet<String>, local: Zone) -> Option<Report> {
    let mut table = root.table("digest")?;
    let zone = zone(&mut table).unwrap_or(local);
    let rhythm = match table.text("schedule") {
        None => Some(Rhythm::Cron(WEEKLY.to_owned())),
        Some(text) => match text.value.trim() {
            "weekly" => Some(Rhythm::Cron(WEEKLY.to_owned())),
            "daily" => Some(Rhythm::Cron(DAILY.to_owned())),
            other => due::parse(other)
                .map_err(|what| {
                    table.problem(text.place, what, "write \"weekly\", \"daily\" or for example \"0 9 * * 1\"");
                })
                .ok(),
        },
    };
    let horizon = if table.has("horizon") { span(&mut table, "horizon", "\"30d\"") } else { Some(HORIZON) };
    let receivers = match table.texts("receivers") {
        None => names.iter().cloned().collect(),
        some => named(&table, some, names),
    };
    table.finish();
    Some(Report { schedule: Schedule { rhythm: rhythm?, zone }, receivers, horizon: horizon? })
}

/// Mondays at nine.
const WEEKLY: &str = "0 9 * * 1";
const DAILY: &str = "0 9 * * *";
const HORIZON: Span = Span::days(30);

fn plain(table: &mut Table<'_>, name: &'static str) -> Vec<String> {
    table.texts(name).unwrap_or_default().iter().map(|text| text.value.trim().to_owned()).collect()
}

/// A span of time that must be there.
fn span(table: &mut Table<'_>, name: &'static str, example: &str) -> Option<Span> {
    let text = table.required(name, example)?;
    let found = values::duration(text.value);
    if found.is_none() {
        table.problem(text.place, "is not a span of time", format!("write for example {example}"));
    }
    found
}
