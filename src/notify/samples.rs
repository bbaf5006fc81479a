//! Notifications for tests.

use crate::domain::{
    Attempt, IncidentId, Item, ItemStatus, Notification, NotificationId, NotificationKind, Progress, Severity, Span,
    Tier, Time,
};

pub(crate) fn at(text: &str) -> Time {
    text.parse().expect("time")
}

pub(crate) fn now() -> Time {
    at("2026-11-22T18:00:00Z")
}

pub(crate) fn expiring() -> Item {
    Item {
        incident: IncidentId::of("CredentialExpiring", "opensoul:main/anthropic:work", "build-7"),
        name: "CredentialExpiring".into(),
        subject: "opensoul:main/anthropic:work".into(),
        provider: Some("anthropic".into()),
        status: ItemStatus::Firing,
        severity: Severity::Critical,
        tier: Some(Tier::Days3),
        since: now() - Span::hours(3),
        ended: None,
        expires: Some(now() + Span::hours(52)),
        title: "anthropic:work is about to end".into(),
        summary: "The token ends in 2 days, and nothing renews it.".into(),
        because: vec![
            "~/.opensoul/agents/main/agent/auth-profiles.json says so".into(),
            "it is the last one of anthropic".into(),
        ],
        fix: Some("opensoul models auth setup-token --provider anthropic".into()),
    }
}

pub(crate) fn notification(items: Vec<Item>) -> Notification {
    Notification {
        id: NotificationId("01938c0e-0000-7000-8000-000000000001".into()),
        receiver: "ops".into(),
        group_key: "ops/anthropic/build-7".into(),
        kind: NotificationKind::Alert,
        severity: Severity::Critical,
        host: "build-7".into(),
        created_at: now(),
        items,
    }
}

pub(crate) fn attempt() -> Attempt {
    Attempt { progress: Progress::default(), keep: None, now: now() }
}
