//! `type = "pagerduty"`: Events API v2 (<https://developer.pagerduty.com/docs/events-api-v2-overview>). One event for each incident,
//! under its id, so that what is told again or is over meets the same alert.

use serde_json::{Value, json};

use super::compose::Limit;
use super::http::{Answer, Call, Judgement, by_status};
use super::vendor::{Letter, Part, Vendor};
use crate::domain::{FailureReason, Item, ItemStatus, Severity};

const SUMMARY: Limit = Limit::Chars(1024);
const TEXT: Limit = Limit::Chars(4000);

pub(super) struct PagerDuty;

fn event(letter: &Letter<'_>, item: &Item) -> Value {
    let key = letter.value("routing_key");
    let dedup = item.incident.as_str();
    if item.status != ItemStatus::Firing {
        return json!({ "routing_key": key, "event_action": "resolve", "dedup_key": dedup });
    }
    let severity = match item.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info | Severity::None => "info",
    };
    let mut details = json!({
        "subject": item.subject,
        "why": item.because,
        "since": item.since.to_rfc3339(),
    });
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            details[name] = TEXT.cut(&value).into();
        }
    };
    add("fix", item.fix.clone());
    add("expires", item.expires.map(|at| at.to_rfc3339()));
    add("summary", Some(item.summary.clone()).filter(|summary| !summary.is_empty()));
    let links: Vec<Value> =
        letter.rendered.actions.iter().map(|action| json!({ "href": action.url, "text": action.label })).collect();
    json!({
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": dedup,
        "client": "opensoul",
        "links": links,
        "payload": {
            "summary": SUMMARY.cut(&format!("{}: {}", letter.notification.host, item.title)),
            "source": letter.notification.host,
            "severity": severity,
            "timestamp": item.since.to_rfc3339(),
            "component": item.provider.as_deref().unwrap_or("opensoul"),
            "group": "credentials",
            "class": item.name,
            "custom_details": details,
        },
    })
}

impl Vendor for PagerDuty {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let eu = letter.settings.text("region") == Some("eu");
        let server = letter.url(if eu { "https://events.eu.pagerduty.com" } else { "https://events.pagerduty.com" });
        let part = |item: &Item| Part {
            key: item.incident.to_string(),
            call: Call::post(format!("{server}/v2/enqueue"), event(letter, item)),
        };
        Ok(letter.notification.items.iter().map(part).collect())
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        match (answer.status, body["status"].as_str()) {
            (202, Some("success")) => Judgement::Delivered { keep: None },
            // "Never retry" by its documentation: the key, or the event, is wrong.
            (400, Some("invalid event")) => {
                let key =
                    body["errors"].to_string().contains("routing_key") || body["message"].to_string().contains("key");
                Judgement::Permanent(if key { FailureReason::AuthRejected } else { FailureReason::Refused })
            }
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::IncidentId;
    use crate::notify::samples::{expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, failure};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"pagerduty\"\nurl = \"URL\"\nrouting_key = { env = \"SECRET\" }";
    const GOOD: &str = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;

    #[tokio::test]
    async fn one_event_for_each_incident() {
        let bench = Channel::new(TOML).await;
        bench.answers(ResponseTemplate::new(202).set_body_string(GOOD)).await;
        let over = Item {
            incident: IncidentId::of("CredentialRejected", "x", "box"),
            status: ItemStatus::Resolved,
            ended: Some(now()),
            ..expiring()
        };
        assert_eq!(failure(&bench.deliver(&notification(vec![expiring(), over])).await), None);
        let requests: Vec<Value> = bench.requests().await.iter().map(|made| made.json()).collect();
        insta::assert_json_snapshot!("pagerduty", requests);
    }

    #[tokio::test]
    async fn what_got_through_is_not_sent_again() {
        let bench = Channel::new(TOML).await;
        let second = Item { incident: IncidentId::of("CredentialRejected", "x", "box"), ..expiring() };
        let message = notification(vec![expiring(), second]);
        bench.answers_once(ResponseTemplate::new(202).set_body_string(GOOD)).await;
        bench.answers(ResponseTemplate::new(500)).await;
        let crate::domain::Outcome::Transient { progress, .. } = bench.deliver(&message).await else { panic!() };
        assert_eq!(progress.0.len(), 1);
        let attempt = crate::domain::Attempt { progress, ..crate::notify::samples::attempt() };
        bench.deliver_after(&message, attempt).await;
        let keys: Vec<Value> = bench.requests().await.iter().map(|made| made.json()["dedup_key"].clone()).collect();
        assert_eq!(keys.len(), 3);
        assert_ne!(keys[0], keys[1]);
        assert_eq!(keys[1], keys[2]);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(TOML, &[
            Row(202, GOOD, None),
            Row(200, GOOD, Some((false, Parse))),
            Row(202, "{}", Some((false, Parse))),
            Row(400, r#"{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is invalid"]}"#, Some((true, AuthRejected))),
            Row(400, r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.summary' is missing or blank"]}"#, Some((true, Refused))),
            Row(429, r#"{"status":"throttle exceeded"}"#, Some((false, RateLimited))),
        ])
        .await;
    }
}
