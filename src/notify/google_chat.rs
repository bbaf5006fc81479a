//! `type = "google-chat"`: a webhook of a space, with one thread for each group
//! (<https://developers.google.com/workspace/chat/quickstart/webhooks>).

use std::time::Duration;

use serde_json::json;

use super::compose::{Limit, Unescaped, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

const TEXT: Limit = Limit::Bytes(4096);

/// <https://developers.google.com/workspace/chat/format-messages>; there is no way to escape.
const CHAT: Unescaped = Unescaped { strong: "*", code: "`", line_end: "\n" };

pub(super) struct GoogleChat;

impl Vendor for GoogleChat {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let url = letter.value("url");
        let joint = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{joint}messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
        let mut text = compose(letter.rendered, &CHAT, TEXT);
        for action in &letter.rendered.actions {
            let link = format!("\n<{}|{}>", action.url, action.label);
            if TEXT.holds(&format!("{text}{link}")) {
                text.push_str(&link);
            }
        }
        let body = json!({ "text": text, "thread": { "threadKey": letter.notification.group_key } });
        Ok(Part::only(Call::post(url, body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        match (answer.status, body["error"]["status"].as_str()) {
            (200, None) if body["name"].is_string() => Judgement::Delivered { keep: None },
            (401 | 403, Some("UNAUTHENTICATED" | "PERMISSION_DENIED")) | (400, Some("API_KEY_INVALID")) => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (404, Some("NOT_FOUND")) => Judgement::Permanent(FailureReason::Refused),
            // It gives no hint when to come back.
            (429, _) => {
                let wait = answer.retry_after.unwrap_or(Duration::from_secs(90));
                Judgement::Transient(FailureReason::RateLimited, Some(wait))
            }
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace { burst: 1, every: Duration::from_secs(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"google-chat\"\nurl = { env = \"SECRET_URL\" }";
    const GOOD: &str = r#"{"name":"spaces/S/messages/M","thread":{"name":"spaces/S/threads/T"}}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!(requests[0].url.query(), Some("messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"));
        insta::assert_json_snapshot!("google_chat", requests[0].json());
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, "{}", Some((false, Parse))),
                Row(403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, Some((true, AuthRejected))),
                Row(404, r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#, Some((true, Refused))),
                Row(400, r#"{"error":{"code":400,"status":"INVALID_ARGUMENT"}}"#, Some((false, Refused))),
                Row(429, r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, Some((false, RateLimited))),
            ],
        )
        .await;
    }
}
