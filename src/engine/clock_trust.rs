//! Whether dates can be judged now: a wrong clock must cause neither a flood of alerts nor silence (DESIGN §6).

use crate::domain::{Span, Time};

/// When this version was made, in seconds since 1970; moved with each release. No true clock shows less.
const BUILT: i64 = 1_795_305_600; // 2026-11-22

/// When this version was made.
#[must_use]
pub fn built() -> Time {
    Time::from_timestamp(BUILT, 0).unwrap_or_default()
}

/// What is known about the clock beside its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// When this program was built: no true clock shows less.
    pub built: Time,
    /// The last instant that our own database remembers.
    pub last_persisted: Option<Time>,
    /// What a provider's `Date` header said, and what our clock showed when it came.
    pub provider: Option<ProviderDate>,
}

/// A provider's `Date` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderDate {
    /// What it said.
    pub said: Time,
    /// What our clock showed then.
    pub seen: Time,
}

/// An older value than the last persisted time by more than this is a clock that went back.
const MAY_GO_BACK: Span = Span::minutes(10);
/// Providers' clocks and the way to them may differ by this.
const MAY_DIFFER: Span = Span::seconds(60);
/// A provider's answer older than this says nothing about the clock of today: it may have been set since.
const ANSWER_COUNTS: Span = Span::hours(1);

/// Why dates cannot be trusted at `now`, if they cannot; in words for people.
#[must_use]
pub fn clock_problem(now: Time, witnesses: &Witnesses) -> Option<String> {
    let show = |time: Time| time.format("%Y-%m-%d %H:%M UTC").to_string();
    if now < witnesses.built {
        let built = witnesses.built.format("%Y-%m-%d");
        return Some(format!("this machine's clock shows {}, before this program was built ({built})", show(now)));
    }
    if let Some(last) = witnesses.last_persisted
        && now < last - MAY_GO_BACK
    {
        return Some(format!(
            "this machine's clock went back: it shows {} and showed {} before",
            show(now),
            show(last)
        ));
    }
    if let Some(ProviderDate { said, seen }) = witnesses.provider
        && (now - seen).abs() <= ANSWER_COUNTS
        && (said - seen).abs() > MAY_DIFFER
    {
        let (seconds, way) = ((said - seen).num_seconds().abs(), if said > seen { "behind" } else { "ahead of" });
        return Some(format!("this machine's clock is {seconds} s {way} a provider's"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_witness_is_heard() {
        let at = |text: &str| -> Time { text.parse().unwrap() };
        let now = at("2027-01-10T12:00:00Z");
        let fine = Witnesses { built: at("2026-11-22T00:00:00Z"), last_persisted: None, provider: None };
        let date = |said: &str, seen: &str| Some(ProviderDate { said: at(said), seen: at(seen) });
        let table = [
            (fine, None),
            (
                Witnesses { built: at("2027-01-10T12:00:01Z"), ..fine },
                Some("before this program was built (2027-01-10)"),
            ),
            (Witnesses { last_persisted: Some(at("2027-01-10T12:10:00Z")), ..fine }, None),
            (Witnesses { last_persisted: Some(at("2027-01-10T12:10:01Z")), ..fine }, Some("went back")),
            (Witnesses { last_persisted: Some(at("2027-01-09T12:00:00Z")), ..fine }, None),
            (Witnesses { provider: date("2027-01-10T12:01:00Z", "2027-01-10T12:00:00Z"), ..fine }, None),
            (Witnesses { provider: date("2027-01-10T12:01:01Z", "2027-01-10T12:00:00Z"), ..fine }, Some("61 s behind")),
            (
                Witnesses { provider: date("2027-01-10T11:58:00Z", "2027-01-10T12:00:00Z"), ..fine },
                Some("120 s ahead of"),
            ),
            // It is yesterday's news, and the clock may have been set since.
            (Witnesses { provider: date("2027-01-09T13:00:00Z", "2027-01-09T12:00:00Z"), ..fine }, None),
        ];
        for (witnesses, expected) in table {
            let problem = clock_problem(now, &witnesses);
            match expected {
                None => assert_eq!(problem, None, "{witnesses:?}"),
                Some(words) => assert!(problem.as_ref().is_some_and(|text| text.contains(words)), "{problem:?}"),
            }
        }
    }
}
