//! `type = "feishu"`: a custom bot of Feishu or Lark
//! (<https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>). It answers 200 whatever happens: the body's code counts.
//!
//! Its signature is the opposite of DingTalk's: the *key* is the timestamp and the secret, the message is empty, and it goes into the
//! body, with the timestamp in seconds.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::compose::{Limit, Markup, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A body may have 20 KB; escapes in JSON take some.
const TEXT: Limit = Limit::Bytes(12_000);

/// `lark_md`, which is escaped with character references.
struct LarkMd;

impl Markup for LarkMd {
    fn plain(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '<' | '>' | '*' | '_' | '~' | '[' | ']' | '`' | '#' | '&' => {
                    out.push_str(&format!("&#{};", u32::from(character)));
                }
                _ => out.push(character),
            }
        }
        out
    }

    fn strong(&self, text: &str) -> String {
        format!("**{}**", self.plain(text))
    }
}

pub(super) struct Feishu;

impl Vendor for Feishu {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let template = match message.mood {
            Mood::Critical => "red",
            Mood::Warning => "orange",
            Mood::Info => "blue",
            Mood::Over => "green",
        };
        // A bot with a keyword takes only what has it, resolves too.
        let keyword = letter.settings.text("keyword").map(|word| format!("{word} ")).unwrap_or_default();
        let title = Limit::Bytes(300).cut(&format!("{keyword}{}", message.subject));
        let mut elements =
            vec![json!({ "tag": "div", "text": { "tag": "lark_md", "content": compose(message, &LarkMd, TEXT) } })];
        let buttons = message.actions.iter().map(|action| {
            json!({ "tag": "button", "text": { "tag": "plain_text", "content": action.label }, "url": action.url, "type": "default" })
        });
        let buttons: Vec<Value> = buttons.collect();
        if !buttons.is_empty() {
            elements.push(json!({ "tag": "action", "actions": buttons }));
        }
        let mut body = json!({
            "msg_type": "interactive",
            "card": {
                "config": { "wide_screen_mode": true },
                "header": { "title": { "tag": "plain_text", "content": title }, "template": template },
                "elements": elements,
            },
        });
        let secret = letter.value("secret");
        if !secret.is_empty() {
            let seconds = letter.attempt.now.timestamp();
            body["timestamp"] = seconds.to_string().into();
            body["sign"] = sign(seconds, secret).into();
        }
        Ok(Part::only(Call::post(letter.value("url").to_owned(), body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let code = body["code"].as_i64().or_else(|| body["StatusCode"].as_i64());
        match (answer.status, code) {
            (200, Some(0)) => Judgement::Delivered { keep: None },
            (_, Some(19_001 | 19_021)) => Judgement::Permanent(FailureReason::AuthRejected),
            (_, Some(9_499 | 19_002 | 19_007 | 19_022 | 19_024)) => Judgement::Permanent(FailureReason::Refused),
            (_, Some(11_232 | 11_233)) => Judgement::Transient(FailureReason::RateLimited, answer.retry_after),
            (200, Some(_)) => Judgement::Refused(FailureReason::Refused),
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        // 100 a minute, 5 a second.
        Some(Pace { burst: 5, every: Duration::from_millis(700) })
    }
}

fn sign(seconds: i64, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{seconds}\n{secret}").as_bytes());
    STANDARD.encode(hmac::sign(&key, b""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};

    const TOML: &str =
        "type = \"feishu\"\nurl = { env = \"SECRET_URL\" }\nsecret = { env = \"SECRET\" }\nkeyword = \"告警\"";
    const GOOD: &str = r#"{"code":0,"msg":"success","data":{}}"#;

    #[tokio::test]
    async fn what_is_sent() {
        insta::assert_json_snapshot!("feishu", sent(TOML, GOOD).await[0].json());
    }

    #[test]
    fn the_secret_is_in_the_key() {
        // By hand: HMAC-SHA256 with the key "1599360473\ndemo" over nothing.
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"1599360473\ndemo");
        assert_eq!(sign(1_599_360_473, "demo"), STANDARD.encode(hmac::sign(&key, b"")));
        assert_ne!(sign(1_599_360_473, "demo"), sign(1_599_360_474, "demo"));
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, None),
                Row(200, "{}", Some((false, Parse))),
                Row(
                    200,
                    r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}"#,
                    Some((true, AuthRejected)),
                ),
                Row(200, r#"{"code":19024,"msg":"Key Words Not Found"}"#, Some((true, Refused))),
                Row(200, r#"{"code":19022,"msg":"Ip Not Allowed"}"#, Some((true, Refused))),
                Row(200, r#"{"code":9499,"msg":"Bad Request"}"#, Some((true, Refused))),
                Row(400, r#"{"code":11232,"msg":"frequency limited"}"#, Some((false, RateLimited))),
                Row(200, r#"{"code":77777,"msg":"?"}"#, Some((false, Refused))),
                Row(500, "", Some((false, ServerError))),
            ],
        )
        .await;
    }
}
