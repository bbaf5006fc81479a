//! When a failed delivery is tried again. The table is the one of Standard Webhooks, then once a day for as long as the
//! incident lives; a receiver's `Retry-After` is never undercut and never believed beyond a day.
//!
//! "Permanent" is only what the vendor's own code says: it puts the *receiver* into quarantine, where one message an hour
//! is tried, until one gets through.

use crate::domain::{Outcome, Span, Time};
use crate::engine::jitter::share;

/// Seconds to wait before each attempt, from the first.
const TABLE: [i64; 10] = [0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

/// A receiver cannot ask us to wait longer than this.
const LONGEST: Span = Span::hours(24);

/// How often a receiver in quarantine is tried.
pub const QUARANTINE: Span = Span::hours(1);

/// How long to wait after `attempts` failed attempts (1 = the first one failed). `seed` (the notification's id) spreads
/// messages that failed together: up to a tenth is added, never taken away.
#[must_use]
pub fn wait(attempts: u32, seed: &str, retry_after: Option<std::time::Duration>) -> Span {
    let step = usize::try_from(attempts).unwrap_or(usize::MAX).min(TABLE.len() - 1);
    let spread = share(&["retry", seed, &attempts.to_string()]) / 10.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a day of milliseconds is small")]
    let planned = Span::milliseconds((TABLE[step] as f64 * 1000.0 * (1.0 + spread)) as i64);
    let wished = retry_after.map_or(Span::zero(), |wish| Span::from_std(wish).unwrap_or(LONGEST).min(LONGEST));
    planned.max(wished)
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is delivered. The receiver works, so its quarantine ends and what waits for it may be tried at once.
    Done,
    /// Try again then.
    At(Time),
    /// The receiver goes into (or stays in) quarantine; one message is tried then.
    Quarantine(Time),
}

/// What follows from the `attempts`-th attempt.
#[must_use]
pub fn next(outcome: &Outcome, attempts: u32, seed: &str, now: Time) -> Next {
    match outcome {
        Outcome::Delivered { .. } => Next::Done,
        Outcome::Transient { retry_after, .. } => Next::At(now + wait(attempts, seed, *retry_after)),
        Outcome::Permanent { .. } => Next::Quarantine(now + QUARANTINE),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::FailureReason;

    #[test]
    fn the_table_is_followed_then_daily() {
        for (attempts, seconds) in
            [(1, 5), (2, 300), (3, 1800), (4, 7200), (8, 72_000), (9, 86_400), (10, 86_400), (u32::MAX, 86_400)]
        {
            let waited = wait(attempts, "id", None).num_seconds();
            assert!((seconds..=seconds + seconds / 10).contains(&waited), "{attempts}: {waited}");
        }
    }

    #[test]
    fn retry_after_is_a_floor_up_to_a_day() {
        assert_eq!(wait(1, "id", Some(Duration::from_secs(90))), Span::seconds(90));
        assert!(wait(4, "id", Some(Duration::from_secs(90))) >= Span::hours(2), "our own wait is longer");
        assert_eq!(wait(1, "id", Some(Duration::from_secs(u64::MAX))), Span::hours(24));
        assert_eq!(wait(1, "id", Some(Duration::MAX)), Span::hours(24));
    }

    #[test]
    fn outcomes_lead_where_they_should() {
        let now = Time::UNIX_EPOCH;
        let permanent = Outcome::Permanent { reason: FailureReason::Refused, detail: String::new() };
        assert_eq!(next(&permanent, 1, "id", now), Next::Quarantine(now + Span::hours(1)));
        assert_eq!(next(&Outcome::Delivered { detail: String::new(), keep: None }, 1, "id", now), Next::Done);
    }

    proptest! {
        #[test]
        fn never_sooner_than_asked_and_never_much_later_than_a_day(
            attempts in 0_u32..100, seed in "[a-z]{0,8}", wish in proptest::option::of(0_u64..1_000_000)
        ) {
            let waited = wait(attempts, &seed, wish.map(Duration::from_secs));
            let asked = Span::seconds(i64::try_from(wish.unwrap_or(0)).unwrap_or(i64::MAX)).min(Span::hours(24));
            prop_assert!(waited >= asked);
            prop_assert!(waited <= Span::hours(27));
        }
    }
}
