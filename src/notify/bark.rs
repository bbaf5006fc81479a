//! `type = "bark"`: a push to an iPhone (<https://bark.day.app/#/tutorial>). The body's `code` counts.

use serde_json::json;

use super::compose::{Limit, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// Apple takes 4096 bytes in all.
const BODY: Limit = Limit::Bytes(2_800);

pub(super) struct Bark;

impl Vendor for Bark {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let level = match message.mood {
            Mood::Critical if letter.settings.flag("loud") => "critical",
            Mood::Critical => "timeSensitive",
            Mood::Warning => "active",
            Mood::Info | Mood::Over => "passive",
        };
        let mut body = json!({
            "device_key": letter.value("key"),
            "title": Limit::Bytes(250).cut(&message.subject),
            "body": compose(message, &Plain, BODY),
            "level": level,
            "group": "opensoul",
        });
        if let Some(action) = message.actions.first() {
            body["url"] = action.url.clone().into();
        }
        Ok(Part::only(Call::post(format!("{}/push", letter.url("https://api.day.app")), body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let said = body["message"].as_str().unwrap_or_default().to_lowercase();
        match (answer.status, body["code"].as_i64()) {
            (200, Some(200)) => Judgement::Delivered { keep: None },
            (_, Some(400)) if said.contains("device") => Judgement::Permanent(FailureReason::AuthRejected),
            (_, Some(400..500)) => Judgement::Refused(FailureReason::Refused),
            (_, Some(500..)) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, Refused, ServerError};

    const TOML: &str = "type = \"bark\"\nurl = \"URL\"\nkey = { env = \"SECRET\" }";
    const GOOD: &str = r#"{"code":200,"message":"success","timestamp":1700000000}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!(requests[0].url.path(), "/push");
        let mut body = requests[0].json();
        assert_eq!(body["device_key"].take(), crate::notify::testing::SECRET);
        insta::assert_json_snapshot!("bark", body);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(TOML, &[
            Row(200, GOOD, None),
            Row(200, "{}", Some((false, Parse))),
            Row(400, r#"{"code":400,"message":"failed to get device token: failed to get [x] device token from database"}"#, Some((true, AuthRejected))),
            Row(400, r#"{"code":400,"message":"request bind failed"}"#, Some((false, Refused))),
            Row(200, r#"{"code":500,"message":"push failed"}"#, Some((false, ServerError))),
        ])
        .await;
    }
}
