//! `type = "teams"`: a Workflow (Power Automate) that posts an adaptive card. Its 202 says that the *flow* has it, which is all that
//! can be known. The Office 365 connectors that came before were switched off in 2026.

use serde_json::{Value, json};

use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A whole message may have about 28 KB.
const TEXT: Limit = Limit::Bytes(18_000);

pub(super) struct Teams;

impl Vendor for Teams {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let url = letter.value("url");
        if is_connector(url) {
            return Err(
                "this is the URL of an Office 365 connector, which Microsoft has switched off; make a Workflow \
                        (\"Post to a channel when a webhook request is received\") and write its URL"
                    .to_owned(),
            );
        }
        let message = letter.rendered;
        let style = match message.mood {
            Mood::Critical => "attention",
            Mood::Warning => "warning",
            Mood::Info => "accent",
            Mood::Over => "good",
        };
        let actions: Vec<Value> = message
            .actions
            .iter()
            .map(|action| json!({ "type": "Action.OpenUrl", "title": action.label, "url": action.url }))
            .collect();
        let block = |text: String, more: Value| {
            let mut block = json!({ "type": "TextBlock", "text": text, "wrap": true });
            if let (Some(block), Some(more)) = (block.as_object_mut(), more.as_object()) {
                block.extend(more.clone());
            }
            block
        };
        let title = block(message.subject.clone(), json!({ "weight": "bolder", "size": "medium", "color": style }));
        // A line end of a card's text is an empty line.
        let text = block(compose(message, &Markdown, TEXT).replace('\n', "\n\n"), json!({}));
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": message.subject,
            "body": [title, text],
            "actions": actions,
            "msteams": { "width": "Full" },
        });
        let body = json!({
            "type": "message",
            "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
        });
        Ok(Part::only(Call::post(url.to_owned(), body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
        match (answer.status, code.as_str()) {
            (200 | 202, "") => Judgement::Delivered { keep: None },
            (_, "WorkflowNotFound" | "WorkflowTriggerIsNotEnabled" | "WorkflowDisabled" | "TriggerDisabled") => {
                Judgement::Permanent(FailureReason::Refused)
            }
            (
                401 | 403,
                "DirectApiAuthorizationRequired"
                | "AuthorizationFailed"
                | "DirectApiRequestHasMoreThanOneAuthorization",
            ) => Judgement::Permanent(FailureReason::AuthRejected),
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace { burst: 4, every: std::time::Duration::from_secs(1) })
    }
}

/// Whether a URL is one of the old connectors.
#[must_use]
pub fn is_connector(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    host == "outlook.office.com" || host == "webhook.office.com" || host.ends_with(".webhook.office.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"teams\"\nurl = { env = \"SECRET_URL\" }";

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, "").await;
        insta::assert_json_snapshot!("teams", requests[0].json());
    }

    #[test]
    fn connectors_are_told_from_workflows() {
        assert!(is_connector("https://contoso.webhook.office.com/webhookb2/x/IncomingWebhook/y"));
        assert!(is_connector("https://outlook.office.com/webhook/x"));
        assert!(!is_connector("https://prod-1.westeurope.logic.azure.com/workflows/x?sig=webhook.office.com"));
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(202, "", None),
                Row(200, "<html>sign in</html>", Some((false, Parse))),
                Row(404, r#"{"error":{"code":"WorkflowNotFound","message":"gone"}}"#, Some((true, Refused))),
                Row(400, r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"off"}}"#, Some((true, Refused))),
                Row(
                    401,
                    r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"sig"}}"#,
                    Some((true, AuthRejected)),
                ),
                Row(413, "", Some((false, Refused))),
                Row(429, "", Some((false, RateLimited))),
            ],
        )
        .await;
    }
}
