use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

#[test]
fn overdue_is_three_rounds_and_half_an_hour_at_the_least() {
    let last = at("2026-03-01T10:02:00Z");
    for (rhythm, overdue) in [
        ("*/5 * * * *", "2026-03-01T10:32:00Z"),
        ("0 * * * *", "2026-03-01T13:00:00Z"),
        ("0 9 * * MON-FRI", "2026-03-04T09:00:00Z"),
        ("2h", "2026-03-01T16:02:00Z"),
    ] {
        assert_eq!(overdue_at(&every(rhythm, "UTC"), last), Some(at(overdue)), "{rhythm}");
    }
}

fn every(text: &str, zone: &str) -> Schedule {
    Schedule { rhythm: parse(text).unwrap(), zone: zone.parse().unwrap() }
}

#[test]
fn patterns_and_intervals_are_read() {
    for text in ["*/5 * * * *", "0 9 * * MON-FRI", "30 */2 * * * *", "@daily", " 5m ", "2h 30m", "1s", "1day", "366d"] {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
    }
    assert_eq!(parse("2h 30m"), Ok(Rhythm::Every(Span::minutes(150))));
    assert_eq!(parse("*/5 * * * *"), Ok(Rhythm::Cron("*/5 * * * *".to_owned())));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "is empty"),
        ("0s", "shorter than a second"),
        ("200ms", "shorter than a second"),
        ("367d", "longer than a year"),
        ("99999999999999999999999d", "longer than a year"),
        ("18446744073709551615years", "longer than a year"),
        ("5", "neither"),
        ("-5m", "neither"),
        ("soon", "neither"),
        ("61 * * * *", "neither"),
        ("* * * *", "neither"),
        ("* * * * * * *", "neither"),
        (", * * * *", "empty place in a list"),
        ("1,, * * * *", "empty place in a list"),
        ("0 0 30 2 *", "never comes"),
        ("*/61 * * * *", "larger than its field has minutes (60)"),
        ("0,5/75 * * * *", "the step in \"5/75\" is larger"),
        ("0 */25 * * *", "hours (24)"),
        ("0 0 */40 * *", "days of a month (31)"),
        ("*/61 * * * * *", "seconds (60)"),
        ("*/99999999999999999999999 * * * *", "larger than its field"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn the_longest_steps_are_taken() {
    for text in ["*/60 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 1 */12 *", "*/60 * * * * *"] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn the_first_run_is_at_once_and_the_next_at_its_time() {
    let schedule = every("*/5 * * * *", "UTC");
    let now = at("2026-03-01T10:02:00Z");
    assert_eq!(due(&schedule, None, now), Due { now: true, next: Some(at("2026-03-01T10:05:00Z")) });
    let soon = at("2026-03-01T10:04:59Z");
    assert_eq!(due(&schedule, Some(now), soon), Due { now: false, next: Some(at("2026-03-01T10:05:00Z")) });
    let then = at("2026-03-01T10:05:00Z");
    assert_eq!(due(&schedule, Some(now), then), Due { now: true, next: Some(at("2026-03-01T10:10:00Z")) });
    assert!(!due(&schedule, Some(then), then).now, "not twice in one instant");
    let schedule = every("15m", "UTC");
    assert_eq!(due(&schedule, Some(now), now + Span::minutes(14)).next, Some(now + Span::minutes(15)));
    assert!(due(&schedule, Some(now), now + Span::minutes(15)).now);
}

#[test]
fn missed_runs_are_made_up_for_by_one() {
    for text in ["*/5 * * * *", "5m"] {
        let schedule = every(text, "UTC");
        let last = at("2026-03-01T10:00:00Z");
        let now = last + Span::days(3);
        let first = due(&schedule, Some(last), now);
        assert!(first.now);
        assert_eq!(first.next, Some(now + Span::minutes(5)));
        assert!(!due(&schedule, Some(now), now + Span::minutes(4)).now, "{text}: no burst");
    }
}

/// What a monitor that looks every ten minutes would run.
fn runs(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let (mut now, mut last) = (at(from), Some(at(from)));
    let mut runs = Vec::new();
    while now < at(to) {
        if due(schedule, last, now).now {
            runs.push(now.format("%m-%dT%H:%MZ").to_string());
            last = Some(now);
        }
        now += Span::minutes(10);
    }
    runs
}

#[test]
fn nine_in_new_york_stays_nine_over_both_changes() {
    let schedule = every("0 9 * * *", "America/New_York");
    assert_eq!(
        runs(&schedule, "2026-03-06T15:00:00Z", "2026-03-10T12:00:00Z"),
        ["03-07T14:00Z", "03-08T13:00Z", "03-09T13:00Z"]
    );
    assert_eq!(
        runs(&schedule, "2026-10-30T15:00:00Z", "2026-11-03T12:00:00Z"),
        ["10-31T13:00Z", "11-01T14:00Z", "11-02T14:00Z"]
    );
}

#[test]
fn an_hour_that_is_not_there_and_one_that_is_there_twice() {
    let skipped = every("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        runs(&skipped, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
        ["03-29T01:00Z", "03-30T00:30Z"],
        "at the first minute after the gap"
    );
    let doubled = every("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        runs(&doubled, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["10-25T00:30Z", "10-26T01:30Z"],
        "once"
    );
    let often = every("*/30 * * * *", "Europe/Berlin");
    assert_eq!(runs(&often, "2026-10-25T00:00:00Z", "2026-10-25T02:01:00Z").len(), 4, "every half hour throughout");
    let half_hour_zone = every("0 9 * * *", "Australia/Lord_Howe");
    assert_eq!(runs(&half_hour_zone, "2026-04-03T00:00:00Z", "2026-04-06T00:00:00Z").len(), 3);
}

#[test]
fn a_clock_set_back_delays_nothing_and_a_correction_starts_nothing() {
    for text in ["*/5 * * * *", "5m", "0 9 * * *"] {
        let schedule = every(text, "UTC");
        let now = at("2026-03-01T10:00:00Z");
        assert!(due(&schedule, Some(now + Span::days(400)), now).now, "{text}: a last run in the far future");
        assert!(!due(&schedule, Some(now + Span::seconds(2)), now).now, "{text}: NTP moved us two seconds back");
    }
}

#[test]
fn a_spread_is_stable_differs_between_seeds_and_stays_below_its_bound() {
    let schedule = every("0 * * * *", "UTC");
    let last = at("2026-03-01T10:30:00Z");
    let spread = Span::minutes(10);
    let next = |seed: &str| due_spread(&schedule, Some(last), last, spread, seed).next.unwrap();
    let hour = at("2026-03-01T11:00:00Z");
    let all: std::collections::BTreeSet<Time> = (0..50).map(|n| next(&n.to_string())).collect();
    assert!(all.len() > 40);
    assert!(all.iter().all(|time| (hour..hour + spread).contains(time)));
    assert_eq!(next("a"), next("a"));
    // The run itself, at its own time, does not make the same hour due again.
    let run = next("a");
    assert!(due_spread(&schedule, Some(last), run, spread, "a").now);
    assert!(!due_spread(&schedule, Some(run), run + Span::minutes(1), spread, "a").now);
    assert!(due_spread(&schedule, Some(run), run, spread, "a").next.unwrap() >= hour + Span::hours(1));
}

proptest! {
    #[test]
    fn never_twice_within_a_period_and_never_late(
        minutes in 1_i64..120, steps in prop::collection::vec(1_i64..400, 1..50), spread in 0_i64..60
    ) {
        let schedule = Schedule { rhythm: Rhythm::Every(Span::minutes(minutes)), zone: Zone::UTC };
        let mut now = at("2026-01-01T00:00:00Z");
        let mut last: Option<Time> = None;
        for step in steps {
            now += Span::minutes(step);
            let answer = due_spread(&schedule, last, now, Span::minutes(spread), "seed");
            prop_assert!(answer.next.is_some_and(|next| next > now));
            if let Some(last) = last {
                let passed = now - last;
                prop_assert!(!answer.now || passed >= Span::minutes(minutes));
                prop_assert!(answer.now || passed < Span::minutes(minutes + spread));
            }
            if answer.now {
                last = Some(now);
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,40}") {
        let _ = parse(&text);
    }

}

proptest! {
    // Some patterns are searched for a century before they are refused.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_cron_pattern_is_answered_and_lies_ahead(
        minute in "[0-9*/,-]{1,6}", hour in "[0-9*/,-]{1,6}", now in 0_i64..4_000_000_000
    ) {
        if let Ok(rhythm) = parse(&format!("{minute} {hour} * * *")) {
            let schedule = Schedule { rhythm, zone: "America/New_York".parse().unwrap() };
            let now = Time::from_timestamp(now, 0).unwrap();
            prop_assert!(due(&schedule, None, now).next.is_some_and(|next| next > now));
        }
    }
}
