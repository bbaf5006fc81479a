//! `type = "discord"`: a webhook (<https://discord.com/developers/docs/resources/webhook#execute-webhook>). When everything that a
//! card told of is over, the card is coloured green beside the new message.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::card::Card;
use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

const TITLE: Limit = Limit::Utf16(256);
const DESCRIPTION: Limit = Limit::Utf16(4096);
const EDIT: &str = "edit";

pub(super) struct Discord;

fn embed(letter: &Letter<'_>) -> Value {
    let message = letter.rendered;
    let colour = match message.mood {
        Mood::Critical => 0x00d3_2f2f,
        Mood::Warning => 0x00f9_a825,
        Mood::Info => 0x0019_76d2,
        Mood::Over => 0x002e_7d32,
    };
    json!({
        "embeds": [{
            "title": TITLE.cut(&message.subject),
            "description": compose(message, &Markdown, DESCRIPTION),
            "color": colour,
            "timestamp": letter.notification.created_at.to_rfc3339(),
        }],
        "allowed_mentions": { "parse": [] },
    })
}

impl Vendor for Discord {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let hook = letter.value("url").split('?').next().unwrap_or_default();
        let mut parts =
            vec![Part { key: "message".to_owned(), call: Call::post(format!("{hook}?wait=true"), embed(letter)) }];
        if let Some(card) = Card::over(letter) {
            let mut call = Call::post(format!("{hook}/messages/{}", card.id), embed(letter));
            call.method = Method::PATCH;
            parts.push(Part { key: EDIT.to_owned(), call });
        }
        Ok(parts)
    }

    fn judge(&self, letter: &Letter<'_>, part: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        if part == EDIT {
            // Somebody may have deleted it; the message itself is through.
            return match answer.status {
                200 | 404 => Judgement::Delivered { keep: None },
                _ => self.refusal(answer, &body),
            };
        }
        match (answer.status, body["id"].as_str()) {
            (200, Some(id)) => Judgement::Delivered { keep: Some(Card::keep(id, letter.notification)) },
            _ => self.refusal(answer, &body),
        }
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace { burst: 5, every: Duration::from_secs(2) })
    }
}

impl Discord {
    fn refusal(&self, answer: &Answer, body: &Value) -> Judgement {
        match (answer.status, body["code"].as_i64()) {
            (429, _) => {
                let wait =
                    body["retry_after"].as_f64().map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)));
                Judgement::Transient(FailureReason::RateLimited, wait.or(answer.retry_after))
            }
            // Unknown webhook; its token is wrong (https://discord.com/developers/docs/topics/opcodes-and-status-codes).
            (404, Some(10_015)) | (401 | 403, Some(50_027)) => Judgement::Permanent(FailureReason::AuthRejected),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::{Attempt, Item, ItemStatus, Outcome};
    use crate::notify::samples::{attempt, expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, failure, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"discord\"\nurl = { env = \"SECRET_URL\" }";
    const GOOD: &str = r#"{"id":"1234567890","type":0,"content":""}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!(requests[0].url.query(), Some("wait=true"));
        insta::assert_json_snapshot!("discord", requests[0].json());
    }

    #[tokio::test]
    async fn a_card_turns_green_when_all_of_it_is_over() {
        let other = Item { incident: crate::domain::IncidentId::of("CredentialExpiring", "x", "box"), ..expiring() };
        let over = |item: Item| Item { status: ItemStatus::Resolved, ended: Some(now()), ..item };
        for (firing, ended, edits) in [
            (vec![expiring()], vec![over(expiring())], 1),
            (vec![expiring(), other.clone()], vec![over(expiring())], 0),
            (vec![expiring(), other.clone()], vec![over(expiring()), over(other.clone())], 1),
        ] {
            let bench = Channel::new(TOML).await;
            bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
            let outcome = bench.deliver(&notification(firing)).await;
            let Outcome::Delivered { keep: Some(keep), .. } = outcome else { panic!("{outcome:?}") };
            let attempt = Attempt { keep: Some(keep), ..attempt() };
            assert_eq!(failure(&bench.deliver_after(&notification(ended), attempt).await), None);
            let requests = bench.requests().await;
            let patched: Vec<&str> =
                requests.iter().filter(|made| made.method.as_str() == "PATCH").map(|made| made.url.path()).collect();
            assert_eq!(patched.len(), edits);
            assert!(patched.iter().all(|path| path.ends_with("/messages/1234567890")));
        }
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(204, "", Some((false, Parse))),
                Row(404, r#"{"message":"Unknown Webhook","code":10015}"#, Some((true, AuthRejected))),
                Row(401, r#"{"message":"Invalid Webhook Token","code":50027}"#, Some((true, AuthRejected))),
                Row(400, r#"{"message":"Invalid Form Body","code":50035}"#, Some((false, Refused))),
                Row(
                    429,
                    r#"{"message":"You are being rate limited.","retry_after":0.8,"global":false}"#,
                    Some((false, RateLimited)),
                ),
            ],
        )
        .await;
    }
}
