//! A notification as Alertmanager (version 4) would post it, so that everything that understands Alertmanager understands
//! us. PURE. Under 256 KiB: what does not fit is counted in `truncatedAlerts`.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::Serialize;

use crate::domain::{Item, ItemStatus, Notification, Time};
use crate::net::redact::cut;
use crate::notify::{Links, render};

/// Standard Webhooks advises 20 kB; a digest of some dozen incidents is larger, and a program that reads it must hear of each.
pub(super) const LIMIT: usize = 256 * 1024;
/// An alert is never shorter, whatever its texts are: of ten thousand, those that have no chance are not written out.
const LEAST: usize = 200;
/// How Alertmanager writes "no end yet".
const OPEN: &str = "0001-01-01T00:00:00Z";

type Labels = BTreeMap<&'static str, String>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: Vec<Alert<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: &'a str,
}

/// The bytes to send; `notice` is what went wrong with the message itself.
pub(super) fn build(notification: &Notification, links: &Links, notice: Option<&str>, now: Time) -> Vec<u8> {
    let mut shown = notification.items.len().min(LIMIT / LEAST);
    loop {
        let body = body(notification, shown, links, notice, now);
        let bytes = serde_json::to_vec(&body).expect("text and numbers only");
        // One item always fits: its texts are cut.
        if bytes.len() < LIMIT || shown <= 1 {
            return bytes;
        }
        shown = (shown * LIMIT / bytes.len()).clamp(1, shown - 1);
    }
}

fn body<'a>(
    notification: &'a Notification,
    shown: usize,
    links: &'a Links,
    notice: Option<&str>,
    now: Time,
) -> Body<'a> {
    let alerts: Vec<Alert<'a>> =
        notification.items.iter().take(shown).map(|item| alert(notification, item, links, notice, now)).collect();
    let firing = notification.items.iter().any(|item| item.status == ItemStatus::Firing);
    let mut group_labels = Labels::from([("host", notification.host.clone())]);
    let mut providers: Vec<&Option<String>> = notification.items.iter().map(|item| &item.provider).collect();
    providers.dedup();
    if let [Some(provider)] = providers.as_slice() {
        group_labels.insert("provider", provider.clone());
    }
    Body {
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: notification.items.len() - alerts.len(),
        status: if firing { "firing" } else { "resolved" },
        receiver: &notification.receiver,
        group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: &links.page,
        alerts,
    }
}

fn alert<'a>(
    notification: &Notification,
    item: &'a Item,
    links: &'a Links,
    notice: Option<&str>,
    now: Time,
) -> Alert<'a> {
    let mut labels = Labels::from([
        ("alertname", item.name.clone()),
        ("severity", item.severity.word().to_owned()),
        ("host", notification.host.clone()),
    ]);
    let subject = if item.provider.is_some() { "credential" } else { "check" };
    labels.insert(subject, cut(&item.subject, 300));
    labels.extend(item.provider.clone().map(|provider| ("provider", provider)));
    let mut annotations = Labels::from([("title", cut(&item.title, 300)), ("summary", cut(&item.summary, 500))]);
    let mut add = |name, text: String| {
        if !text.is_empty() {
            annotations.insert(name, text);
        }
    };
    add("description", cut(&item.because.join("\n"), 1_000));
    if item.status == ItemStatus::Firing {
        add("fix", cut(item.fix.as_deref().unwrap_or_default(), 500));
        // The name that the field uses for it.
        add(
            "runbook_url",
            links.runbook.as_deref().map(|at| cut(&render::runbook(at, item), 1_000)).unwrap_or_default(),
        );
    }
    add("expires", item.expires.map(stamp).unwrap_or_default());
    if item.status == ItemStatus::Notice {
        add("notice", "nothing is wrong: this is worth knowing".to_owned());
    }
    if item.status == ItemStatus::WasDown {
        add("was", "it was wrong and is over; no message about it got out in between".to_owned());
    }
    add(
        "delayed",
        render::delay(notification, now).map(|span| format!("delayed by {}", render::words(span))).unwrap_or_default(),
    );
    add("template_problem", cut(notice.unwrap_or_default(), 500));
    Alert {
        status: if item.status == ItemStatus::Firing { "firing" } else { "resolved" },
        labels,
        annotations,
        starts_at: stamp(item.since),
        ends_at: match item.status {
            ItemStatus::Firing => OPEN.to_owned(),
            // Over without a known end: it is over now at the latest.
            ItemStatus::Resolved | ItemStatus::WasDown | ItemStatus::Notice => {
                stamp(item.ended.unwrap_or(notification.created_at))
            }
        },
        generator_url: &links.page,
        fingerprint: item.incident.as_str(),
    }
}

fn stamp(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What all of them say alike.
fn common<'l>(mut all: impl Iterator<Item = &'l Labels>) -> Labels {
    let Some(mut common) = all.next().cloned() else { return Labels::new() };
    for labels in all {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Span;
    use crate::notify::samples::{expiring, notification, now};

    #[test]
    fn as_alertmanager_writes_it() {
        let over = Item { status: ItemStatus::WasDown, ended: Some(now() - Span::hours(1)), ..expiring() };
        let mut message = notification(vec![expiring(), over]);
        message.created_at = now() - Span::hours(2);
        let value: serde_json::Value = serde_json::from_slice(&build(
            &message,
            &Links { page: "http://127.0.0.1:10177/".into(), runbook: None },
            None,
            now(),
        ))
        .expect("json");
        insta::assert_json_snapshot!("webhook_body", value);
    }

    #[test]
    fn large_ones_are_cut_by_items() {
        let message = notification(vec![expiring(); 500]);
        let bytes = build(&message, &Links::default(), None, now());
        assert!(bytes.len() < LIMIT && bytes.len() > LIMIT / 2, "{}", bytes.len());
        let value: serde_json::Value = serde_json::from_slice(&bytes).expect("json");
        let shown = value["alerts"].as_array().expect("list").len() as u64;
        assert_eq!(shown + value["truncatedAlerts"].as_u64().expect("number"), 500);
    }

    #[test]
    fn the_shortest_alert() {
        let nothing = Item {
            name: String::new(),
            subject: String::new(),
            provider: None,
            title: String::new(),
            summary: String::new(),
            because: vec![],
            fix: None,
            expires: None,
            status: ItemStatus::Firing,
            ..expiring()
        };
        let message = notification(vec![nothing]);
        let links = Links::default();
        let alert = alert(&message, &message.items[0], &links, None, now());
        assert!(serde_json::to_vec(&alert).expect("json").len() >= LEAST);
    }

    proptest! {
        #[test]
        fn it_always_fits(text in "\\PC{0,3000}", count in 1usize..40) {
            let item = Item {
                title: text.clone(), summary: text.clone(), subject: text.clone(),
                because: vec![text.clone(); 3], fix: Some(text), ..expiring()
            };
            let bytes = build(&notification(vec![item; count]), &Links::default(), None, now());
            prop_assert!(bytes.len() < LIMIT, "{}", bytes.len());
        }
    }
}
