//! `type = "pushdeer"` (<https://www.pushdeer.com/dev.html>). Its answer holds one more answer for each device, as text: one that
//! says "ok" is needed.

use serde_json::Value;

use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Body, Call, Judgement, by_status};
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

const TEXT: Limit = Limit::Bytes(20_000);

pub(super) struct PushDeer;

impl Vendor for PushDeer {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let server = letter.url("https://api2.pushdeer.com");
        let mut call = Call::post(format!("{server}/message/push"), Value::Null);
        call.body = Body::Form(vec![
            ("pushkey", letter.value("key").to_owned()),
            ("text", Limit::Chars(100).cut(&letter.rendered.subject)),
            ("desp", compose(letter.rendered, &Markdown, TEXT).replace('\n', "\n\n")),
            ("type", "markdown".to_owned()),
        ]);
        Ok(Part::only(call))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let Some(code) = body["code"].as_i64().filter(|_| answer.is_success()) else { return by_status(answer) };
        let results = body["content"]["result"].as_array();
        let ok = |result: &Value| {
            let inner: Value = result.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            inner["success"] == "ok"
        };
        match (code, results) {
            (0, Some(results)) if results.iter().any(ok) => Judgement::Delivered { keep: None },
            // No device has this key.
            (0, Some(results)) if results.is_empty() => Judgement::Permanent(FailureReason::Refused),
            (0, Some(_)) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
            (0, None) => by_status(answer),
            _ => Judgement::Permanent(FailureReason::AuthRejected),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, Refused, ServerError};

    const TOML: &str = "type = \"pushdeer\"\nurl = \"URL\"\nkey = { env = \"SECRET\" }";
    const GOOD: &str = r#"{"code":0,"content":{"result":["{\"counts\":1,\"logs\":[],\"success\":\"ok\"}"]}}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        assert_eq!(requests[0].url.path(), "/message/push");
        let form: Vec<_> = requests[0].form().into_iter().filter(|(name, _)| name != "pushkey").collect();
        insta::assert_debug_snapshot!("pushdeer", form);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, r#"{"code":0}"#, Some((false, Parse))),
                Row(200, r#"{"code":0,"content":{"result":[]}}"#, Some((true, Refused))),
                Row(200, r#"{"code":0,"content":{"result":["{\"success\":\"no\"}"]}}"#, Some((false, ServerError))),
                Row(200, r#"{"code":80501,"error":"x"}"#, Some((true, AuthRejected))),
                Row(500, "", Some((false, ServerError))),
            ],
        )
        .await;
    }
}
