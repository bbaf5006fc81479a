//! How often a credential may be asked about. PURE; what was asked when is kept by the monitor.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::classify::Facts;
use crate::domain::{CredentialId, Span, Time, Verdict, VerdictKind};

/// Least time between two probes of one credential.
const EVERY: Span = Span::minutes(15);
/// A date further away than this was written by a clock that was wrong.
const FAR: Span = Span::hours(25);

/// When a credential was last asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The instant of the last request.
    pub at: Time,
    /// The provider does not want another one earlier (`Retry-After`).
    pub not_before: Option<Time>,
    /// It was asked twice then: failures are heard a second time.
    pub twice: bool,
}

/// How often a credential may be asked about.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    every: Span,
    per_day: u32,
}

impl Pace {
    /// From the provider's own least number of minutes, and the budget of a day.
    #[must_use]
    pub fn new(least_minutes: Option<u16>, per_day: u32) -> Self {
        let every = least_minutes.map_or(EVERY, |minutes| EVERY.max(Span::minutes(minutes.into())));
        Self { every, per_day: per_day.max(1) }
    }

    /// A day's budget is kept by spacing: what was asked twice waits twice as long.
    fn after(self, last: &Asked) -> Span {
        let cost = if last.twice { 2 } else { 1 };
        let share = Span::seconds(86_400 * cost / i64::from(self.per_day));
        self.every.max(share)
    }
}

impl Asked {
    /// What to remember of a request that was answered (or not) at `at`.
    #[must_use]
    pub fn new(at: Time, facts: &Facts) -> Self {
        Self { at, not_before: facts.retry_after.map(|after| at + after), twice: false }
    }
}

/// Whether a credential may be asked about now. Up to a fifth is added to the interval, so that a fleet spreads out.
#[must_use]
pub fn is_due(id: &CredentialId, pace: Pace, last: Option<&Asked>, now: Time) -> bool {
    let Some(last) = last else { return true };
    // Set back since: the memory is worthless, and waiting for it could take years.
    if last.at > now + EVERY {
        return true;
    }
    if last.not_before.is_some_and(|at| at > now && at < now + FAR) {
        return false;
    }
    let every = pace.after(last);
    now >= last.at + every + jitter(id, last.at, every / 5)
}

/// When a login that its owner renewed at `renewed`, after the provider had refused it, may be asked about: once for each
/// renewal without the usual distance, so that the end of its trouble is proved soon, and within the budget of a day all the
/// same. `None` if it was asked about since.
#[must_use]
pub fn after_renewal(pace: Pace, last: &Asked, renewed: Time) -> Option<Time> {
    let share = Span::seconds(86_400 / i64::from(pace.per_day));
    let soon = last.at + EVERY.max(share);
    (last.at < renewed).then(|| last.not_before.map_or(soon, |not_before| soon.max(not_before.min(last.at + FAR))))
}

/// Whether a verdict must be heard a second time before it counts (DESIGN §7): every one that would raise an alarm.
#[must_use]
pub fn needs_confirmation(verdict: &Verdict) -> bool {
    verdict.kind.is_conclusive() && !matches!(verdict.kind, VerdictKind::Accepted | VerdictKind::Limited)
}

/// How long to wait before the second question: 5 to 30 s. The answer to it replaces the first one, whatever it is: a
/// failure that is not repeated is none.
#[must_use]
pub fn confirmation_delay(id: &CredentialId, now: Time) -> Duration {
    Duration::from_secs(5) + jitter(id, now, Span::seconds(25)).to_std().unwrap_or_default()
}

/// 0 to `most`, the same for the same input.
fn jitter(id: &CredentialId, at: Time, most: Span) -> Span {
    // FNV-1a: spread is all that is asked of it.
    let bytes = id.as_str().bytes().chain(at.timestamp_millis().to_be_bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let range = u64::try_from(most.num_milliseconds()).unwrap_or(0) + 1;
    Span::milliseconds(i64::try_from((hash >> 16) % range).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    fn pace(minutes: Option<u16>) -> Pace {
        Pace::new(minutes, 96)
    }

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn due(minutes: Option<u16>, retry: Option<i64>, after: i64) -> bool {
        let facts = Facts { retry_after: retry.map(Span::seconds), ..Facts::default() };
        is_due(&"env:X".into(), pace(minutes), Some(&Asked::new(at(0), &facts)), at(after))
    }

    #[test]
    fn at_most_one_in_a_quarter_of_an_hour() {
        assert!(is_due(&"env:X".into(), pace(None), None, at(0)));
        for (after, expected) in [(0, false), (899, false), (1081, true), (86_400, true)] {
            assert_eq!(due(None, None, after), expected, "{after}");
        }
        assert!(!due(Some(60), None, 3599));
        assert!(due(Some(60), None, 4321));
        assert!(!due(None, Some(7200), 7199));
        assert!(due(None, Some(7200), 7201));
        // The clock was set back by a day: not silent for a day.
        assert!(due(None, None, -86_400));
        assert!(due(None, Some(60), -86_400));
    }

    #[test]
    fn a_days_budget_is_spread_over_the_day() {
        let due = |per_day, twice, after| {
            let last = Asked { at: at(0), not_before: None, twice };
            is_due(&"env:X".into(), Pace::new(None, per_day), Some(&last), at(after))
        };
        assert!(!due(4, false, 6 * 3600 - 1) && due(4, false, 6 * 3600 * 6 / 5 + 1));
        assert!(!due(4, true, 12 * 3600 - 1) && due(4, true, 12 * 3600 * 6 / 5 + 1));
        assert!(!due(1_000, false, 899), "never more often than the least interval");
    }

    #[test]
    fn a_renewed_login_is_asked_about_soon_and_once() {
        let last = |at: Time, not_before| Asked { at, not_before, twice: true };
        let usual = Pace::new(Some(60), 96);
        let soon = |pace, not_before, renewed| after_renewal(pace, &last(at(0), not_before), at(renewed));
        assert_eq!(soon(usual, None, 60), Some(at(900)));
        assert_eq!(soon(usual, Some(at(1800)), 60), Some(at(1800)), "the provider's own wish counts");
        assert_eq!(soon(Pace::new(None, 4), None, 60), Some(at(6 * 3600)), "and the budget of a day");
        assert_eq!(soon(usual, None, 0), None, "asked about since");
        assert_eq!(soon(usual, None, -60), None);
    }

    #[test]
    fn alarms_are_confirmed() {
        use VerdictKind::*;
        for (kind, expected) in [
            (Accepted, false),
            (Limited, false),
            (Throttled, false),
            (Network, false),
            (ProviderDown, false),
            (Unverifiable, false),
            (Rejected, true),
            (Expired, true),
            (Revoked, true),
            (Billing, true),
            (Forbidden, true),
            (Retired, true),
        ] {
            let verdict = Verdict { kind, at: at(0), detail: String::new() };
            assert_eq!(needs_confirmation(&verdict), expected, "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn bounds(name in ".{0,20}", start in -4_000_000_000i64..4_000_000_000, after in 0i64..200_000) {
            let id = CredentialId::from(name.as_str());
            let start = Time::from_timestamp(start, 0).unwrap();
            let last = Asked { at: start, not_before: None, twice: false };
            let now = start + Span::seconds(after);
            let due = is_due(&id, pace(None), Some(&last), now);
            prop_assert!(!due || after >= 900);
            prop_assert!(due || after <= 1080);
            let delay = confirmation_delay(&id, start).as_millis();
            prop_assert!((5_000..=30_000).contains(&delay));
        }
    }
}
