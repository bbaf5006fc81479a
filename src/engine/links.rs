//! Which links a message offers and what the use of one comes to (CONTRACTS §6). Pure.
//!
//! A message about a few problems offers two: acknowledge them, or put them off. Of many problems nobody has an idea after reading
//! a message, so a digest offers none.

use crate::domain::{Item, ItemStatus, Lang, Link, Notification, NotificationKind, Severity, Span, Time};

/// A link is of use for so long.
pub const LIVES: Span = Span::hours(24);
/// How long an acknowledgement by a link holds.
pub const ACK: Span = Span::hours(24);
/// How long a problem is put off by one.
pub const SNOOZE: Span = Span::hours(2);
/// The longest that a link which strangers may have read can hush up a critical.
pub const PUBLIC: Span = Span::hours(4);
/// Incidents that one link speaks for.
pub const MOST: usize = 8;

/// The links of a message to `receiver`: acknowledge, put off.
#[must_use]
pub fn offered(notification: &Notification, public: bool, lang: Lang, now: Time) -> Vec<Link> {
    let firing: Vec<&Item> = notification.items.iter().filter(|item| item.status == ItemStatus::Firing).collect();
    if firing.is_empty() || firing.len() > MOST || notification.kind == NotificationKind::Report {
        return Vec::new();
    }
    let worst = firing.iter().map(|item| item.severity).max().unwrap_or(Severity::None);
    let link = |snooze, lasts| Link {
        incidents: firing.iter().map(|item| item.incident.clone()).collect(),
        snooze,
        lasts: longest(lasts, public, worst),
        expires: now + LIVES,
        receiver: notification.receiver.clone(),
        public,
        lang,
        critical: worst >= Severity::Critical,
    };
    vec![link(false, ACK), link(true, SNOOZE)]
}

/// Whether an incident that began then is what the message of the link was about: no later episode of it,
/// which would be hushed up before anybody has read of it.
#[must_use]
pub fn is_meant(link: &Link, since: Time) -> bool {
    // The link's own date has no fractions of a second.
    since < link.expires - LIVES + Span::seconds(1)
}

/// Whether it has become critical since that message.
#[must_use]
pub fn is_worse(link: &Link, severity: Severity) -> bool {
    severity >= Severity::Critical && !link.critical
}

/// When what a link does now ends, for an incident that is so severe now.
#[must_use]
pub fn until(link: &Link, severity: Severity, now: Time) -> Time {
    now + longest(link.lasts.min(ACK), link.public, severity)
}

fn longest(lasts: Span, public: bool, severity: Severity) -> Span {
    if public && severity >= Severity::Critical { lasts.min(PUBLIC) } else { lasts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{IncidentId, NotificationId};

    fn now() -> Time {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn message(items: &[(ItemStatus, Severity)]) -> Notification {
        let item = |(n, (status, severity)): (usize, &(ItemStatus, Severity))| Item {
            incident: IncidentId::of("A", &n.to_string(), "box"),
            name: "A".into(),
            subject: "x".into(),
            provider: None,
            status: *status,
            severity: *severity,
            tier: None,
            since: now(),
            ended: None,
            expires: None,
            title: "t".into(),
            summary: String::new(),
            because: Vec::new(),
            fix: None,
        };
        Notification {
            id: NotificationId("n".into()),
            receiver: "phone".into(),
            group_key: "g".into(),
            kind: NotificationKind::Alert,
            severity: Severity::Critical,
            host: "box".into(),
            created_at: now(),
            items: items.iter().enumerate().map(item).collect(),
        }
    }

    #[test]
    fn what_is_wrong_can_be_taken_up_and_put_off_and_nothing_else_can() {
        use ItemStatus::{Firing, Notice, Resolved};
        let links = |items: &[_]| offered(&message(items), false, Lang::English, now());
        let both = links(&[(Firing, Severity::Critical), (Resolved, Severity::Critical), (Notice, Severity::Info)]);
        assert_eq!(
            both.iter().map(|link| (link.snooze, link.lasts)).collect::<Vec<_>>(),
            [(false, ACK), (true, SNOOZE)]
        );
        assert!(both.iter().all(|link| link.incidents.len() == 1 && link.expires == now() + LIVES));
        assert!(links(&[(Resolved, Severity::Critical), (Notice, Severity::Info)]).is_empty());
        assert_eq!(links(&[(Firing, Severity::Warning); MOST])[0].incidents.len(), MOST);
        assert!(links(&[(Firing, Severity::Warning); MOST + 1]).is_empty(), "too many to know what one is doing");
    }

    #[test]
    fn strangers_cannot_hush_up_a_critical_for_long() {
        let critical = message(&[(ItemStatus::Firing, Severity::Critical)]);
        let warning = message(&[(ItemStatus::Firing, Severity::Warning)]);
        let first = |message, public| offered(message, public, Lang::English, now()).remove(0);
        assert_eq!(first(&critical, false).lasts, Span::hours(24));
        assert_eq!(first(&critical, true).lasts, Span::hours(4));
        let link = first(&warning, true);
        assert_eq!(link.lasts, Span::hours(24));
        assert_eq!(until(&link, Severity::Warning, now()), now() + Span::hours(24));
        assert_eq!(until(&link, Severity::Critical, now()), now() + Span::hours(4), "it became one in the meantime");
        let long = Link { lasts: Span::days(30), public: false, ..link };
        assert_eq!(until(&long, Severity::Critical, now()), now() + Span::hours(24), "never longer than a day");
    }
}
