//! `type = "slack"`: an incoming webhook (`url`), or a bot (`token` and `channel`), which can answer in the thread of the message
//! that began it (<https://docs.slack.dev/reference/methods/chat.postMessage>).

use std::time::Duration;

use serde_json::{Value, json};

use super::compose::{Limit, Markup, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::pace::Pace;
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// Of a section's text.
const TEXT: Limit = Limit::Chars(3000);

/// <https://docs.slack.dev/messaging/formatting-message-text>: only three characters need escaping; without `<…>` nothing is a mention.
struct Mrkdwn;

impl Markup for Mrkdwn {
    fn plain(&self, text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    fn strong(&self, text: &str) -> String {
        format!("*{}*", self.plain(&text.replace('*', "∗")))
    }

    fn code(&self, text: &str) -> String {
        format!("`{}`", self.plain(&text.replace('`', "'")))
    }
}

/// A colour for a message, as several chats write it.
pub(super) fn colour(mood: Mood) -> &'static str {
    match mood {
        Mood::Critical => "#d32f2f",
        Mood::Warning => "#f9a825",
        Mood::Info => "#1976d2",
        Mood::Over => "#2e7d32",
    }
}

/// What an incoming webhook of Slack, and of those that took over its form, understands.
pub(super) fn attachment(letter: &Letter<'_>) -> Value {
    let message = letter.rendered;
    let mut blocks =
        vec![json!({ "type": "section", "text": { "type": "mrkdwn", "text": compose(message, &Mrkdwn, TEXT) } })];
    let buttons = message.actions.iter().map(|action| {
        json!({ "type": "button", "text": { "type": "plain_text", "text": Limit::Chars(75).cut(&action.label) }, "url": action.url })
    });
    let buttons: Vec<Value> = buttons.collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    json!({
        "text": Mrkdwn.plain(&message.subject),
        "attachments": [{ "color": colour(message.mood), "blocks": blocks, "fallback": Mrkdwn.plain(&message.subject) }],
    })
}

pub(super) struct Slack;

impl Vendor for Slack {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let mut body = attachment(letter);
        let Some(channel) = letter.settings.text("channel") else {
            return Ok(Part::only(Call::post(letter.value("url").to_owned(), body)));
        };
        body["channel"] = channel.into();
        body["unfurl_links"] = false.into();
        if let Some(thread) = letter.attempt.keep.as_deref().filter(|thread| !thread.is_empty()) {
            body["thread_ts"] = thread.into();
            // A thread alone would be seen by nobody who does not follow it.
            body["reply_broadcast"] = true.into();
        }
        let call = Call::post(format!("{}/api/chat.postMessage", letter.url("https://slack.com")), body);
        Ok(Part::only(call.header("authorization", format!("Bearer {}", letter.value("token")))))
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        if letter.settings.text("channel").is_some() { bot(letter, answer) } else { webhook(answer) }
    }

    fn pace(&self) -> Option<Pace> {
        // One message a second for each channel; short bursts are tolerated (https://docs.slack.dev/apis/web-api/rate-limits).
        Some(Pace { burst: 5, every: Duration::from_secs(1) })
    }
}

fn webhook(answer: &Answer) -> Judgement {
    let said = answer.text.trim();
    match (answer.status, said) {
        (200, "ok") => Judgement::Delivered { keep: None },
        (400 | 403 | 404, "no_service" | "no_team" | "invalid_token" | "no_active_hooks" | "team_disabled") => {
            Judgement::Permanent(FailureReason::AuthRejected)
        }
        (
            400 | 403 | 404 | 410,
            "channel_not_found"
            | "channel_is_archived"
            | "action_prohibited"
            | "posting_to_general_channel_denied"
            | "user_not_found",
        ) => Judgement::Permanent(FailureReason::Refused),
        _ => by_status(answer),
    }
}

fn bot(letter: &Letter<'_>, answer: &Answer) -> Judgement {
    let body = answer.json();
    let root = letter.attempt.keep.as_deref().filter(|thread| !thread.is_empty());
    match (answer.status, body["ok"].as_bool(), body["error"].as_str().unwrap_or_default()) {
        (200, Some(true), _) => {
            // What is over ends the thread: the next problem begins its own.
            let goes_on = letter.rendered.mood > Mood::Over;
            let thread = root.or(body["ts"].as_str()).filter(|_| goes_on).unwrap_or_default();
            Judgement::Delivered { keep: Some(thread.to_owned()) }
        }
        (
            _,
            Some(false),
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive"
            | "org_login_required" | "missing_scope" | "no_permission",
        ) => Judgement::Permanent(FailureReason::AuthRejected),
        (
            _,
            Some(false),
            "channel_not_found" | "not_in_channel" | "is_archived" | "restricted_action" | "cannot_reply_to_message",
        ) => Judgement::Permanent(FailureReason::Refused),
        (_, Some(false), "ratelimited" | "rate_limited" | "message_limit_exceeded") => {
            Judgement::Transient(FailureReason::RateLimited, answer.retry_after)
        }
        (
            _,
            Some(false),
            "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "team_added_to_org",
        ) => Judgement::Transient(FailureReason::ServerError, answer.retry_after),
        (200, Some(false), _) => Judgement::Refused(FailureReason::Refused),
        _ => by_status(answer),
    }
}

