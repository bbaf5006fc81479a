//! When an end that a person must prevent becomes a warning, becomes critical, and at which steps it is said again
//! (DESIGN §7). It decides about one date; whether that date counts at all is decided in [`super::assess`].

use super::policy::Thresholds;
use crate::domain::{Span, Tier, Time};

/// From when a date is a warning and from when it is critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bands {
    /// Warning from here …
    pub warn_at: Time,
    /// … critical from here; never before the warning.
    pub critical_at: Time,
}

/// Lifetimes beyond this have a reminder 30 days before the end.
const LONG_LIFE: Span = Span::days(90);

/// The bands before `end`. `issued` only if it is known for sure: a guessed lifetime would shorten the warning.
#[must_use]
pub fn bands(end: Time, issued: Option<Time>, thresholds: &Thresholds) -> Bands {
    let lifetime = lifetime(end, issued);
    let warn = match lifetime {
        Some(life) if life > LONG_LIFE => thresholds.warn_long,
        _ => thresholds.warn,
    };
    let warn = cap(warn, lifetime, thresholds.warn_share);
    let critical = cap(thresholds.critical, lifetime, thresholds.critical_share).min(warn);
    Bands { warn_at: before(end, warn), critical_at: before(end, critical) }
}

/// The tightest step reached at `now`, if the warning band is.
#[must_use]
pub fn tier(end: Time, issued: Option<Time>, warn_at: Time, now: Time) -> Option<Tier> {
    if now >= end {
        return Some(Tier::Expired);
    }
    if now < warn_at {
        return None;
    }
    let left = end - now;
    let steps = [
        (Tier::Hour1, Span::hours(1)),
        (Tier::Hours6, Span::hours(6)),
        (Tier::Hours24, Span::hours(24)),
        (Tier::Days3, Span::days(3)),
        (Tier::Days7, Span::days(7)),
        (Tier::Days14, Span::days(14)),
        (Tier::Days30, Span::days(30)),
    ];
    let long = lifetime(end, issued).is_some_and(|life| life > LONG_LIFE);
    steps.into_iter().find(|&(tier, step)| left <= step && (long || tier != Tier::Days30)).map(|(tier, _)| tier)
}

fn lifetime(end: Time, issued: Option<Time>) -> Option<Span> {
    issued.map(|issued| end - issued).filter(|life| *life > Span::zero())
}

fn cap(band: Span, lifetime: Option<Span>, share: i32) -> Span {
    match lifetime {
        Some(life) if share > 0 => band.min(life / share),
        _ => band,
    }
}

/// `end - band`, or `end` where the calendar ends.
fn before(end: Time, band: Span) -> Time {
    end.checked_sub_signed(band.max(Span::zero())).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn bands_follow_the_lifetime_only_when_it_is_known() {
        let end = at("2027-10-12T09:00:00Z");
        let table = [
            // issued so long before the end, warning so long before it, critical so long before it
            (None, Span::days(14), Span::days(3)),
            (Some(Span::days(365)), Span::days(30), Span::days(3)),
            (Some(Span::days(91)), Span::days(30), Span::days(3)),
            (Some(Span::days(90)), Span::days(14), Span::days(3)),
            (Some(Span::days(28)), Span::hours(28 * 8), Span::minutes(28 * 144)),
            (Some(Span::days(30)), Span::days(10), Span::days(3)),
            (Some(Span::hours(12)), Span::hours(4), Span::minutes(72)),
            // An issue date after the end is no lifetime.
            (Some(Span::days(-5)), Span::days(14), Span::days(3)),
        ];
        for (life, warn, critical) in table {
            let bands = bands(end, life.map(|life| end - life), &Thresholds::default());
            assert_eq!((end - bands.warn_at, end - bands.critical_at), (warn, critical), "{life:?}");
        }
    }

    #[test]
    fn critical_never_comes_before_the_warning() {
        let strange = Thresholds { critical: Span::days(60), critical_share: 0, ..Thresholds::default() };
        let end = at("2027-10-12T09:00:00Z");
        let bands = bands(end, None, &strange);
        assert_eq!(bands.critical_at, bands.warn_at);
    }

    #[test]
    fn the_tightest_step_wins() {
        let end = at("2027-10-12T09:00:00Z");
        let year = Some(end - Span::days(365));
        let table = [
            (Span::days(31), None, None),
            (Span::days(30), Some(Tier::Days30), None),
            (Span::days(14), Some(Tier::Days14), Some(Tier::Days14)),
            (Span::days(10), Some(Tier::Days14), Some(Tier::Days14)),
            (Span::days(7), Some(Tier::Days7), Some(Tier::Days7)),
            (Span::days(3), Some(Tier::Days3), Some(Tier::Days3)),
            (Span::hours(24), Some(Tier::Hours24), Some(Tier::Hours24)),
            (Span::hours(6), Some(Tier::Hours6), Some(Tier::Hours6)),
            (Span::minutes(61), Some(Tier::Hours6), Some(Tier::Hours6)),
            (Span::hours(1), Some(Tier::Hour1), Some(Tier::Hour1)),
            (Span::zero(), Some(Tier::Expired), Some(Tier::Expired)),
            (Span::days(-9), Some(Tier::Expired), Some(Tier::Expired)),
        ];
        for (left, long, unknown) in table {
            for (issued, expected) in [(year, long), (None, unknown)] {
                let warn_at = bands(end, issued, &Thresholds::default()).warn_at;
                assert_eq!(tier(end, issued, warn_at, end - left), expected, "{left} {issued:?}");
            }
        }
    }

    #[test]
    fn short_lives_have_no_step_outside_their_band() {
        let end = at("2027-10-12T09:00:00Z");
        let issued = Some(end - Span::hours(12));
        let warn_at = bands(end, issued, &Thresholds::default()).warn_at;
        assert_eq!(tier(end, issued, warn_at, end - Span::hours(5)), None);
        assert_eq!(tier(end, issued, warn_at, end - Span::hours(4)), Some(Tier::Hours6));
    }
}
