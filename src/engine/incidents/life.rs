//! One incident, moved on by one cycle: inactive → pending → firing → resolved, and when there is something to say.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Incident, IncidentId, IncidentStatus, Severity, Span, Time};
use crate::engine::jitter::share;
use crate::engine::policy::AlertPolicy;

use super::conditions::{Condition, Remind};
use super::sight::Sight;

/// Why something is said now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It began, came closer (a tier), got worse, or concerns a new generation.
    Change,
    /// It goes on.
    Reminder,
}

/// A problem that comes back this soon after it ended is the same one.
const FLAP: Span = Span::hours(1);

/// Reminders of problems that began together are spread over this.
const SPREAD: Span = Span::minutes(30);

/// A reminder that would be due this soon is due: cycles come at whole minutes give or take.
const SLACK: Span = Span::minutes(1);

/// What a file being rewritten or a gateway being restarted looks like for a moment must still be so after this long. Two
/// cycles alone prove nothing: a changed file causes one at once.
pub(super) const SETTLED: Span = Span::seconds(20);

/// A problem that was not there before.
pub(super) fn begin(id: IncidentId, seen: Condition, now: Time) -> (Incident, Option<News>) {
    let mut incident = Incident {
        id,
        name: seen.name.to_owned(),
        subject: seen.subject.clone(),
        provider: seen.provider.clone(),
        severity: seen.severity,
        status: if seen.confirm { IncidentStatus::Pending } else { IncidentStatus::Firing },
        since: now,
        last_seen: now,
        resolved_at: None,
        generation: seen.generation.clone(),
        announced_tier: None,
        announced_at: None,
        announced_severity: Severity::None,
        reminders: 0,
        title: seen.title.clone(),
        summary: String::new(),
        because: Vec::new(),
        fix: None,
        expires: None,
        told: BTreeMap::new(),
        maybe_told: BTreeSet::new(),
    };
    describe(&mut incident, &seen);
    if seen.confirm {
        return (incident, None);
    }
    announce(&mut incident, &seen, News::Change, now);
    (incident, Some(News::Change))
}

/// Moves an incident on. `None`: it never was one (pending and not seen again).
pub(super) fn advance(
    mut incident: Incident,
    sight: Sight,
    policy: &AlertPolicy,
    now: Time,
) -> Option<(Incident, Option<News>)> {
    turn_back(&mut incident, now);
    match sight {
        Sight::Firing(seen) => {
            let news = go_on(&mut incident, &seen, policy, now);
            Some((incident, news))
        }
        Sight::Unclear => Some((incident, None)),
        Sight::Over(_) if incident.status == IncidentStatus::Pending => None,
        Sight::Over(why) => {
            if incident.status == IncidentStatus::Firing {
                incident.status = IncidentStatus::Resolved;
                incident.resolved_at = Some(now);
                incident.because.extend(why.map(str::to_owned));
            }
            Some((incident, None))
        }
    }
}

/// A clock that ran ahead and was set right left dates in the future; a reminder must not wait for them.
fn turn_back(incident: &mut Incident, now: Time) {
    for date in [&mut incident.since, &mut incident.last_seen] {
        *date = (*date).min(now);
    }
    for date in [&mut incident.announced_at, &mut incident.resolved_at].into_iter().flatten() {
        *date = (*date).min(now);
    }
}

/// Whether a generation is another one. Before an empty one nothing is known (our fingerprint key was lost): whatever is seen
/// next is taken for the same.
pub(super) fn is_new(before: &str, now: &str) -> bool {
    !before.is_empty() && before != now
}

fn go_on(incident: &mut Incident, seen: &Condition, policy: &AlertPolicy, now: Time) -> Option<News> {
    match incident.status {
        IncidentStatus::Pending if now - incident.since >= SETTLED => incident.status = IncidentStatus::Firing,
        IncidentStatus::Resolved => {
            if incident.resolved_at.is_none_or(|at| now - at > FLAP) {
                incident.since = now;
                incident.announced_at = None;
            }
            incident.status = IncidentStatus::Firing;
            incident.resolved_at = None;
        }
        _ => {}
    }
    if is_new(&incident.generation, &seen.generation) {
        incident.announced_tier = None;
        incident.announced_severity = Severity::None;
    }
    incident.generation.clone_from(&seen.generation);
    incident.severity = seen.severity;
    incident.last_seen = now;
    describe(incident, seen);
    if incident.status == IncidentStatus::Pending {
        return None;
    }
    let news = if incident.announced_at.is_none()
        || seen.severity > incident.announced_severity
        || seen.tier > incident.announced_tier
    {
        News::Change
    } else if reminder_due(incident, seen.remind, policy, now) {
        News::Reminder
    } else {
        return None;
    };
    announce(incident, seen, news, now);
    Some(news)
}

fn reminder_due(incident: &Incident, remind: Remind, policy: &AlertPolicy, now: Time) -> bool {
    let (Remind::Broken, Some(last)) = (remind, incident.announced_at) else {
        return false;
    };
    let first = incident.reminders == 0;
    let mut wait = match incident.severity {
        Severity::Critical if first => policy.remind_critical_first,
        Severity::Critical | Severity::Warning => policy.remind_daily,
        Severity::Info | Severity::None => return false,
    };
    if first {
        // Only the first: the daily ones keep the hour that it sets.
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "half an hour is small")]
        let spread = (SPREAD.num_milliseconds() as f64 * share(&["reminder", incident.id.as_str()])) as i64;
        wait += Span::milliseconds(spread);
    }
    now - last + SLACK >= wait
}

fn announce(incident: &mut Incident, seen: &Condition, news: News, now: Time) {
    incident.announced_at = Some(now);
    incident.announced_severity = seen.severity;
    incident.announced_tier = incident.announced_tier.max(seen.tier);
    incident.reminders = if news == News::Reminder { incident.reminders.saturating_add(1) } else { 0 };
}

fn describe(incident: &mut Incident, seen: &Condition) {
    incident.summary.clone_from(&seen.summary);
    incident.because.clone_from(&seen.because);
    incident.fix.clone_from(&seen.fix);
    incident.expires = seen.expires;
}