#[cfg(test)]
mod tests {
    use wiremock::ResponseTemplate;

    use super::*;
    use crate::domain::{Attempt, Item, ItemStatus, Outcome};
    use crate::notify::samples::{attempt, expiring, notification, now};
    use crate::notify::testing::{Channel, Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};

    const HOOK: &str = "type = \"slack\"\nurl = { env = \"SECRET_URL\" }";
    const BOT: &str = "type = \"slack\"\nurl = \"URL\"\ntoken = { env = \"SECRET\" }\nchannel = \"#ops\"";
    const GOOD: &str = r#"{"ok":true,"channel":"C1","ts":"1503435956.000247"}"#;

    #[tokio::test]
    async fn what_a_webhook_gets() {
        let requests = sent(HOOK, "ok").await;
        assert_eq!(requests[0].url.path(), "/hook/53cret-53cret");
        insta::assert_json_snapshot!("slack", requests[0].json());
    }

    #[tokio::test]
    async fn nothing_becomes_a_mention() {
        let bench = Channel::new(HOOK).await;
        bench.answers(ResponseTemplate::new(200).set_body_string("ok")).await;
        bench.deliver(&notification(vec![Item { title: "<!channel> & <@U1>".into(), ..expiring() }])).await;
        let body = bench.requests().await[0].json().to_string();
        assert!(body.contains("&lt;!channel&gt; &amp; &lt;@U1&gt;") && !body.contains("<!channel>"), "{body}");
    }

    #[tokio::test]
    async fn a_bot_answers_in_the_thread_until_it_is_over() {
        let bench = Channel::new(BOT).await;
        bench.answers(ResponseTemplate::new(200).set_body_string(GOOD)).await;
        let mut keep = None;
        let over = Item { status: ItemStatus::Resolved, ended: Some(now()), ..expiring() };
        for (item, kept) in [(expiring(), "1503435956.000247"), (expiring(), "1503435956.000247"), (over, "")] {
            let outcome = bench.deliver_after(&notification(vec![item]), Attempt { keep, ..attempt() }).await;
            let Outcome::Delivered { keep: Some(now_kept), .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(now_kept, kept);
            keep = Some(now_kept);
        }
        let requests = bench.requests().await;
        assert_eq!(
            (requests[0].url.path(), requests[0].header("authorization")),
            ("/api/chat.postMessage", "Bearer 53cret-53cret")
        );
        let threads: Vec<Value> = requests.iter().map(|made| made.json()["thread_ts"].clone()).collect();
        assert_eq!(threads, [Value::Null, "1503435956.000247".into(), "1503435956.000247".into()]);
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            HOOK,
            &[
                Row(200, "ok", None),
                Row(200, "", Some((false, Parse))),
                Row(404, "no_service", Some((true, AuthRejected))),
                Row(400, "invalid_token", Some((true, AuthRejected))),
                Row(410, "channel_is_archived", Some((true, Refused))),
                Row(400, "invalid_blocks", Some((false, Refused))),
                Row(429, "rate_limited", Some((false, RateLimited))),
                Row(500, "rollup_error", Some((false, ServerError))),
            ],
        )
        .await;
        answers_mean(
            BOT,
            &[
                Row(200, GOOD, None),
                Row(200, r#"{"ok":false,"error":"invalid_auth"}"#, Some((true, AuthRejected))),
                Row(200, r#"{"ok":false,"error":"channel_not_found"}"#, Some((true, Refused))),
                Row(200, r#"{"ok":false,"error":"internal_error"}"#, Some((false, ServerError))),
                Row(200, r#"{"ok":false,"error":"a_new_one"}"#, Some((false, Refused))),
                Row(429, r#"{"ok":false,"error":"ratelimited"}"#, Some((false, RateLimited))),
                Row(200, "hello", Some((false, Parse))),
            ],
        )
        .await;
    }
}
