//! `type = "pushover"` (<https://pushover.net/api>). With `emergency = true` a critical rings until somebody confirms it; its end
//! cancels that.

use serde_json::Value;

use super::compose::{Limit, Plain, compose};
use super::http::{Answer, Body, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::{FailureReason, ItemStatus};

const MESSAGE: Limit = Limit::Chars(1024);
const TITLE: Limit = Limit::Chars(250);

pub(super) struct Pushover;

fn call(letter: &Letter<'_>, path: &str, mut form: Vec<(&'static str, String)>) -> Call {
    form.push(("token", letter.value("token").to_owned()));
    let mut call = Call::post(format!("{}{path}", letter.url("https://api.pushover.net")), Value::Null);
    call.body = Body::Form(form);
    call
}

impl Vendor for Pushover {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let emergency = letter.settings.flag("emergency");
        let priority = match message.mood {
            Mood::Critical if emergency => "2",
            Mood::Critical => "1",
            Mood::Warning => "0",
            Mood::Info | Mood::Over => "-1",
        };
        let mut form = vec![
            ("user", letter.value("user").to_owned()),
            ("title", TITLE.cut(&message.subject)),
            ("message", compose(message, &Plain, MESSAGE)),
            ("priority", priority.to_owned()),
            ("timestamp", letter.notification.created_at.timestamp().to_string()),
        ];
        if let Some(device) = letter.settings.text("device") {
            form.push(("device", device.to_owned()));
        }
        if let Some(action) = message.actions.first().filter(|action| action.url.len() <= 512) {
            form.extend([("url", action.url.clone()), ("url_title", Limit::Chars(100).cut(&action.label))]);
        }
        if priority == "2" {
            let tags: Vec<&str> = letter.notification.items.iter().map(|item| item.incident.as_str()).collect();
            form.extend([("retry", "60".to_owned()), ("expire", "3600".to_owned()), ("tags", tags.join(","))]);
        }
        let mut parts = vec![Part { key: "message".to_owned(), call: call(letter, "/1/messages.json", form) }];
        for item in &letter.notification.items {
            if emergency && item.status == ItemStatus::Resolved {
                let path = format!("/1/receipts/cancel_by_tag/{}.json", item.incident);
                parts.push(Part { key: format!("cancel {}", item.incident), call: call(letter, &path, Vec::new()) });
            }
        }
        Ok(parts)
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let invalid = |name: &str| body[name] == "invalid";
        match (answer.status, body["status"].as_i64()) {
            (200, Some(1)) => Judgement::Delivered { keep: None },
            // The month's messages are used up; they come back with the month.
            (429, _) => Judgement::Transient(FailureReason::RateLimited, answer.retry_after),
            (400..500, Some(0)) if invalid("token") || invalid("user") => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (400..500, Some(0)) => Judgement::Permanent(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Item;
    use crate::notify::samples::{expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};
    use wiremock::ResponseTemplate;

    const TOML: &str = "type = \"pushover\"\nurl = \"URL\"\ntoken = { env = \"SECRET\" }\nuser = { env = \"SECRET\" }\nemergency = true";
    const GOOD: &str = r#"{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!(requests[0].url.path(), "/1/messages.json");
        insta::assert_debug_snapshot!("pushover", requests[0].form());
    }

    #[tokio::test]
    async fn the_end_of_an_emergency_cancels_it() {
        let bench = Channel::new(TOML).await;
        bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
        let over = Item { status: ItemStatus::Resolved, ended: Some(now()), ..expiring() };
        bench.deliver(&notification(vec![over.clone()])).await;
        let paths: Vec<String> = bench.requests().await.iter().map(|made| made.url.path().to_owned()).collect();
        assert_eq!(paths, ["/1/messages.json".to_owned(), format!("/1/receipts/cancel_by_tag/{}.json", over.incident)]);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, r#"{"status":0}"#, Some((false, Parse))),
                Row(
                    400,
                    r#"{"token":"invalid","errors":["application token is invalid"],"status":0}"#,
                    Some((true, AuthRejected)),
                ),
                Row(
                    400,
                    r#"{"user":"invalid","errors":["user identifier is invalid"],"status":0}"#,
                    Some((true, AuthRejected)),
                ),
                Row(
                    400,
                    r#"{"message":"cannot be blank","errors":["message cannot be blank"],"status":0}"#,
                    Some((true, Refused)),
                ),
                Row(429, r#"{"errors":["application is over its quota"],"status":0}"#, Some((false, RateLimited))),
                Row(400, "proxy", Some((false, Refused))),
            ],
        )
        .await;
    }
}
