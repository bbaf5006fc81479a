//! How long a balance will last, from what it was: the slope that half of all pairs of
//! observations exceed (Theil–Sen), which a few odd days do not move, with Sen's confidence interval. PURE.
//!
//! A top-up starts the history anew. It decides nothing from less than three observations over six hours.

use crate::domain::{Assessed, Balance, Runway, Severity, Snapshot, Span, Time};

/// An observation of a balance.
pub type Point = (Time, f64);

/// Least observations, and the least time between the first and the last.
const LEAST: usize = 3;
const LEAST_SPAN: Span = Span::hours(6);
/// What is older says little about tomorrow.
const WINDOW: Span = Span::days(30);
/// Pairs grow with the square: more observations than this are thinned out evenly.
const MOST: usize = 200;
/// Beyond this an end is not worth a date.
const FAR: f64 = 3_650.0;
/// Two-sided 90 %.
const Z: f64 = 1.645;

/// When the balance ends if it goes on like this; `None` if too little is known, if it does not shrink, or if it would last
/// ten years. `points` may come in any order.
#[must_use]
pub fn runway(points: &[Point]) -> Option<Runway> {
    let points = since_top_up(points);
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < LEAST || last.0 - first.0 < LEAST_SPAN || last.1 <= 0.0 {
        return None;
    }
    let points = thinned(&points);
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, one) in points.iter().enumerate() {
        for other in &points[index + 1..] {
            let days = days(other.0 - one.0);
            if days > 0.0 {
                slopes.push((other.1 - one.1) / days);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    let (low, high) = interval(points.len(), slopes.len());
    let at = |index: usize| slopes.get(index).copied();
    let middle = slopes.len() / 2;
    let median = if slopes.len() % 2 == 1 { at(middle)? } else { (at(middle.checked_sub(1)?)? + at(middle)?) / 2.0 };
    let ends = end(*last, median)?;
    let earliest = end(*last, at(low)?).unwrap_or(ends).min(ends);
    Some(Runway { ends, earliest, latest: end(*last, at(high)?).map(|latest| latest.max(ends)) })
}

/// Sorted, finite, one for each instant, within the window, from the last increase on.
fn since_top_up(points: &[Point]) -> Vec<Point> {
    let mut all: Vec<Point> = points.iter().copied().filter(|(_, amount)| amount.is_finite()).collect();
    all.sort_by_key(|(at, _)| *at);
    all.dedup_by_key(|(at, _)| *at);
    let Some(last) = all.last().map(|(at, _)| *at) else { return all };
    all.retain(|(at, _)| last - *at <= WINDOW);
    // A refund of a thousandth is no top-up.
    let grew = |pair: &[Point]| pair[1].1 > pair[0].1 + pair[0].1.abs() * 1e-3;
    let from = all.windows(2).rposition(grew).map_or(0, |index| index + 1);
    all.split_off(from)
}

fn thinned(points: &[Point]) -> Vec<Point> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    (0..MOST).map(|n| points[n * (points.len() - 1) / (MOST - 1)]).collect()
}

/// Sen's interval: the indices of the slopes that bound 90 % of what chance would give.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most MOST points; clamped"
)]
fn interval(points: usize, slopes: usize) -> (usize, usize) {
    let n = points as f64;
    let spread = Z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let all = slopes as f64;
    let top = (all - 1.0).max(0.0);
    let low = ((all - spread) / 2.0).clamp(0.0, top).floor();
    let high = ((all + spread) / 2.0).clamp(0.0, top).ceil();
    (low as usize, high as usize)
}

fn end((at, amount): Point, slope: f64) -> Option<Time> {
    let left = amount / -slope;
    // Also false for what is no number.
    if !(slope < 0.0 && left <= FAR) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most ten years of seconds")]
    at.checked_add_signed(Span::seconds((left * 86_400.0) as i64))
}

#[expect(clippy::cast_precision_loss, reason = "seconds within a month are exact")]
fn days(span: Span) -> f64 {
    span.num_seconds() as f64 / 86_400.0
}

/// What to do about an account without money.
#[must_use]
pub fn top_up(provider: &str) -> String {
    format!("Add credit to the {provider} account.")
}

