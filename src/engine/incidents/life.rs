//! One incident, moved on by one cycle: inactive → pending → firing → resolved, and when there is something to say.

use crate::domain::{Ack, Ended, Incident, IncidentId, IncidentStatus, Severity, Span, Tier, Time};
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

/// A problem that was not there before; `returned`: it ended a moment ago.
pub(super) fn begin(id: IncidentId, seen: &Condition, returned: bool, now: Time) -> Incident {
    let mut incident = Incident {
        provider: seen.provider.clone(),
        severity: seen.severity,
        status: if seen.confirm { IncidentStatus::Pending } else { IncidentStatus::Firing },
        generation: seen.generation.clone(),
        title: seen.title.clone(),
        returned_at: returned.then_some(now),
        ..Incident::new(id, seen.name, seen.subject.clone(), now)
    };
    describe(&mut incident, seen);
    incident
}

/// Moves an incident on. `None`: it never was one (pending and not seen again).
pub(super) fn advance(mut incident: Incident, sight: &Sight<'_>, now: Time) -> Option<Incident> {
    turn_back(&mut incident, now);
    match sight {
        Sight::Firing(seen) => go_on(&mut incident, seen, now),
        Sight::Unclear => {}
        Sight::Over(_) if incident.status == IncidentStatus::Pending => return None,
        Sight::Over(why) => {
            if incident.status == IncidentStatus::Firing {
                incident.status = IncidentStatus::Resolved;
                incident.resolved_at = Some(now);
                incident.because.extend(why.map(str::to_owned));
                // An ack ends with what it was about.
                incident.ack = None;
                incident.unacked_since = None;
            }
        }
    }
    Some(incident)
}

/// How it is remembered once it is over.
pub(super) fn ended(incident: &Incident, now: Time) -> Ended {
    Ended {
        incident: incident.id.clone(),
        name: incident.name.clone(),
        subject: incident.subject.as_str().to_owned(),
        provider: incident.provider.clone(),
        generation: incident.generation.clone(),
        severity: incident.severity,
        title: incident.title.clone(),
        since: incident.since,
        at: now,
    }
}

/// Until when the end of an incident that comes and goes is not believed: it must stay over for as long as coming back counts
/// as the same problem.
#[must_use]
pub fn flaps_until(incident: &Incident) -> Option<Time> {
    let (ended, returned) = (incident.resolved_at?, incident.returned_at?);
    (ended - returned <= FLAP).then(|| ended + FLAP)
}

/// Whether it is the same problem as one that ended so.
pub(super) fn returns(ended: &Ended, seen: &Condition, now: Time) -> bool {
    !is_new(&ended.generation, &seen.generation) && ended.at <= now && now - ended.at <= FLAP
}

/// A clock that ran ahead and was set right left dates in the future; a reminder must not wait for them.
fn turn_back(incident: &mut Incident, now: Time) {
    for date in [&mut incident.since, &mut incident.last_seen] {
        *date = (*date).min(now);
    }
    let Incident { announced_at, resolved_at, unacked_since, returned_at, .. } = incident;
    for date in [announced_at, resolved_at, unacked_since, returned_at].into_iter().flatten() {
        *date = (*date).min(now);
    }
    // An ack of two hours lasts two hours, whatever the clock showed when it was given.
    if let Some(ack) = incident.ack.as_mut().filter(|ack| ack.at > now) {
        let ahead = ack.at - now;
        ack.at = now;
        ack.until = ack.until.map(|until| until - ahead);
    }
}

/// Whether a generation is another one. Before an empty one nothing is known (our fingerprint key was lost): whatever is seen
/// next is taken for the same.
pub(super) fn is_new(before: &str, now: &str) -> bool {
    !before.is_empty() && before != now
}

fn go_on(incident: &mut Incident, seen: &Condition, now: Time) {
    match incident.status {
        IncidentStatus::Pending if now - incident.since >= SETTLED => incident.status = IncidentStatus::Firing,
        IncidentStatus::Resolved => {
            let soon = incident.resolved_at.is_some_and(|at| now - at <= FLAP);
            if !soon || (incident.told.is_empty() && incident.maybe_told.is_empty()) {
                // Everybody knows that it was over, or it was so for long: this is another episode.
                incident.since = now;
                incident.announced_at = None;
                incident.announced_tier = None;
                incident.announced_severity = Severity::None;
                incident.returned_at = None;
            }
            if soon && !is_new(&incident.generation, &seen.generation) {
                incident.returned_at = Some(now);
            }
            incident.status = IncidentStatus::Firing;
            incident.resolved_at = None;
            incident.unacked_since = incident.announced_at.map(|_| now);
        }
        _ => {}
    }
    let renewed = is_new(&incident.generation, &seen.generation);
    if renewed {
        incident.announced_tier = None;
        incident.announced_severity = Severity::None;
    }
    if renewed || incident.ack.as_ref().is_some_and(|ack| is_worse(ack, seen)) {
        incident.ack = None;
    }
    incident.generation.clone_from(&seen.generation);
    incident.severity = seen.severity;
    incident.last_seen = now;
    describe(incident, seen);
}

/// Worse than what somebody said they had seen: more severe, or what was going to end has ended.
fn is_worse(ack: &Ack, seen: &Condition) -> bool {
    seen.severity > ack.severity || (seen.tier == Some(Tier::Expired) && ack.tier < seen.tier)
}

/// Whether there is something to say about an incident that is seen now and not muted.
pub(super) fn news(incident: &Incident, seen: &Condition, policy: &AlertPolicy, now: Time) -> Option<News> {
    if incident.status != IncidentStatus::Firing {
        return None;
    }
    match &incident.ack {
        Some(ack) if ack.holds(now) => return None,
        // Whoever put it off is told again.
        Some(ack) if ack.snooze => return Some(News::Reminder),
        _ => {}
    }
    if incident.announced_at.is_none()
        || seen.severity > incident.announced_severity
        || seen.tier > incident.announced_tier
    {
        Some(News::Change)
    } else {
        reminder_due(incident, seen.remind, policy, now).then_some(News::Reminder)
    }
}

/// An ack whose time is over: the clock of escalation starts anew. One that puts off stays until it has been said again.
pub(super) fn end_ack(incident: &mut Incident, now: Time) {
    if incident.ack.as_ref().is_some_and(|ack| !ack.snooze && !ack.holds(now)) {
        incident.ack = None;
        incident.unacked_since = incident.announced_at.map(|_| now);
    }
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

pub(super) fn announce(incident: &mut Incident, seen: &Condition, news: News, now: Time) {
    let again = incident.ack.take().is_some();
    if again || incident.announced_at.is_none() || seen.severity > incident.announced_severity {
        incident.unacked_since = Some(now);
    }
    incident.given_up.clear();
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
