//! The message of `alerts test`: visibly a test, about an incident of its own, and nothing that anybody has to act on. PURE.

use crate::domain::{IncidentId, Item, ItemStatus, Notification, NotificationId, NotificationKind, Severity, Time};

/// Channels whose service would keep a test open until somebody closes it: it is always resolved there.
const KEEPS_OPEN: [&str; 3] = ["pagerduty", "opsgenie", "jsm"];

/// Whether a test of this channel has to be ended by us.
#[must_use]
pub fn must_end(channel: &str) -> bool {
    KEEPS_OPEN.contains(&channel)
}

/// A test for `receiver`, or its end.
#[must_use]
pub fn message(receiver: &str, channel: &str, host: &str, over: bool, began: Time, now: Time) -> Notification {
    let subject = format!("test:{receiver}");
    let incident = IncidentId::of("Test", &format!("{subject}@{}", began.timestamp_millis()), host);
    let item = Item {
        incident: incident.clone(),
        name: "Test".to_owned(),
        subject,
        provider: None,
        status: if over { ItemStatus::Resolved } else { ItemStatus::Firing },
        severity: Severity::Info,
        tier: None,
        since: began,
        ended: over.then_some(now),
        expires: None,
        title: format!("[TEST] opensoul on {host}"),
        summary: "This is a test. Nothing is wrong, and nothing has to be done.".to_owned(),
        because: vec![format!(
            "`opensoul alerts test` was run for the receiver {receiver} ({channel}), opensoul {}",
            env!("CARGO_PKG_VERSION")
        )],
        fix: None,
    };
    Notification {
        id: NotificationId(format!("test-{incident}-{}", if over { "end" } else { "begin" })),
        receiver: receiver.to_owned(),
        group_key: format!("{{receiver=\"{receiver}\", test=\"{incident}\"}}"),
        kind: NotificationKind::Alert,
        severity: Severity::Info,
        host: host.to_owned(),
        created_at: now,
        items: vec![item],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Lang, Span, Zone};
    use crate::notify::render::render;
    use crate::notify::samples::now;

    #[test]
    fn a_test_is_seen_to_be_one_and_ends_the_incident_that_it_began() {
        let begin = message("ops", "email", "box", false, now(), now());
        let end = message("ops", "email", "box", true, now(), now() + Span::seconds(3));
        assert_eq!((&begin.items[0].incident, &begin.group_key), (&end.items[0].incident, &end.group_key));
        assert_ne!(begin.id, end.id);
        let later = message("ops", "email", "box", false, now() + Span::minutes(1), now() + Span::minutes(1));
        assert_ne!(begin.items[0].incident, later.items[0].incident, "two tests are two");
        let shown = render(&begin, Lang::English, Zone::UTC, now());
        assert!(shown.subject.contains("[TEST] opensoul on box") && shown.text.contains("nothing has to be done"));
    }
}
