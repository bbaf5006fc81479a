//! Small drawings as numbers: where things stand on a line. PURE; the templates make SVG of them.

use serde::Serialize;

use crate::domain::{Severity, Span, State, Time};

/// Hours at the right end of the line of coming expiries.
const YEAR: f64 = 8_760.0;

/// Where an instant stands on the line of what is to come, in per cent from now: the near is spread out (logarithm of the hours),
/// because hours matter today and only weeks in spring.
pub(super) fn ahead(span: Span) -> f64 {
    let hours = (minutes(span) / 60.0).max(0.0);
    round((1.0 + hours).ln() / (1.0 + YEAR).ln() * 100.0).min(100.0)
}

#[expect(clippy::cast_precision_loss, reason = "minutes of centuries fit into 52 bits")]
fn minutes(span: Span) -> f64 {
    span.num_minutes() as f64
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// How a state is coloured. What alerts nobody, a copy or what nothing uses, is not shown as fine for that.
pub(super) fn shade(state: State, severity: Severity) -> &'static str {
    match state {
        State::Unknown => "unknown",
        State::Ok | State::Static => severity.word(),
        _ => severity.max(Severity::Info).word(),
    }
}

/// A stretch of time in which a credential was so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Stretch {
    /// Per cent from the left.
    pub x: f64,
    pub width: f64,
    pub severity: &'static str,
}

/// What a credential was between two instants: a bar for each stretch, from its changes (oldest first). Before the first change
/// nothing is known, and nothing is drawn.
pub(super) fn strip(changes: &[(Time, State, Severity)], from: Time, to: Time) -> Vec<Stretch> {
    let whole = minutes(to - from);
    if whole <= 0.0 {
        return Vec::new();
    }
    let at = |time: Time| round(minutes(time.clamp(from, to) - from) / whole * 100.0);
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, (begin, state, severity)) in changes.iter().enumerate() {
        let end = changes.get(index + 1).map_or(to, |(at, ..)| *at);
        if end <= from || *begin >= to {
            continue;
        }
        let severity = shade(*state, *severity);
        let (x, right) = (at(*begin), at(end));
        match stretches.last_mut() {
            Some(last) if last.severity == severity => last.width = round(right - last.x),
            _ => stretches.push(Stretch { x, width: round(right - x), severity }),
        }
    }
    // A short trouble must not be too thin to see, nor one that has just begun stand outside.
    for stretch in &mut stretches {
        stretch.width = stretch.width.max(0.8);
        stretch.x = round(stretch.x.min(100.0 - stretch.width));
    }
    stretches
}

/// A curve in a box of 100 by 100, as the `d` of an SVG path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Curve {
    pub line: String,
    /// The same, closed at the bottom.
    pub area: String,
    /// Where it goes on if it goes on so.
    pub ahead: Option<String>,
}

/// Amounts over time, from nothing at the bottom to the most at the top; `ends` is when they are expected to be used up.
pub(super) fn curve(points: &[(Time, f64)], ends: Option<Time>) -> Option<Curve> {
    let points: Vec<_> = thinned(points).into_iter().filter(|(_, amount)| amount.is_finite()).collect();
    let (first, last) = (points.first()?, points.last()?);
    let most = points.iter().map(|(_, amount)| *amount).fold(0.0, f64::max);
    let end = ends.filter(|end| *end > last.0).unwrap_or(last.0);
    let whole = minutes(end - first.0);
    if points.len() < 2 || whole <= 0.0 || most <= 0.0 {
        return None;
    }
    let x = |at: Time| round(minutes(at - first.0) / whole * 100.0);
    let y = |amount: f64| round(100.0 - amount.max(0.0) / most * 96.0);
    // A balance stays what it was until it is seen to be another: steps are drawn by lines, near enough at this size.
    let line: String = points
        .iter()
        .enumerate()
        .map(|(n, (at, amount))| format!("{}{} {}", if n == 0 { "M" } else { "L" }, x(*at), y(*amount)))
        .collect();
    let area = format!("{line}L{} 100L0 100Z", x(last.0));
    let ahead = (end > last.0).then(|| format!("M{} {}L100 100", x(last.0), y(last.1)));
    Some(Curve { line, area, ahead })
}

/// Not more points than one can see.
fn thinned(points: &[(Time, f64)]) -> Vec<(Time, f64)> {
    const MOST: usize = 240;
    if points.len() <= MOST {
        return points.to_vec();
    }
    (0..MOST).map(|n| points[n * (points.len() - 1) / (MOST - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        "2026-11-22T12:00:00Z".parse::<Time>().unwrap() + Span::hours(hours)
    }

    #[test]
    fn the_near_is_spread_out() {
        assert!(ahead(Span::zero()).abs() < 0.01);
        assert!((ahead(Span::days(365)) - 100.0).abs() < 0.01 && (ahead(Span::days(4000)) - 100.0).abs() < 0.01);
        let (day, week, month) = (ahead(Span::days(1)), ahead(Span::days(7)), ahead(Span::days(30)));
        assert!(30.0 < day && day < week && week < month && month < 80.0, "{day} {week} {month}");
        assert!(ahead(-Span::days(1)).abs() < 0.01);
    }

    #[test]
    fn stretches_follow_the_changes() {
        let changes = [
            (at(-100), State::Ok, Severity::None),
            (at(-50), State::Static, Severity::None),
            (at(-20), State::Expired, Severity::Critical),
            (at(-10), State::Unknown, Severity::None),
        ];
        assert_eq!(shade(State::Expiring, Severity::None), "info");
        let drawn = strip(&changes, at(-100), at(0));
        let summary: Vec<_> = drawn.iter().map(|s| (s.x, s.width, s.severity)).collect();
        assert_eq!(summary, [(0.0, 80.0, "none"), (80.0, 10.0, "critical"), (90.0, 10.0, "unknown")]);
        // What began before is cut, and before the first change nothing is known.
        assert_eq!(strip(&changes[3..], at(-100), at(0)).len(), 1);
        assert_eq!(strip(&changes[3..], at(-100), at(0))[0].x, 90.0);
        assert_eq!(strip(&changes[..1], at(-50), at(0))[0].x, 0.0);
        assert!(strip(&changes, at(0), at(0)).is_empty());
        let blink = [
            (at(-50), State::Ok, Severity::None),
            (at(-49), State::Expired, Severity::Critical),
            (at(-49), State::Ok, Severity::None),
        ];
        assert!(strip(&blink, at(-100_000), at(0)).iter().all(|stretch| stretch.width >= 0.8));
        let begun = strip(&[(at(0) - Span::minutes(1), State::Expired, Severity::Critical)], at(-720), at(0));
        assert_eq!((begun[0].x, begun[0].width), (99.2, 0.8));
    }

    #[test]
    fn a_curve_ends_where_the_money_does() {
        let points = [(at(-10), 10.0), (at(-5), 5.0), (at(0), 5.0)];
        let drawn = curve(&points, Some(at(10))).unwrap();
        assert_eq!(drawn.line, "M0 4L25 52L50 52");
        assert_eq!(drawn.ahead.as_deref(), Some("M50 52L100 100"));
        assert_eq!(curve(&points, None).unwrap().ahead, None);
        assert_eq!(curve(&points[..1], None), None);
        assert_eq!(curve(&[(at(-1), 0.0), (at(0), 0.0)], None), None);
        assert_eq!(curve(&[(at(-1), f64::NAN), (at(0), f64::INFINITY)], None), None);
        let many: Vec<_> = (0..5000).map(|n| (at(n), 1.0)).collect();
        assert!(curve(&many, None).unwrap().line.matches('L').count() < 240);
    }
}
