//! `type = "opsgenie"` and `type = "jsm"` (Jira Service Management, which takes its place; Opsgenie ends in April 2027). One alert for
//! each incident, under its id. Both answer before they have acted: their 202 is all that can be known.

use serde_json::json;

use super::compose::{Limit, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::vendor::{Letter, Part, Vendor};
use crate::domain::{FailureReason, Item, ItemStatus, Severity};

const MESSAGE: Limit = Limit::Chars(130);
const DESCRIPTION: Limit = Limit::Chars(15_000);

pub(super) struct Opsgenie {
    /// The API's address unless another is configured.
    pub server: &'static str,
}

impl Vendor for Opsgenie {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let server = letter.url(self.server);
        let host = &letter.notification.host;
        let part = |item: &Item| {
            let alias = item.incident.as_str();
            let call = if item.status == ItemStatus::Firing {
                let priority = match item.severity {
                    Severity::Critical => "P1",
                    Severity::Warning => "P3",
                    Severity::Info | Severity::None => "P5",
                };
                let body = json!({
                    "message": MESSAGE.cut(&format!("{host}: {}", item.title)),
                    "alias": alias,
                    "description": compose(letter.rendered, &Plain, DESCRIPTION),
                    "tags": ["opensoul", item.name],
                    "details": { "subject": item.subject, "fix": item.fix.as_deref().unwrap_or_default() },
                    "entity": item.provider.as_deref().unwrap_or("opensoul"),
                    "source": host,
                    "priority": priority,
                });
                Call::post(format!("{server}/v2/alerts"), body)
            } else {
                let url = format!("{server}/v2/alerts/{alias}/close?identifierType=alias");
                Call::post(url, json!({ "source": host, "note": item.summary }))
            };
            let call = call.header("authorization", format!("GenieKey {}", letter.value("key")));
            Part { key: item.incident.to_string(), call }
        };
        Ok(letter.notification.items.iter().map(part).collect())
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let ours = body["message"].is_string();
        match answer.status {
            202 if body["requestId"].is_string() => Judgement::Delivered { keep: None },
            401 | 403 if ours => Judgement::Permanent(FailureReason::AuthRejected),
            // Of an alert that was deleted there, nothing is left to close.
            404 if ours && letter.notification.items.iter().all(|item| item.status != ItemStatus::Firing) => {
                Judgement::Delivered { keep: None }
            }
            400 | 422 if ours => Judgement::Permanent(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::notify::samples::{expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, failure};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"jsm\"\nurl = \"URL\"\nkey = { env = \"SECRET\" }";
    const GOOD: &str = r#"{"result":"Request will be processed","took":0.3,"requestId":"43a29c5c"}"#;

    #[tokio::test]
    async fn what_is_opened_is_closed_under_the_same_alias() {
        let bench = Channel::new(TOML).await;
        bench.answers(ResponseTemplate::new(202).set_body_string(GOOD)).await;
        let over = Item { status: ItemStatus::Resolved, ended: Some(now()), ..expiring() };
        for item in [expiring(), over.clone()] {
            assert_eq!(failure(&bench.deliver(&notification(vec![item])).await), None);
        }
        let requests = bench.requests().await;
        assert_eq!(
            (requests[0].url.path(), requests[0].header("authorization")),
            ("/v2/alerts", "GenieKey 53cret-53cret")
        );
        insta::assert_json_snapshot!("jsm", requests[0].json());
        assert_eq!(requests[1].url.path(), format!("/v2/alerts/{}/close", over.incident));
        assert_eq!(requests[1].url.query(), Some("identifierType=alias"));
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(202, GOOD, None),
                Row(202, "{}", Some((false, Parse))),
                Row(401, r#"{"message":"Key format is not valid!","took":0.0}"#, Some((true, AuthRejected))),
                Row(422, r#"{"message":"Request body is not processable","took":0.0}"#, Some((true, Refused))),
                Row(429, r#"{"message":"You are making too many requests!"}"#, Some((false, RateLimited))),
                Row(403, "proxy", Some((false, AuthRejected))),
            ],
        )
        .await;
    }
}
