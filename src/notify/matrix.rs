//! `type = "matrix"`: a message in a room (<https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid>).
//! The transaction is the notification's id, so the server itself drops what arrives twice. An encrypted room gets it in
//! the clear.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::json;

use super::compose::{Html, Limit, Markup, Plain, compose};
use super::http::{Answer, Call, Judgement, by_status};
use super::render::Mood;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// A whole event may have 64 KiB; both forms of the text are in it.
const TEXT: Limit = Limit::Bytes(16_000);

struct Lines;

impl Markup for Lines {
    fn plain(&self, text: &str) -> String {
        Html.plain(text)
    }

    fn strong(&self, text: &str) -> String {
        Html.strong(text)
    }

    fn code(&self, text: &str) -> String {
        Html.code(text)
    }

    fn line_end(&self) -> &'static str {
        "<br>"
    }
}

pub(super) struct Matrix;

impl Vendor for Matrix {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        let message = letter.rendered;
        let room = letter.settings.text("room").unwrap_or_default();
        let mut url = Url::parse(letter.url("")).map_err(|_| "`url` is not a URL".to_owned())?;
        url.path_segments_mut().map_err(|()| "`url` cannot have a path".to_owned())?.pop_if_empty().extend([
            "_matrix",
            "client",
            "v3",
            "rooms",
            room,
            "send",
            "m.room.message",
            letter.notification.id.as_str(),
        ]);
        let mut html = compose(message, &Lines, TEXT);
        for action in &message.actions {
            html.push_str(&format!("<br><a href=\"{}\">{}</a>", Html.plain(&action.url), Html.plain(&action.label)));
        }
        let mut body = json!({
            // Notices make no sound in most clients.
            "msgtype": if message.mood >= Mood::Warning { "m.text" } else { "m.notice" },
            "body": format!("{}\n\n{}", message.subject, compose(message, &Plain, TEXT)),
            "format": "org.matrix.custom.html",
            "formatted_body": html,
            "m.mentions": {},
        });
        if let Some(root) = letter.attempt.keep.as_deref().filter(|root| !root.is_empty()) {
            body["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": root } });
        }
        let mut call = Call::post(url.into(), body);
        call.method = Method::PUT;
        Ok(Part::only(call.header("authorization", format!("Bearer {}", letter.value("token")))))
    }

    fn judge(&self, letter: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        match (answer.status, body["errcode"].as_str().unwrap_or_default(), body["event_id"].as_str()) {
            (200, _, Some(id)) => {
                let keep = if letter.rendered.mood > Mood::Over { id } else { "" };
                Judgement::Delivered { keep: Some(keep.to_owned()) }
            }
            (401 | 403, "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" | "M_USER_DEACTIVATED", _) => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (400 | 403 | 404 | 413, "M_FORBIDDEN" | "M_NOT_FOUND" | "M_TOO_LARGE" | "M_INVALID_PARAM", _) => {
                Judgement::Permanent(FailureReason::Refused)
            }
            (429, _, _) => {
                let wait = body["retry_after_ms"].as_u64().map(Duration::from_millis);
                Judgement::Transient(FailureReason::RateLimited, answer.retry_after.or(wait))
            }
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused};

    const TOML: &str = "type = \"matrix\"\nurl = \"URL\"\ntoken = { env = \"SECRET\" }\nroom = \"!a/b:example.org\"";

    #[tokio::test]
    async fn what_is_sent() {
        let requests = sent(TOML, r#"{"event_id":"$e"}"#).await;
        assert_eq!(
            requests[0].url.path(),
            "/_matrix/client/v3/rooms/!a%2Fb:example.org/send/m.room.message/01938c0e-0000-7000-8000-000000000001"
        );
        assert_eq!((requests[0].method.as_str(), requests[0].header("authorization")), ("PUT", "Bearer 53cret-53cret"));
        insta::assert_json_snapshot!("matrix", requests[0].json());
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, r#"{"event_id":"$e"}"#, None),
                Row(200, "{}", Some((false, Parse))),
                Row(401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"x"}"#, Some((true, AuthRejected))),
                Row(403, r#"{"errcode":"M_FORBIDDEN","error":"not in room"}"#, Some((true, Refused))),
                Row(429, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}"#, Some((false, RateLimited))),
                Row(404, "not a homeserver", Some((false, Refused))),
            ],
        )
        .await;
    }
}