/// How bad it is that the balance behind a credential that works runs out before long, and the sentence that says so. Once it
/// has run out, the provider's own answer speaks.
#[must_use]
pub fn alarm(assessed: &Assessed, snapshot: &Snapshot, now: Time) -> Option<(Severity, String)> {
    let Assessed { credential, judgement, allowance, .. } = assessed;
    let allowance = allowance.as_ref()?;
    let (runway, (warn_at, critical_at)) = (allowance.runway?, allowance.bands?);
    let silent = assessed.copy_of.is_some() || !judgement.in_use || !judgement.state.is_usable();
    if silent || snapshot.clock_problem.is_some() || now < warn_at {
        return None;
    }
    let last = snapshot.providers.iter().any(|p| p.provider == credential.provider && p.usable <= 1);
    let left = allowance.balance.as_ref().map(Balance::to_string).unwrap_or_default();
    let severity = if now >= critical_at && last { Severity::Critical } else { Severity::Warning };
    let end = runway.ends.format("%Y-%m-%d %H:%M UTC");
    Some((severity, format!("the {left} behind {} will be used up about {end}", credential.id)))
}

/// An answer that is older says nothing about what is left now (DESIGN §7, as of verdicts).
const COUNTS: Span = Span::hours(24);

/// When the balance behind a credential is used up even at the slowest pace that its history makes credible: what is certain
/// enough for an exit code. `None` if it may last for ever, or was not seen for a day.
#[must_use]
pub fn at_the_latest(assessed: &Assessed, now: Time) -> Option<Time> {
    let allowance = assessed.allowance.as_ref()?;
    let fresh = allowance.at.is_some_and(|at| now - at <= COUNTS);
    allowance.runway?.latest.filter(|_| fresh)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hours: f64) -> Time {
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        let seconds = (hours * 3600.0) as i64;
        Time::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn falling(from: f64, per_day: f64, hours: u32) -> Vec<Point> {
        (0..=hours).map(|h| (at(h.into()), from - per_day * f64::from(h) / 24.0)).collect()
    }

    #[test]
    fn a_straight_line_ends_where_it_ends() {
        let runway = runway(&falling(100.0, 10.0, 48)).unwrap();
        // 80 are left after two days, at 10 a day.
        assert_eq!(runway.ends, at(48.0 + 8.0 * 24.0));
        assert_eq!((runway.earliest, runway.latest), (runway.ends, Some(runway.ends)));
    }

    #[test]
    fn a_few_odd_days_do_not_move_it() {
        let mut points = falling(100.0, 10.0, 48);
        points[10].1 -= 60.0;
        points.truncate(40);
        let clean = runway(&falling(100.0, 10.0, 39)).unwrap();
        // The jump back up after the odd one looks like a top-up only if it is taken for one: it is, and the rest decides.
        let odd = runway(&points).unwrap();
        assert!((odd.ends - clean.ends).abs() < Span::hours(6), "{odd:?}");
    }

    #[test]
    fn a_top_up_starts_anew() {
        let mut points = falling(20.0, 10.0, 30);
        points.extend((0..=24).map(|h| (at(31.0 + f64::from(h)), 100.0 - f64::from(h) / 24.0)));
        let runway = runway(&points).unwrap();
        assert_eq!(runway.ends, at(55.0 + 99.0 * 24.0));
    }

    #[test]
    fn nothing_is_said_about_what_is_not_known() {
        for (points, why) in [
            (vec![], "nothing"),
            (falling(100.0, 10.0, 3), "three hours"),
            (vec![(at(0.0), 9.0), (at(24.0), 8.0)], "two observations"),
            (falling(100.0, 0.0, 48), "it does not shrink"),
            (falling(100.0, 0.001, 48), "centuries"),
            (falling(10.0, 10.0, 24), "it is over"),
            (vec![(at(0.0), f64::NAN), (at(9.0), 1.0), (at(18.0), f64::INFINITY)], "no numbers"),
        ] {
            assert_eq!(runway(&points), None, "{why}");
        }
    }

    #[test]
    fn noise_widens_it() {
        let noise = |h: u32| f64::from((h * h * 31 + h * 17) % 13) * 0.03;
        let points: Vec<Point> = (0..60u32).map(|h| (at(h.into()), 100.0 - f64::from(h) * 0.5 + noise(h))).collect();
        let found = runway(&points).unwrap();
        assert!(found.earliest < found.ends && found.latest.is_none_or(|latest| latest > found.ends), "{found:?}");
    }

    proptest! {
        #[test]
        fn bounds(points in proptest::collection::vec((0.0f64..2_000.0, -1e9f64..1e9), 0..300)) {
            let points: Vec<Point> = points.into_iter().map(|(hours, amount)| (at(hours), amount)).collect();
            if let Some(found) = runway(&points) {
                let last = points.iter().map(|(at, _)| *at).max().unwrap();
                prop_assert!(found.earliest <= found.ends && found.latest.is_none_or(|latest| found.ends <= latest));
                prop_assert!(found.ends >= last && found.ends - last <= Span::days(3_651));
            }
        }
    }
}
