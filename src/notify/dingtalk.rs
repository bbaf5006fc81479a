//! `type = "dingtalk"`: a custom robot (<https://open.dingtalk.com/document/robots/custom-robot-access>). It answers 200 whatever
//! happens: `errcode` counts.
//!
//! Its signature is the opposite of Feishu's: the key is the secret, the message is the timestamp in *milliseconds* and the secret, and
//! it goes into the query.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use ring::hmac;
use serde_json::json;

use super::compose::{Limit, Unescaped, compose, joined};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A body may have 20,000 bytes.
const TEXT: Limit = Limit::Bytes(12_000);

const MARKDOWN: Unescaped = Unescaped { strong: "**", code: "", line_end: "  \n" };

pub(super) struct DingTalk;

impl Vendor for DingTalk {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        // A robot with a keyword takes only what has it, resolves too.
        let keyword = letter.settings.text("keyword").map(|word| format!("{word} ")).unwrap_or_default();
        let mobiles = letter.settings.texts("at");
        let mut text = format!("#### {keyword}{}  \n", joined(&message.subject));
        text.push_str(&compose(message, &MARKDOWN, TEXT));
        for action in &message.actions {
            text.push_str(&format!("  \n[{}]({})", action.label, action.url));
        }
        // Who is not named in the text is not called.
        for mobile in mobiles {
            text.push_str(&format!(" @{mobile}"));
        }
        let body = json!({
            "msgtype": "markdown",
            "markdown": { "title": format!("{keyword}{}", message.subject), "text": text },
            "at": { "atMobiles": mobiles, "isAtAll": letter.settings.flag("at_all") },
        });
        let mut url = Url::parse(letter.value("url")).map_err(|_| "`url` is not a URL".to_owned())?;
        let secret = letter.value("secret");
        if !secret.is_empty() {
            let millis = letter.attempt.now.timestamp_millis();
            let sign = sign(millis, secret);
            url.query_pairs_mut().append_pair("timestamp", &millis.to_string()).append_pair("sign", &sign);
        }
        Ok(Part::only(Call::post(url.into(), body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let said = body["errmsg"].as_str().unwrap_or_default().to_lowercase();
        match (answer.status, body["errcode"].as_i64()) {
            (200, Some(0)) => Judgement::Delivered { keep: None },
            (_, Some(310_000)) if said.contains("sign") || said.contains("timestamp") => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (_, Some(310_000)) => Judgement::Permanent(FailureReason::Refused),
            (_, Some(300_001 | 300_005 | 40_014)) => Judgement::Permanent(FailureReason::AuthRejected),
            // More than 20 a minute shuts the robot out for ten minutes.
            (_, Some(130_101 | 130_102 | 660_026 | 90_018)) => {
                Judgement::Transient(FailureReason::RateLimited, Some(Duration::from_secs(600)))
            }
            // The day's messages are used up.
            (_, Some(90_030)) => Judgement::Transient(FailureReason::RateLimited, Some(Duration::from_secs(6 * 3600))),
            (_, Some(-1)) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
            (200, Some(_)) => Judgement::Refused(FailureReason::Refused),
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        Some(Pace { burst: 10, every: Duration::from_millis(3_400) })
    }
}

fn sign(millis: i64, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{millis}\n{secret}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::samples::now;
    use crate::notify::testing::{Row, SECRET, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};

    const TOML: &str = "type = \"dingtalk\"\nurl = { env = \"SECRET_URL\" }\nsecret = { env = \"SECRET\" }\nkeyword = \"告警\"\nat = [\"13800000000\"]";
    const GOOD: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, GOOD).await;
        insta::assert_json_snapshot!("dingtalk", requests[0].json());
        let query: Vec<(String, String)> =
            requests[0].url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let millis = now().timestamp_millis();
        assert_eq!(query, [("timestamp".to_owned(), millis.to_string()), ("sign".to_owned(), sign(millis, SECRET))]);
    }

    #[test]
    fn the_secret_is_the_key_and_in_the_message() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"SECdemo");
        assert_eq!(sign(1_577_262_236_757, "SECdemo"), STANDARD.encode(hmac::sign(&key, b"1577262236757\nSECdemo")));
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, "{}", Some((false, Parse))),
                Row(200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, Some((true, AuthRejected))),
                Row(200, r#"{"errcode":310000,"errmsg":"keywords not in content"}"#, Some((true, Refused))),
                Row(200, r#"{"errcode":300001,"errmsg":"token is not exist"}"#, Some((true, AuthRejected))),
                Row(
                    200,
                    r#"{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#,
                    Some((false, RateLimited)),
                ),
                Row(200, r#"{"errcode":-1,"errmsg":"系统繁忙"}"#, Some((false, ServerError))),
                Row(200, r#"{"errcode":43004,"errmsg":"?"}"#, Some((false, Refused))),
            ],
        )
        .await;
    }
}
