//! `type = "serverchan"`: Server酱 (<https://sct.ftqq.com/>), Turbo and ³ by the form of the key. The body's `code` counts. Its free
//! tier takes some five messages a day: a route should send it criticals only.

use serde_json::Value;

use super::compose::{Limit, Markdown, compose};
use super::http::{Answer, Body, Call, Judgement, by_status};
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

const TITLE: Limit = Limit::Chars(32);
const TEXT: Limit = Limit::Bytes(30_000);

pub(super) struct ServerChan;

/// Where a key sends to; the key of ³ has its user's number in it.
fn address(server: &str, key: &str) -> String {
    let user = key.strip_prefix("sctp").and_then(|rest| rest.split_once('t')).map(|(user, _)| user);
    let user = user.filter(|user| !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit()));
    match (server, user) {
        ("", Some(user)) => format!("https://{user}.push.ft07.com/send/{key}.send"),
        ("", None) => format!("https://sctapi.ftqq.com/{key}.send"),
        (server, _) => format!("{server}/{key}.send"),
    }
}

impl Vendor for ServerChan {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let key = letter.value("key");
        if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the key of Server酱 has characters that no such key has".to_owned());
        }
        // Markdown joins lines that are not apart.
        let text = compose(letter.rendered, &Markdown, TEXT).replace('\n', "\n\n");
        let title = letter.rendered.subject.trim_start_matches("[opensoul] ");
        let mut call = Call::post(address(letter.url(""), key), Value::Null);
        call.body = Body::Form(vec![("title", TITLE.cut(title)), ("desp", text)]);
        Ok(Part::only(call))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let said = format!("{} {}", body["message"], body["error"]).to_lowercase();
        match (answer.status, body["code"].as_i64()) {
            (200, Some(0)) => Judgement::Delivered { keep: None },
            // Limits are `[AUTH]` too: five a minute, or the day's number is used up.
            (_, Some(_)) if said.contains("次数") || said.contains("超过") || said.contains("limit") => {
                let wait = if said.contains("分钟") { 60 } else { 6 * 3600 };
                Judgement::Transient(FailureReason::RateLimited, Some(std::time::Duration::from_secs(wait)))
            }
            (_, Some(_)) if ["[auth]", "sendkey", "pushkey", "bad push"].iter().any(|words| said.contains(words)) => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (_, Some(_)) => Judgement::Refused(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::{Environment, Outcome, Zone};
    use crate::notify::samples::{attempt, expiring, notification};
    use crate::notify::testing::failure;
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const KEY: &str = "SCT53cret53cret";

    async fn delivered(answer: ResponseTemplate) -> (Outcome, wiremock::MockServer) {
        let server = wiremock::MockServer::start().await;
        wiremock::Mock::given(wiremock::matchers::any()).respond_with(answer).mount(&server).await;
        let mut env = Environment::default();
        env.set("KEY", KEY);
        let text = format!(
            "[[receivers]]\nname = \"it\"\ntype = \"serverchan\"\nurl = \"{}\"\nkey = {{ env = \"KEY\" }}",
            server.uri()
        );
        let config = crate::config::parse(&text, None, &env, Zone::UTC).unwrap();
        let receiver = crate::notify::build(&config, &env, &crate::net::Clients::new(&env), None).remove(0);
        let outcome = receiver.deliver(&notification(vec![expiring()]), &attempt()).await;
        assert!(!format!("{outcome:?}").contains(KEY));
        (outcome, server)
    }

    #[test]
    fn both_generations_of_keys() {
        assert_eq!(address("", "SCT1abc"), "https://sctapi.ftqq.com/SCT1abc.send");
        assert_eq!(address("", "sctp1234tabc"), "https://1234.push.ft07.com/send/sctp1234tabc.send");
        assert_eq!(address("", "sctp../t"), "https://sctapi.ftqq.com/sctp../t.send", "no other host by a crooked key");
    }

    #[tokio::test]
    async fn what_is_sent() {
        let (outcome, server) =
            delivered(ResponseTemplate::new(200).set_body_string(r#"{"code":0,"message":"","data":{"pushid":"1"}}"#))
                .await;
        assert_eq!(failure(&outcome), None);
        let request = server.received_requests().await.unwrap().remove(0);
        assert_eq!(request.url.path(), format!("/{KEY}.send"));
        let form = reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8(request.body).unwrap())).unwrap();
        let form: Vec<(String, String)> = form.query_pairs().map(|(a, b)| (a.into_owned(), b.into_owned())).collect();
        insta::assert_debug_snapshot!("serverchan", form);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        for (status, body, expected) in [
            (200, "{}", (false, Parse)),
            (400, r#"{"code":40001,"message":"[AUTH]错误的Key","scode":461}"#, (true, AuthRejected)),
            (200, r#"{"code":40001,"message":"[AUTH]用户不存在或者权限不足"}"#, (true, AuthRejected)),
            (200, r#"{"code":40001,"message":"[AUTH]超过当天的发送次数限制[5]，请稍后再试"}"#, (false, RateLimited)),
            (400, r#"{"code":40001,"message":"[AUTH]超过分钟的发送次数限制[5]，请稍后再试"}"#, (false, RateLimited)),
            (400, r#"{"code":20001,"message":"[INPUT]title 不能为空","scode":460}"#, (false, Refused)),
            (200, r#"{"code":1,"message":"?"}"#, (false, Refused)),
        ] {
            let (outcome, _) = delivered(ResponseTemplate::new(status).set_body_string(body)).await;
            assert_eq!(failure(&outcome), Some(expected), "{body}");
        }
    }
}
