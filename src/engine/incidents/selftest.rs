//! The self-test of receivers: one that has taken nothing for long gets a quiet message, so that a password that was changed in
//! spring is noticed before the alert of autumn. It goes the way of every message: what fails raises the same alarm, and one waits
//! at most. Whoever got, or is about to get, anything else is not tested.

use crate::domain::{IncidentId, Item, ItemStatus, Notification, Severity, Snapshot, Time};
use crate::engine::grouping::Want;
use crate::engine::policy::AlertPolicy;

use super::Standing;

/// The tests that are due. `wants` and `reports` are what is said anyway.
pub(super) fn wants(
    policy: &AlertPolicy,
    standing: &Standing,
    wants: &[Want],
    reports: &[Notification],
    snapshot: &Snapshot,
    now: Time,
) -> Vec<Want> {
    let Some(every) = policy.self_test.filter(|_| snapshot.clock_problem.is_none()) else { return Vec::new() };
    let about_to = |name: &str| {
        wants.iter().any(|want| want.receiver == name)
            || reports.iter().any(|report| report.receiver == name)
            || standing.queued.iter().any(|queued| queued.notification.receiver == name)
            || standing.ailing.iter().any(|ailing| ailing.name == name)
    };
    let silent = |name: &str| standing.heard.get(name).is_none_or(|last| now - *last >= every);
    let due = policy.receivers.iter().filter(|one| one.testable && silent(&one.name) && !about_to(&one.name));
    due.map(|one| Want {
        receiver: one.name.clone(),
        item: test(&one.name, standing.heard.get(&one.name).map(|last| (now - *last).num_days()), &snapshot.host, now),
    })
    .collect()
}

fn test(receiver: &str, days: Option<i64>, host: &str, now: Time) -> Item {
    let title = format!("self-test: {receiver} gets our messages");
    let summary = match days {
        Some(days) => format!(
            "no message has gone to it for {days} days, so this one shows that the next alert would arrive; nothing has to be done"
        ),
        None => "no message has ever gone to it, so this one shows that an alert would arrive; nothing has to be done"
            .to_owned(),
    };
    Item {
        incident: IncidentId::of("ReceiverTest", receiver, host),
        name: "ReceiverTest".to_owned(),
        subject: format!("receiver:{receiver}"),
        provider: None,
        status: ItemStatus::Notice,
        severity: Severity::Info,
        tier: None,
        since: now,
        ended: None,
        expires: None,
        title,
        summary,
        because: Vec::new(),
        fix: None,
    }
}
