//! Recurring times: maintenance windows (a cron pattern and a duration) and quiet hours (from one time of day to another).
//! Decides whether one is open at an instant, since when and until when; what that means is decided elsewhere.

use chrono::{Days, NaiveDateTime, TimeZone};

use crate::domain::{Severity, Span, Time, Zone};
use crate::engine::due::next_after;
use crate::engine::policy::{AlertPolicy, Maintenance, QuietHours};

/// A time that has begun and has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// From this instant …
    pub since: Time,
    /// … until before this one.
    pub until: Time,
}

/// A recurring time as it stands at an instant, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// `maintenance` or `quiet_hours`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Since and until when, if it is open.
    pub open: Option<Period>,
}

/// Starts looked at for one window: a pattern that begins more often is open all the time.
const STARTS: usize = 2_000;

impl AlertPolicy {
    /// How severe a message must be to be sent now: in quiet hours the others wait in the outbox, where they are kept true.
    #[must_use]
    pub fn least_severity(&self, now: Time) -> Severity {
        match self.quiet.as_ref().and_then(|hours| hours.open(now)) {
            Some(_) => Severity::Critical,
            None => Severity::None,
        }
    }

    /// Every recurring time there is, as it stands now.
    #[must_use]
    pub fn windows(&self, now: Time) -> Vec<Window> {
        let maintenance = self.maintenance.iter();
        let maintenance =
            maintenance.map(|one| Window { kind: "maintenance", name: one.name.clone(), open: one.open(now) });
        let quiet = self.quiet.iter();
        let quiet =
            quiet.map(|one| Window { kind: "quiet_hours", name: "quiet hours".to_owned(), open: one.open(now) });
        maintenance.chain(quiet).collect()
    }
}

impl Maintenance {
    /// Whether the window is open. Where one begins before the last has ended they are one.
    #[must_use]
    pub fn open(&self, now: Time) -> Option<Period> {
        let since = next_after(&self.schedule, now.checked_sub_signed(self.duration)?).filter(|at| *at <= now)?;
        let mut last = since;
        for _ in 0..STARTS {
            match next_after(&self.schedule, last) {
                Some(next) if next <= now => last = next,
                _ => break,
            }
        }
        Some(Period { since, until: last.checked_add_signed(self.duration)? })
    }
}

impl QuietHours {
    /// Whether these are quiet hours.
    #[must_use]
    pub fn open(&self, now: Time) -> Option<Period> {
        let today = now.with_timezone(&self.zone).date_naive();
        // Those of yesterday evening, and those that began today.
        [today.checked_sub_days(Days::new(1))?, today].into_iter().find_map(|day| {
            let last = if self.to > self.from { day } else { day.checked_add_days(Days::new(1))? };
            let since = first_instant(day.and_time(self.from), self.zone)?;
            let until = first_instant(last.and_time(self.to), self.zone)?;
            (since <= now && now < until).then_some(Period { since, until })
        })
    }
}

/// The first instant that reads `local` or later: a clock that jumps forward over it shows the time after the jump.
fn first_instant(local: NaiveDateTime, zone: Zone) -> Option<Time> {
    (0..=24 * 60)
        .find_map(|minutes| zone.from_local_datetime(&(local + Span::minutes(minutes))).earliest())
        .map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use chrono::NaiveTime;

    use super::*;
    use crate::engine::policy::{Rhythm, Schedule};

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn window(pattern: &str, minutes: i64, zone: &str) -> Maintenance {
        Maintenance {
            name: "m".to_owned(),
            schedule: Schedule { rhythm: Rhythm::Cron(pattern.to_owned()), zone: Zone::from_str(zone).unwrap() },
            duration: Span::minutes(minutes),
            providers: Vec::new(),
            subjects: Vec::new(),
            matchers: Vec::new(),
        }
    }

    #[test]
    fn a_window_is_open_from_its_start_for_its_duration_in_its_zone() {
        let nightly = window("0 2 * * *", 90, "Europe/Berlin");
        for (now, until) in [
            ("2026-01-05T00:59:59Z", None),
            ("2026-01-05T01:00:00Z", Some("2026-01-05T02:30:00Z")),
            ("2026-01-05T02:29:59Z", Some("2026-01-05T02:30:00Z")),
            ("2026-01-05T02:30:00Z", None),
            ("2026-07-05T00:30:00Z", Some("2026-07-05T01:30:00Z")),
        ] {
            assert_eq!(nightly.open(at(now)).map(|period| period.until), until.map(at), "{now}");
        }
    }

    #[test]
    fn windows_that_overlap_end_with_the_last() {
        let often = window("*/10 * * * *", 25, "UTC");
        let period = often.open(at("2026-01-05T12:21:00Z")).unwrap();
        assert_eq!(period.until, at("2026-01-05T12:45:00Z"));
        assert!(window("0 0 1 1 *", 60, "UTC").open(at("2026-06-01T00:00:00Z")).is_none());
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_over_changes_of_the_clock() {
        let hours = |from: &str, to: &str| QuietHours {
            from: NaiveTime::parse_from_str(from, "%H:%M").unwrap(),
            to: NaiveTime::parse_from_str(to, "%H:%M").unwrap(),
            zone: Zone::from_str("Europe/Berlin").unwrap(),
        };
        let night = hours("22:00", "07:00");
        for (now, period) in [
            ("2026-01-05T20:59:59Z", None),
            ("2026-01-05T21:00:00Z", Some(("2026-01-05T21:00:00Z", "2026-01-06T06:00:00Z"))),
            ("2026-01-06T05:59:59Z", Some(("2026-01-05T21:00:00Z", "2026-01-06T06:00:00Z"))),
            ("2026-01-06T06:00:00Z", None),
            // The night of the change to summer time is an hour shorter.
            ("2026-03-29T04:30:00Z", Some(("2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"))),
        ] {
            let expected = period.map(|(since, until)| Period { since: at(since), until: at(until) });
            assert_eq!(night.open(at(now)), expected, "{now}");
        }
        let noon = hours("12:00", "13:00");
        assert!(noon.open(at("2026-01-05T11:30:00Z")).is_some() && noon.open(at("2026-01-05T12:00:00Z")).is_none());
        // 02:30 does not come on the day of the change: it begins with what comes instead.
        let gap = hours("02:30", "04:00");
        assert_eq!(gap.open(at("2026-03-29T01:10:00Z")).unwrap().since, at("2026-03-29T01:00:00Z"));
    }
}
