//! `type = "rocket-chat"`: an incoming integration (<https://docs.rocket.chat/docs/integrations>).

use super::compose::Limit;
use super::http::{Answer, Call, Judgement, by_status};
use super::mattermost::body;
use super::vendor::{Letter, Part, Vendor};
use crate::domain::FailureReason;

/// The default of the server's `Message_MaxAllowedSize`.
const TEXT: Limit = Limit::Chars(4_500);

pub(super) struct RocketChat;

impl Vendor for RocketChat {
    fn parts(&self, letter: &Letter<'_>) -> Result<Vec<Part>, String> {
        Ok(Part::only(Call::post(letter.value("url").to_owned(), body(letter, TEXT))))
    }

    fn judge(&self, _: &Letter<'_>, _: &str, answer: &Answer) -> Judgement {
        let body = answer.json();
        let error = body["error"].as_str().unwrap_or_default().to_lowercase();
        match (answer.status, body["success"].as_bool()) {
            (200, Some(true)) => Judgement::Delivered { keep: None },
            (401 | 403, Some(false)) => Judgement::Permanent(FailureReason::AuthRejected),
            (400 | 404, Some(false)) if error.contains("invalid integration") || error.contains("unauthorized") => {
                Judgement::Permanent(FailureReason::AuthRejected)
            }
            (400 | 404, Some(false)) if error.contains("invalid-channel") || error.contains("invalid-room") => {
                Judgement::Permanent(FailureReason::Refused)
            }
            (200, Some(false)) => Judgement::Refused(FailureReason::Refused),
            _ => by_status(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{Row, answers_mean, sent};
    use FailureReason::{AuthRejected, Parse, Refused};

    const TOML: &str = "type = \"rocket-chat\"\nurl = { env = \"SECRET_URL\" }\nchannel = \"#ops\"";

    #[tokio::test]
    async fn what_is_sent() {
        insta::assert_json_snapshot!("rocket_chat", sent(TOML, r#"{"success":true}"#).await[0].json());
    }

    #[tokio::test]
    async fn what_answers_mean() {
        answers_mean(
            TOML,
            &[
                Row(200, r#"{"success":true}"#, None),
                Row(200, "ok", Some((false, Parse))),
                Row(200, r#"{"success":false,"error":"what"}"#, Some((false, Refused))),
                Row(400, r#"{"success":false,"error":"invalid-channel"}"#, Some((true, Refused))),
                Row(
                    404,
                    r#"{"success":false,"error":"Invalid integration id or token provided."}"#,
                    Some((true, AuthRejected)),
                ),
                Row(401, r#"{"success":false,"error":"unauthorized"}"#, Some((true, AuthRejected))),
            ],
        )
        .await;
    }
}
