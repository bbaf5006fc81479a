//! When something is due: a rhythm in a zone, the last run (persisted), and now. However many runs were missed, one follows;
//! a clock that was set back delays nothing for long.

use crate::domain::Zone;
use chrono::{FixedOffset, Offset, TimeZone, Timelike};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, JobType};

use crate::domain::{Span, Time};
use crate::engine::jitter::share;
use crate::engine::policy::{Rhythm, Schedule};

/// Longest interval that makes sense between two looks.
const LONGEST: Span = Span::days(366);

/// A last run this far in the future is taken for the small corrections that NTP makes; beyond it the clock was set back.
const CORRECTION: Span = Span::minutes(1);

/// Whether it is time, and when it will be next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// It should run now (once, however many runs were missed).
    pub now: bool,
    /// The first instant after now at which it is due again; `None` for a pattern that never comes (`0 0 30 2 *`).
    pub next: Option<Time>,
}

/// Whether `schedule` is due, and when next. Without a last run it is due at once.
#[must_use]
pub fn due(schedule: &Schedule, last_run: Option<Time>, now: Time) -> Due {
    due_spread(schedule, last_run, now, Span::zero(), "")
}

/// [`due`] with every run put off by up to `spread`, always the same for one `seed` and one instant, so that many machines
/// do not ask a provider in the same second.
#[must_use]
pub fn due_spread(schedule: &Schedule, last_run: Option<Time>, now: Time, spread: Span, seed: &str) -> Due {
    let overdue = match last_run {
        None => true,
        Some(last) if last > now + CORRECTION => true,
        Some(last) => later(schedule, last, spread, seed).is_some_and(|at| at <= now),
    };
    let from = match last_run {
        Some(last) if !overdue => last,
        _ => now,
    };
    Due { now: overdue, next: later(schedule, from, spread, seed) }
}

/// The first instant after `from` at which `schedule` comes round; `None` for a pattern that never comes.
#[must_use]
pub fn next_after(schedule: &Schedule, from: Time) -> Option<Time> {
    later(schedule, from, Span::zero(), "")
}

/// Even the shortest rhythm may fall behind so far: a slow network, a machine that is busy.
const LATE: Span = Span::minutes(30);

/// From when something keeps the runs of `schedule` away, if nothing has run since `last`: after three rounds, and half an
/// hour at the least. `None` for a pattern that never comes.
#[must_use]
pub fn overdue_at(schedule: &Schedule, last: Time) -> Option<Time> {
    let third = (0..3).try_fold(last, |from, _| next_after(schedule, from))?;
    Some(third.max(last.checked_add_signed(LATE)?))
}

/// The first run after an instant that itself may have been a run put off by less than `spread`.
fn later(schedule: &Schedule, from: Time, spread: Span, seed: &str) -> Option<Time> {
    match &schedule.rhythm {
        Rhythm::Every(interval) => {
            let at = from.checked_add_signed((*interval).max(Span::seconds(1)))?;
            at.checked_add_signed(put_off(at, spread, seed))
        }
        Rhythm::Cron(pattern) => {
            let cron = cron(pattern).ok()?;
            // An instant whose own delay has not passed yet lies before `from`: look from one spread earlier.
            let mut at = from.checked_sub_signed(spread)?;
            loop {
                at = after(&cron, schedule.zone, at)?;
                let run = at.checked_add_signed(put_off(at, spread, seed))?;
                if run > from {
                    return Some(run);
                }
            }
        }
    }
}

/// The first instant after `from` that fits. Patterns of one fixed time of day keep their hour over a change of the clocks
/// (once if that hour comes twice, right after the gap if it does not come); all others go on evenly, which croner by itself
/// does not see to: it reckons with the wall clock and would leave out the hour that comes twice.
fn after(cron: &Cron, zone: Zone, from: Time) -> Option<Time> {
    // croner keeps fractions of seconds and would step over an instant by them.
    let from = from.with_nanosecond(0)?;
    if cron.determine_job_type() == JobType::FixedTime {
        return Some(cron.find_next_occurrence(&from.with_timezone(&zone), false).ok()?.with_timezone(&chrono::Utc));
    }
    let (mut start, mut inclusive) = (from, false);
    for _ in 0..MOST_CHANGES {
        let offset = offset(zone, start);
        let found = cron.find_next_occurrence(&start.with_timezone(&offset), inclusive).ok()?;
        let found = found.with_timezone(&chrono::Utc);
        match change(zone, start, found) {
            None => return Some(found),
            Some(at) => (start, inclusive) = (at, true),
        }
    }
    None
}

