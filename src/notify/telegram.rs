//! `type = "telegram"`: a bot's message (<https://core.telegram.org/bots/api#sendmessage>). What is said
//! later about the same group answers the message that began it.
//!
//! A group that becomes a supergroup gets a new id; Telegram says which, and it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::compose::{Html, Limit, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// Telegram counts what is left after the entities are parsed; counting the tags too is on the safe side.
const TEXT: Limit = Limit::Utf16(4096);

pub(super) struct Telegram;

/// What is kept between the messages of a group.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The last message.
    message: Option<i64>,
    /// Where the chat has moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chat: Option<i64>,
}

fn kept(letter: &Letter<'_>) -> Kept {
    letter.attempt.keep.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn send(letter: &Letter<'_>, chat: Option<i64>, html: bool) -> Call {
    let message = letter.rendered;
    let text = if html { compose(message, &Html, TEXT) } else { compose(message, &Plain, TEXT) };
    let mut body = json!({
        "text": text,
        "link_preview_options": { "is_disabled": true },
        "disable_notification": message.mood < Mood::Critical && letter.settings.flag("quiet"),
    });
    body["chat_id"] = match (chat, letter.settings.text("chat").unwrap_or_default()) {
        (Some(moved), _) => moved.into(),
        (None, name) => name.parse::<i64>().map_or_else(|_| Value::from(name), Value::from),
    };
    if html {
        body["parse_mode"] = "HTML".into();
    }
    if let Some(topic) = letter.settings.number("topic") {
        body["message_thread_id"] = topic.into();
    }
    let buttons = message.actions.iter().map(|action| json!({ "text": action.label, "url": action.url }));
    let buttons: Vec<Value> = buttons.collect();
    if !buttons.is_empty() {
        body["reply_markup"] = json!({ "inline_keyboard": [buttons] });
    }
    if let Some(message) = kept(letter).message {
        // Also where that message has been deleted in the meantime.
        body["reply_parameters"] = json!({ "message_id": message, "allow_sending_without_reply": true });
    }
    let server = letter.url("https://api.telegram.org");
    Call::post(format!("{server}/bot{}/sendMessage", letter.value("token")), body)
}

impl Vendor for Telegram {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        Ok(Part::only(send(letter, kept(letter).chat, true)))
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        if answer.is_success() && body["ok"] == true {
            let moved = body["result"]["chat"]["id"].as_i64().filter(|id| {
                letter.settings.text("chat").and_then(|chat| chat.parse::<i64>().ok()).is_some_and(|chat| chat != *id)
            });
            // What is over ends the thread: the next problem begins its own.
            let goes_on = letter.rendered.mood > Mood::Over;
            let keep = Kept { message: body["result"]["message_id"].as_i64().filter(|_| goes_on), chat: moved };
            return Judgement::Delivered { keep: serde_json::to_string(&keep).ok() };
        }
        let wait = body["parameters"]["retry_after"].as_u64().map(Duration::from_secs);
        if let Some(chat) = body["parameters"]["migrate_to_chat_id"].as_i64() {
            return Judgement::Instead(Box::new(send(letter, Some(chat), true)));
        }
        let said = body["description"].as_str().unwrap_or_default().to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| said.contains(words));
        match answer.status {
            // Only Telegram's own words count: a proxy has a 403 too.
            400 if says(&["can't parse entities"]) => {
                Judgement::Instead(Box::new(send(letter, kept(letter).chat, false)))
            }
            400 if says(&["chat not found", "topic_closed", "message thread not found", "have no rights to send"]) => {
                Judgement::Permanent(FailureReason::Refused)
            }
            401 | 404 if body["ok"] == false => Judgement::Permanent(FailureReason::AuthRejected),
            403 if says(&[
                "blocked",
                "kicked",
                "deactivated",
                "not a member",
                "can't initiate",
                "chat was deleted",
            ]) =>
            {
                Judgement::Permanent(FailureReason::Refused)
            }
            429 => Judgement::Transient(FailureReason::RateLimited, wait.or(answer.retry_after)),
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        // 20 messages a minute to one group (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
        Some(Pace { burst: 18, every: Duration::from_millis(3_300) })
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::Outcome;
    use crate::notify::samples::{attempt, expiring, notification};
    use crate::notify::testing::{Channel, failure};

    const TOML: &str = "type = \"telegram\"\nurl = \"URL\"\ntoken = { env = \"SECRET\" }\nchat = \"-100\"\ntopic = 7";

    fn good(chat: i64) -> ResponseTemplate {
        let body = json!({"ok": true, "result": {"message_id": 42, "chat": {"id": chat, "type": "supergroup"}}});
        ResponseTemplate::new(200).set_body_json(body)
    }

    fn refused(status: u16, description: &str, parameters: Value) -> ResponseTemplate {
        let body = json!({"ok": false, "error_code": status, "description": description, "parameters": parameters});
        ResponseTemplate::new(status).set_body_json(body)
    }

    #[tokio::test]
    async fn what_is_sent_and_kept() {
        let bench = Channel::new(TOML).await;
        bench.answers(good(-100)).await;
        let outcome = bench.deliver(&notification(vec![expiring()])).await;
        let Outcome::Delivered { keep: Some(keep), .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(keep, r#"{"message":42}"#);
        bench
            .deliver_after(&notification(vec![expiring()]), crate::domain::Attempt { keep: Some(keep), ..attempt() })
            .await;
        let requests = bench.requests().await;
        assert_eq!(requests[0].url.path(), "/bot53cret-53cret/sendMessage");
        insta::assert_json_snapshot!("telegram", requests[0].json());
        assert_eq!(requests[1].json()["reply_parameters"]["message_id"], 42);
    }

    #[tokio::test]
    async fn a_group_that_moved_is_followed_and_the_new_id_is_kept() {
        let bench = Channel::new(TOML).await;
        bench
            .answers_once(refused(400, "Bad Request: group chat was upgraded", json!({"migrate_to_chat_id": -200})))
            .await;
        bench.answers(good(-200)).await;
        let outcome = bench.deliver(&notification(vec![expiring()])).await;
        let Outcome::Delivered { keep: Some(keep), .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(keep, r#"{"message":42,"chat":-200}"#);
        bench
            .deliver_after(&notification(vec![expiring()]), crate::domain::Attempt { keep: Some(keep), ..attempt() })
            .await;
        let chats: Vec<Value> =
            bench.requests().await.iter().map(|request| request.json()["chat_id"].clone()).collect();
        assert_eq!(chats, [-100, -200, -200]);
    }

    #[tokio::test]
    async fn what_it_cannot_parse_is_sent_plainly() {
        let bench = Channel::new(TOML).await;
        bench.answers_once(refused(400, "Bad Request: can't parse entities: unsupported start tag", json!({}))).await;
        bench.answers(good(-100)).await;
        assert!(matches!(bench.deliver(&notification(vec![expiring()])).await, Outcome::Delivered { .. }));
        assert_eq!(bench.requests().await[1].json().get("parse_mode"), None);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};
        for (answer, permanent, reason) in [
            (ResponseTemplate::new(200).set_body_json(json!({"ok": false})), false, Parse),
            (refused(401, "Unauthorized", Value::Null), true, AuthRejected),
            (refused(404, "Not Found", Value::Null), true, AuthRejected),
            (refused(400, "Bad Request: chat not found", Value::Null), true, Refused),
            (refused(403, "Forbidden: bot was blocked by the user", Value::Null), true, Refused),
            (ResponseTemplate::new(403).set_body_string("<html>blocked</html>"), false, Parse),
            (refused(403, "Forbidden: something new", Value::Null), false, AuthRejected),
            (refused(429, "Too Many Requests: retry after 8", json!({"retry_after": 8})), false, RateLimited),
            (refused(502, "Bad Gateway", Value::Null), false, ServerError),
        ] {
            let bench = Channel::new(TOML).await;
            bench.answers(answer).await;
            let outcome = bench.deliver(&notification(vec![expiring()])).await;
            assert_eq!(failure(&outcome), Some((permanent, reason)), "{outcome:?}");
            if reason == RateLimited {
                assert!(matches!(outcome, Outcome::Transient { retry_after: Some(wait), .. } if wait.as_secs() == 8));
            }
        }
    }
}
