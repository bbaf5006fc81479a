//! `type = "wecom"`: a group robot of 企业微信 (<https://developer.work.weixin.qq.com/document/path/91770>). It answers 200 whatever
//! happens: `errcode` counts. Limits are in bytes: 4096 of Markdown are about 1,360 characters of Chinese.

use std::time::Duration;

use serde_json::json;

use super::compose::{Limit, Plain, Unescaped, compose, joined};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

const MARKDOWN: usize = 4096;
const TEXT: usize = 2048;

const STYLE: Unescaped = Unescaped { strong: "**", code: "`", line_end: "\n" };

pub(super) struct WeCom;

impl Vendor for WeCom {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let mention = letter.settings.texts("mention");
        let body = if mention.is_empty() {
            let colour = if message.mood >= Mood::Warning { "warning" } else { "info" };
            let head =
                format!("<font color=\"{colour}\">{}</font>\n", joined(&Limit::Bytes(400).cut(&message.subject)));
            let links = message.actions.iter().map(|action| format!("\n[{}]({})", action.label, action.url));
            let links: String = links.collect();
            let left = Limit::Bytes(MARKDOWN.saturating_sub(head.len() + links.len()));
            json!({ "msgtype": "markdown", "markdown": { "content": format!("{head}{}{links}", compose(message, &STYLE, left)) } })
        } else {
            // Only a plain text can call people.
            let content = compose(message, &Plain, Limit::Bytes(TEXT));
            json!({ "msgtype": "text", "text": { "content": content, "mentioned_list": mention } })
        };
        Ok(Part::only(Call::post(letter.value("url").to_owned(), body)))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        match (answer.status, answer.json()["errcode"].as_i64()) {
            (200, Some(0)) => Judgement::Delivered { keep: None },
            (_, Some(93_000 | 40_014 | 40_001)) => Judgement::Permanent(FailureReason::AuthRejected),
            (_, Some(45_009 | 45_033)) => {
                Judgement::Transient(FailureReason::RateLimited, Some(Duration::from_secs(60)))
            }
            (_, Some(40_008 | 40_058 | 44_004 | 45_002)) => Judgement::Permanent(FailureReason::Refused),
            (_, Some(-1)) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
            (200, Some(_)) => Judgement::Refused(FailureReason::Refused),
            _ => by_status(answer),
        }
    }

    fn pace(&self) -> Option<Pace> {
        // 20 a minute.
        Some(Pace { burst: 10, every: Duration::from_millis(3_400) })
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::Item;
    use crate::notify::samples::{expiring, notification};
    use crate::notify::testing::{Channel, Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"wecom\"\nurl = { env = \"SECRET_URL\" }";
    const GOOD: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

    #[tokio::test]
    async fn what_is_sent() {
        insta::assert_json_snapshot!("wecom", sent(TOML, GOOD).await[0].json());
        let requests = sent(&format!("{TOML}\nmention = [\"@all\"]"), GOOD).await;
        assert_eq!(requests[0].json()["text"]["mentioned_list"][0], "@all");
    }

    #[tokio::test]
    async fn bytes_are_counted() {
        for (fields, kind, field, limit) in [
            (TOML.to_owned(), "markdown", "content", 4096),
            (format!("{TOML}\nmention = [\"@all\"]"), "text", "content", 2048),
        ] {
            let bench = Channel::new(&fields).await;
            bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
            let item = Item { summary: "密".repeat(5000), title: "钥".repeat(500), ..expiring() };
            bench.deliver(&notification(vec![item; 9])).await;
            let body = bench.requests().await[0].json();
            let length = body[kind][field].as_str().unwrap().len();
            assert!(length <= limit && length > limit / 8, "{length}");
        }
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, GOOD, None),
                Row(200, "{}", Some((false, Parse))),
                Row(200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, Some((true, AuthRejected))),
                Row(200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, Some((false, RateLimited))),
                Row(200, r#"{"errcode":45002,"errmsg":"content size out of limit"}"#, Some((true, Refused))),
                Row(200, r#"{"errcode":99999,"errmsg":"?"}"#, Some((false, Refused))),
            ],
        )
        .await;
    }
}
