//! The requests to Telegram, and what its answers mean. The token is in every URL: nothing of a URL is ever shown.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use serde_json::Value;

use crate::config::{Chat, SecretRef, resolve, values};
use crate::domain::{Environment, Secret, Time};
use crate::formats::bounded_json;
use crate::net::{self, Clients, failure, redact};

const SERVER: &str = "https://api.telegram.org";

/// What is read of an answer: a hundred updates with the longest messages are less.
const ANSWER: usize = 8 * 1024 * 1024;

/// What it may take in memory: a hundred updates are some hundred objects each.
const ROOM: usize = 16 * 1024 * 1024;

/// Longest wait that a server may ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// The way to one bot.
pub struct Api {
    clients: Arc<Clients>,
    env: Environment,
    server: String,
    insecure: bool,
    token: SecretRef,
}

/// What Telegram gave.
#[derive(Clone, Debug)]
pub struct Given {
    /// The result.
    pub result: Value,
    /// When, by its own clock.
    pub at: Option<Time>,
}

/// Why it gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The token is not (or not any more) that of a bot.
    Refused(String),
    /// Somebody else listens as this bot.
    Taken(String),
    /// Not before that.
    Busy(Duration, String),
    /// This request is wrong, or its chat does not want it: the next may be right.
    Wrong(String),
    /// Nobody answers, or not Telegram.
    Away(String),
}

impl Trouble {
    /// In words, without a secret.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Self::Refused(words)
            | Self::Taken(words)
            | Self::Busy(_, words)
            | Self::Wrong(words)
            | Self::Away(words) => words,
        }
    }
}

impl Api {
    /// Opens nothing and reads no secret.
    #[must_use]
    pub fn new(settings: &Chat, env: &Environment, clients: &Arc<Clients>) -> Self {
        Self {
            clients: Arc::clone(clients),
            env: env.clone(),
            server: settings.url.clone().unwrap_or_else(|| SERVER.to_owned()),
            insecure: settings.insecure,
            token: settings.token.clone(),
        }
    }

    /// Makes one request. The token is read anew each time: it may have been exchanged.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn call(&self, method: &str, params: &Value, patience: Duration) -> Result<Given, Trouble> {
        let token = resolve(&self.token, &self.env).map_err(Trouble::Refused)?;
        let away = |words: String| Trouble::Away(words);
        let wrong = |(what, _): (String, String)| Trouble::Away(what);
        let url = format!("{}/bot{}/{method}", self.server, token.expose());
        let url = values::http_url(&url, self.insecure).map_err(wrong)?;
        let client = self.clients.http(&url).map_err(away)?;
        let body = serde_json::to_vec(params).map_err(|_| away("the request cannot be written as JSON".to_owned()))?;
        let request = client.post(url).timeout(patience).header(CONTENT_TYPE, "application/json").body(body);
        let response = request.send().await.map_err(|error| Trouble::Away(failure::of(error).1))?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let at = header(DATE).and_then(net::http::date);
        let retry = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let text = net::body(response, ANSWER).await.map_err(|error| Trouble::Away(failure::of(error).1))?;
        judge(status, &text, retry, &token).map(|result| Given { result, at })
    }
}

/// What an answer means: its result, or why there is none. Only Telegram's own words count: a proxy has a 401 too. `retry` is what
/// its header asks for, in seconds.
///
/// # Errors
/// See [`Trouble`]; the token is in none of its words.
pub fn judge(status: u16, text: &str, retry: Option<u64>, token: &Secret) -> Result<Value, Trouble> {
    let mut body = bounded_json::parse(text.as_bytes(), &[], ROOM).unwrap_or(Value::Null);
    if status == 200 && body["ok"] == true {
        return Ok(body["result"].take());
    }
    let shown = if net::http::is_html(text) { "an HTML page" } else { body["description"].as_str().unwrap_or(text) };
    let words = redact::words(&format!("{status} {shown}"), &[token.expose()], 200);
    if body["ok"] != false {
        return Err(Trouble::Away(words));
    }
    let wait = body["parameters"]["retry_after"].as_u64().or(retry).map(Duration::from_secs);
    Err(match status {
        401 | 404 => Trouble::Refused(words),
        409 => Trouble::Taken(words),
        429 => Trouble::Busy(wait.unwrap_or(Duration::from_secs(5)).min(LONGEST), words),
        400 | 403 => Trouble::Wrong(words),
        _ => Trouble::Away(words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean() {
        let token = Secret::new("110001:token-of-a-bot".to_owned());
        let judged = |status, text: &str| judge(status, text, Some(9), &token);
        assert_eq!(judged(200, r#"{"ok":true,"result":[1]}"#), Ok(serde_json::json!([1])));
        let no = |code: u16, what: &str| {
            judged(code, &format!(r#"{{"ok":false,"error_code":{code},"description":"{what}"}}"#)).unwrap_err()
        };
        assert!(matches!(no(401, "Unauthorized"), Trouble::Refused(_)));
        assert!(matches!(no(404, "Not Found"), Trouble::Refused(_)));
        assert!(matches!(no(409, "Conflict: terminated by other getUpdates request"), Trouble::Taken(_)));
        assert!(matches!(no(400, "Bad Request: chat not found"), Trouble::Wrong(_)));
        assert!(matches!(no(502, "Bad Gateway"), Trouble::Away(_)));
        assert_eq!(no(429, "Too Many Requests"), Trouble::Busy(Duration::from_secs(9), "429 Too Many Requests".into()));
        let busy = judged(429, r#"{"ok":false,"description":"x","parameters":{"retry_after":30}}"#);
        assert_eq!(busy, Err(Trouble::Busy(Duration::from_secs(30), "429 x".into())));
        for (status, text) in [
            (200, "{}"),
            (200, "<html>log in</html>"),
            (401, "<html>proxy</html>"),
            (409, "conflict"),
            (200, r#"{"ok":false}"#),
            (302, ""),
        ] {
            assert!(matches!(judged(status, text), Err(Trouble::Away(_))), "{status} {text}");
        }
        assert!(!no(400, "no bot110001:token-of-a-bot here").words().contains("token-of-a-bot"));
    }
}
