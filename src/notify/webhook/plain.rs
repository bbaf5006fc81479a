//! A notification as plain JSON, for programs of one's own: what the items say, frozen, and the words for people beside them.
//! PURE. Under 256 KiB: what does not fit is counted in `truncatedItems`.

use chrono::SecondsFormat;
use serde::Serialize;

use super::body::LIMIT;
use crate::domain::{ItemStatus, Lang, Notification, Time};
use crate::net::redact::cut;
use crate::notify::{Links, Rendered, render};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    id: &'a str,
    receiver: &'a str,
    group_key: &'a str,
    status: &'static str,
    severity: &'static str,
    host: &'a str,
    created_at: String,
    delayed_seconds: Option<i64>,
    lang: Lang,
    subject: &'a str,
    text: String,
    url: Option<&'a str>,
    items: Vec<Entry<'a>>,
    truncated_items: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    incident: &'a str,
    name: &'a str,
    status: &'static str,
    severity: &'static str,
    subject: String,
    provider: Option<&'a str>,
    since: String,
    ended_at: Option<String>,
    expires_at: Option<String>,
    title: String,
    summary: String,
    because: Vec<String>,
    fix: Option<String>,
    runbook: Option<String>,
}

/// The bytes to send.
pub(super) fn build(notification: &Notification, message: &Rendered, links: &Links, now: Time) -> Vec<u8> {
    let mut shown = notification.items.len();
    loop {
        let document = document(notification, shown, message, links, now);
        let bytes = serde_json::to_vec(&document).expect("text and numbers only");
        // One item always fits: its texts are cut.
        if bytes.len() < LIMIT || shown <= 1 {
            return bytes;
        }
        shown = (shown * LIMIT / bytes.len()).clamp(1, shown - 1);
    }
}

fn document<'a>(
    notification: &'a Notification,
    shown: usize,
    message: &'a Rendered,
    links: &'a Links,
    now: Time,
) -> Document<'a> {
    let firing = notification.items.iter().any(|item| item.status == ItemStatus::Firing);
    let entries = notification.items.iter().take(shown).map(|item| {
        let (over, notice) = (item.status != ItemStatus::Firing, item.status == ItemStatus::Notice);
        Entry {
            incident: item.incident.as_str(),
            name: &item.name,
            status: match item.status {
                ItemStatus::Firing => "firing",
                ItemStatus::Resolved => "resolved",
                ItemStatus::WasDown => "was-down",
                ItemStatus::Notice => "notice",
            },
            severity: item.severity.word(),
            subject: cut(&item.subject, 300),
            provider: item.provider.as_deref(),
            since: stamp(item.since),
            ended_at: item.ended.map(stamp),
            expires_at: item.expires.map(stamp),
            title: cut(&item.title, 300),
            summary: cut(&item.summary, 500),
            because: item.because.iter().take(20).map(|line| cut(line, 500)).collect(),
            fix: item.fix.as_deref().filter(|_| !over || notice).map(|fix| cut(fix, 500)),
            runbook: links.runbook.as_deref().filter(|_| !over).map(|at| cut(&render::runbook(at, item), 1_000)),
        }
    });
    Document {
        schema: "opensoul.notification/v1",
        id: notification.id.as_str(),
        receiver: &notification.receiver,
        group_key: &notification.group_key,
        status: if firing { "firing" } else { "resolved" },
        severity: notification.severity.word(),
        host: &notification.host,
        created_at: stamp(notification.created_at),
        delayed_seconds: render::delay(notification, now).map(|span| span.num_seconds()),
        lang: message.lang,
        subject: &message.subject,
        text: cut(&message.text, 8_000),
        url: Some(links.page.as_str()).filter(|page| !page.is_empty()),
        items: entries.collect(),
        truncated_items: notification.items.len() - shown,
    }
}

fn stamp(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Item, Zone};
    use crate::notify::render;
    use crate::notify::samples::{expiring, notification, now};

    fn json(items: Vec<Item>) -> (usize, serde_json::Value) {
        let message = notification(items);
        let links = Links { page: String::new(), runbook: Some("https://wiki.example.org/{name}".into()) };
        let bytes = build(&message, &render(&message, Lang::Chinese, Zone::UTC, now()), &links, now());
        (bytes.len(), serde_json::from_slice(&bytes).expect("json"))
    }

    #[test]
    fn everything_a_program_needs() {
        let mut value = json(vec![expiring()]).1;
        assert!(value["text"].as_str().is_some_and(|text| text.contains("严重")));
        value["text"] = "…".into();
        insta::assert_json_snapshot!("webhook_plain", value);
    }

    #[test]
    fn large_ones_are_cut_by_items() {
        let (length, value) = json(vec![expiring(); 800]);
        assert!(length < LIMIT && length > LIMIT / 2, "{length}");
        let shown = value["items"].as_array().expect("list").len() as u64;
        assert_eq!(shown + value["truncatedItems"].as_u64().expect("number"), 800);
    }
}
