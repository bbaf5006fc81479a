//! `type = "gotify"`: a message of an application (<https://gotify.net/api-docs#/message/createMessage>).

use serde_json::json;

use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// Gotify has no limit of its own; phones show no more.
const MESSAGE: Limit = Limit::Chars(8_000);

pub(super) struct Gotify;

impl Vendor for Gotify {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let priority = match message.mood {
            Mood::Critical => 8,
            Mood::Warning => 5,
            Mood::Over => 4,
            Mood::Info => 2,
        };
        let mut body = json!({
            "title": message.subject,
            "message": compose(message, &Markdown, MESSAGE),
            "priority": priority,
            "extras": { "client::display": { "contentType": "text/markdown" } },
        });
        if let Some(action) = message.actions.first() {
            body["extras"]["client::notification"] = json!({ "click": { "url": action.url } });
        }
        let call = Call::post(format!("{}/message", letter.url("")), body);
        Ok(Part::only(call.header("x-gotify-key", letter.value("token").to_owned())))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        match (answer.status, body["errorCode"].as_i64()) {
            (200, _) if body["id"].is_i64() => Judgement::Delivered { keep: None },
            (401 | 403, Some(_)) => Judgement::Permanent(FailureReason::AuthRejected),
            (400, Some(_)) => Judgement::Permanent(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, Refused, ServerError};

    const TOML: &str = "type = \"gotify\"\nurl = \"URL\"\ntoken = { env = \"SECRET\" }";
    const GOOD: &str = r#"{"id":25,"appid":5,"message":"x","title":"x","priority":5,"date":"2026-11-22T18:00:00Z"}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!((requests[0].url.path(), requests[0].header("x-gotify-key")), ("/message", "53cret-53cret"));
        assert!(!requests[0].url.as_str().contains("53cret"), "a token in a URL is written into logs");
        insta::assert_json_snapshot!("gotify", requests[0].json());
    }

    #[tokio::test]
    async fn what_answers_mean() {
        let error =
            r#"{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token"}"#;
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, "{}", Some((false, Parse))),
                Row(401, error, Some((true, AuthRejected))),
                Row(401, "proxy", Some((false, AuthRejected))),
                Row(400, r#"{"error":"Bad Request","errorCode":400,"errorDescription":"x"}"#, Some((true, Refused))),
                Row(500, "{}", Some((false, ServerError))),
            ],
        )
        .await;
    }
}