/// Changes of the clocks that a search may cross: a 29 February on a Monday is at most forty years away.
const MOST_CHANGES: usize = 100;

fn offset(zone: Zone, at: Time) -> FixedOffset {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix()
}

/// The first instant of another offset than that of `from`, if there is one up to `to`.
fn change(zone: Zone, from: Time, to: Time) -> Option<Time> {
    let old = offset(zone, from);
    let (mut before, mut since) = (from, from);
    while offset(zone, since) == old {
        if since >= to {
            return None;
        }
        before = since;
        since = (since + Span::days(1)).min(to);
    }
    while since - before > Span::seconds(1) {
        let middle = before + Span::seconds((since - before).num_seconds() / 2);
        if offset(zone, middle) == old {
            before = middle;
        } else {
            since = middle;
        }
    }
    Some(since)
}

fn put_off(at: Time, spread: Span, seed: &str) -> Span {
    if spread <= Span::zero() {
        return Span::zero();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a spread is hours at most")]
    let delay = (spread.num_milliseconds() as f64 * share(&["due", seed, &at.timestamp().to_string()])) as i64;
    Span::milliseconds(delay)
}

/// Reads a rhythm as people write it: a cron pattern of five fields (or six, seconds first), a nickname (`@daily`), or an
/// interval (`5m`, `2h 30m`).
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub fn parse(text: &str) -> Result<Rhythm, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty; write a cron pattern such as \"*/5 * * * *\" or an interval such as \"5m\"".to_owned());
    }
    match humantime::parse_duration(text) {
        Ok(interval) => {
            let interval = Span::from_std(interval).ok().filter(|span| *span <= LONGEST);
            return match interval {
                None => Err(format!("\"{text}\" is longer than a year")),
                Some(span) if span < Span::seconds(1) => Err(format!("\"{text}\" is shorter than a second")),
                Some(span) => Ok(Rhythm::Every(span)),
            };
        }
        Err(humantime::DurationError::NumberOverflow) => return Err(format!("\"{text}\" is longer than a year")),
        Err(_) => {}
    }
    let cron = cron(text)?;
    if after(&cron, Zone::UTC, Time::UNIX_EPOCH).is_none() {
        return Err(format!("the pattern \"{text}\" never comes"));
    }
    Ok(Rhythm::Cron(text.to_owned()))
}

fn cron(pattern: &str) -> Result<Cron, String> {
    // croner takes it, and searches centuries for the nothing that it means.
    if pattern.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        return Err(format!("the cron pattern \"{pattern}\" has an empty place in a list (a comma too many)"));
    }
    if let Some(why) = overlong_step(pattern) {
        return Err(why);
    }
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(pattern).map_err(|error| {
        format!(
            "\"{pattern}\" is neither an interval such as \"5m\" nor a cron pattern of five fields (minute, hour, day of \
             month, month, day of week) or six (seconds first): {error}"
        )
    })
}

/// A step beyond its field comes once a round, whatever its number: who writes one means something else.
fn overlong_step(pattern: &str) -> Option<String> {
    const FIELDS: [(&str, u64); 6] = [
        ("seconds", 60),
        ("minutes", 60),
        ("hours", 24),
        ("days of a month", 31),
        ("months", 12),
        ("days of a week", 7),
    ];
    let written: Vec<&str> = pattern.split_whitespace().collect();
    let fields = FIELDS.iter().skip(FIELDS.len().saturating_sub(written.len()));
    fields.zip(written).find_map(|((name, size), field)| {
        let overlong = |part: &&str| {
            let digits = part.split_once('/').map_or("", |(_, step)| step);
            let digit = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
            // More digits than a number holds are more than any field has.
            digit && digits.parse::<u64>().map_or(true, |step| step > *size)
        };
        let part = field.split(',').find(overlong)?;
        Some(format!(
            "the step in \"{part}\" is larger than its field has {name} ({size}); write a smaller one, or an interval such as \
             \"90m\""
        ))
    })
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
