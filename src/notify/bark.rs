//! `type = "bark"`: a push to an iPhone (<https://bark.day.app/#/tutorial>). The body's `code` counts. A push has the id of its
//! message; the word that it is over takes that of the alarm, and its place.

use serde_json::json;

use super::card::Card;
use super::compose::{Limit, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// Apple takes 4096 bytes in all.
const BODY: Limit = Limit::Bytes(2_800);

pub(super) struct Bark;

fn push(letter: &Letter<'_>) -> String {
    let alarm = Card::over(letter).filter(|_| letter.rendered.mood == Mood::Over);
    alarm.map_or_else(|| letter.notification.id.to_string(), |card| card.id)
}

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
            "id": push(letter),
        });
        if let Some(action) = message.actions.first() {
            body["url"] = action.url.clone().into();
        }
        Ok(Part::only(Call::post(format!("{}/push", letter.url("https://api.day.app")), body)))
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let said = body["message"].as_str().unwrap_or_default().to_lowercase();
        match (answer.status, body["code"].as_i64()) {
            (200, Some(200)) => Judgement::Delivered { keep: Some(Card::keep(&push(letter), letter.notification)) },
            (_, Some(400)) if said.contains("device") => Judgement::Permanent(FailureReason::AuthRejected),
            (_, Some(400..500)) => Judgement::Refused(FailureReason::Refused),
            (_, Some(500..)) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::{Attempt, Item, ItemStatus, Notification, NotificationId, Outcome};
    use crate::notify::samples::{attempt, expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, sent};
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
    async fn the_end_takes_the_place_of_the_alarm() {
        let bench = Channel::new(TOML).await;
        bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
        let outcome = bench.deliver(&notification(vec![expiring()])).await;
        let Outcome::Delivered { keep, .. } = outcome else { panic!("{outcome:?}") };
        let over = Item { status: ItemStatus::Resolved, ended: Some(now()), ..expiring() };
        let end = Notification { id: NotificationId("the end".into()), ..notification(vec![over]) };
        let outcome = bench.deliver_after(&end, Attempt { keep, ..attempt() }).await;
        assert!(matches!(outcome, Outcome::Delivered { keep: Some(keep), .. } if keep.is_empty()));
        let ids: Vec<String> = bench.requests().await.iter().map(|made| made.json()["id"].to_string()).collect();
        assert_eq!(ids[0], ids[1]);
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
