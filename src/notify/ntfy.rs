//! `type = "ntfy"`: published as JSON to the server's root, because headers cannot carry Chinese
//! (<https://docs.ntfy.sh/publish/#publish-as-json>). On the phone the word that it is over takes the place of the alarm
//! (<https://docs.ntfy.sh/publish/#updating-notifications>; servers before 2.16 show it as another message).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::card::Card;
use super::compose::{Limit, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A longer message becomes an attachment.
const MESSAGE: Limit = Limit::Bytes(4096);
const TITLE: Limit = Limit::Bytes(250);

pub(super) struct Ntfy;

impl Vendor for Ntfy {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let (priority, tag) = match message.mood {
            Mood::Critical => (5, "rotating_light"),
            Mood::Warning => (4, "warning"),
            Mood::Info => (2, "information_source"),
            Mood::Over => (3, "white_check_mark"),
        };
        let mut body = json!({
            "topic": letter.settings.text("topic"),
            "title": TITLE.cut(&message.subject),
            "message": compose(message, &Plain, MESSAGE),
            "priority": priority,
            "tags": [tag],
        });
        if let Some(card) = Card::over(letter).filter(|_| message.mood == Mood::Over) {
            body["sequence_id"] = card.id.into();
        }
        // Three at most (https://docs.ntfy.sh/publish/#action-buttons). Acting needs a POST: a link that is only fetched does nothing.
        let buttons = message.actions.iter().take(3).map(|action| match action.post {
            true => {
                json!({ "action": "http", "label": action.label, "url": action.url, "method": "POST", "clear": true })
            }
            false => json!({ "action": "view", "label": action.label, "url": action.url }),
        });
        let buttons: Vec<_> = buttons.collect();
        if !buttons.is_empty() {
            body["actions"] = buttons.into();
        }
        let call = Call::post(format!("{}/", letter.url("https://ntfy.sh")), body);
        let login = match (letter.value("token"), letter.settings.text("username")) {
            ("", None) => return Ok(Part::only(call)),
            ("", Some(name)) => format!("Basic {}", STANDARD.encode(format!("{name}:{}", letter.value("password")))),
            (token, _) => format!("Bearer {token}"),
        };
        Ok(Part::only(call.header("authorization", login)))
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        if let Some(id) = body["id"].as_str().filter(|_| answer.is_success()) {
            return Judgement::Delivered { keep: Some(Card::keep(id, letter.notification)) };
        }
        // The server's own codes: https://github.com/binwiederhier/ntfy/blob/main/server/errors.go
        match (answer.status, body["code"].as_i64()) {
            (401 | 403, Some(_)) => Judgement::Permanent(FailureReason::AuthRejected),
            (400 | 404, Some(_)) => Judgement::Permanent(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use serde_json::Value;

    use crate::domain::{Attempt, Item, ItemStatus, Outcome};
    use crate::notify::samples::{attempt, expiring, notification, now};
    use crate::notify::testing::{Channel, failure};

    const GOOD: &str = r#"{"id":"x0","time":1,"event":"message","topic":"t"}"#;

    #[tokio::test]
    async fn what_is_published() {
        let bench = Channel::new("type = \"ntfy\"\nurl = \"URL\"\ntopic = \"t\"\ntoken = { env = \"SECRET\" }").await;
        bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
        bench.deliver(&notification(vec![expiring()])).await;
        let requests = bench.requests().await;
        assert_eq!((requests[0].url.path(), requests[0].header("authorization")), ("/", "Bearer 53cret-53cret"));
        insta::assert_json_snapshot!("ntfy", requests[0].json());
    }

    #[tokio::test]
    async fn the_end_takes_the_place_of_the_alarm_when_all_of_it_is_over() {
        let other = Item { incident: crate::domain::IncidentId::of("CredentialExpiring", "x", "box"), ..expiring() };
        let over = |item: Item| Item { status: ItemStatus::Resolved, ended: Some(now()), ..item };
        for (firing, ended, replaces) in [
            (vec![expiring()], vec![over(expiring())], Value::from("x0")),
            (vec![expiring(), other.clone()], vec![over(expiring())], Value::Null),
            (vec![expiring()], vec![over(expiring()), other], Value::Null),
        ] {
            let bench = Channel::new("type = \"ntfy\"\nurl = \"URL\"\ntopic = \"t\"").await;
            bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
            let outcome = bench.deliver(&notification(firing)).await;
            let Outcome::Delivered { keep, .. } = outcome else { panic!("{outcome:?}") };
            assert!(keep.is_some());
            bench.deliver_after(&notification(ended), Attempt { keep, ..attempt() }).await;
            let requests = bench.requests().await;
            let named: Vec<Value> = requests.iter().map(|made| made.json()["sequence_id"].clone()).collect();
            assert_eq!(named, [Value::Null, replaces], "what begins is never hidden in what was there");
        }
    }

    #[tokio::test]
    async fn a_login() {
        let bench = Channel::new(
            "type = \"ntfy\"\nurl = \"URL\"\ntopic = \"t\"\nusername = \"u\"\npassword = { env = \"SECRET\" }",
        )
        .await;
        bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
        bench.deliver(&notification(vec![expiring()])).await;
        assert_eq!(bench.requests().await[0].header("authorization"), "Basic dTo1M2NyZXQtNTNjcmV0");
    }

    #[tokio::test]
    async fn what_answers_mean() {
        use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};
        for (status, body, permanent, reason) in [
            (200, "{}", false, Parse),
            (200, "<html>Log in</html>", false, Parse),
            (401, r#"{"code":40101,"http":401,"error":"unauthorized"}"#, true, AuthRejected),
            (403, r#"{"code":40301,"http":403,"error":"forbidden"}"#, true, AuthRejected),
            (403, "blocked by a proxy", false, AuthRejected),
            (404, r#"{"code":40401,"http":404,"error":"page not found"}"#, true, Refused),
            (429, r#"{"code":42901,"http":429,"error":"limit reached"}"#, false, RateLimited),
            (507, r#"{"code":50701,"http":507,"error":"cannot publish"}"#, false, ServerError),
        ] {
            let bench = Channel::new("type = \"ntfy\"\nurl = \"URL\"\ntopic = \"t\"").await;
            bench.answers(ResponseTemplate::new(status).set_body_string(body)).await;
            let outcome = bench.deliver(&notification(vec![expiring()])).await;
            assert_eq!(failure(&outcome), Some((permanent, reason)), "{status} {body}: {outcome:?}");
        }
    }
}
