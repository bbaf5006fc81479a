//! `type = "mattermost"`: an incoming webhook (<https://developers.mattermost.com/integrate/webhooks/incoming/>).

use serde_json::json;

use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::slack::colour;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A post may have 16,383 characters.
const TEXT: Limit = Limit::Chars(12_000);

pub(super) struct Mattermost;

/// Text in a coloured attachment, as Mattermost and Rocket.Chat took it over from Slack; the text is Markdown.
pub(super) fn body(letter: &Letter<'_>, limit: Limit) -> serde_json::Value {
    let message = letter.rendered;
    let mut text = compose(message, &Markdown, limit);
    for action in &message.actions {
        text.push_str(&format!("\n[{}]({})", action.label, action.url));
    }
    let mut body = json!({
        "text": "",
        "attachments": [{ "fallback": message.subject, "color": colour(message.mood), "title": message.subject, "text": text }],
    });
    if let Some(channel) = letter.settings.text("channel") {
        body["channel"] = channel.into();
    }
    body
}

impl Vendor for Mattermost {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        Ok(Part::only(Call::post(letter.value("url").to_owned(), body(letter, TEXT))))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        match (answer.status, body["id"].as_str().unwrap_or_default()) {
            (200, _) if answer.text.trim() == "ok" => Judgement::Delivered { keep: None },
            (400..500, id) if id.starts_with("web.incoming_webhook.invalid") || id.contains("webhook.disabled") => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (400..500, id) if id.starts_with("web.incoming_webhook.") => Judgement::Permanent(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"mattermost\"\nurl = { env = \"SECRET_URL\" }\nchannel = \"ops\"";

    #[tokio::test]
    async fn what_is_sent() {
        insta::assert_json_snapshot!("mattermost", sent(TOML, "ok").await[0].json());
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(TOML, &[
            Row(200, "ok", None),
            Row(200, "{}", Some((false, Parse))),
            Row(400, r#"{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook.","status_code":400}"#, Some((true, AuthRejected))),
            Row(404, r#"{"id":"web.incoming_webhook.channel.app_error","message":"Couldn't find the channel.","status_code":404}"#, Some((true, Refused))),
            Row(429, "limit exceeded", Some((false, RateLimited))),
            Row(400, "proxy", Some((false, Refused))),
        ])
        .await;
    }
}
