//! One request of a state push and what came of it: bounded in time and size, no redirects (the client follows none), and
//! nothing of a URL or a secret in what is said about a failure.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};

use crate::config::{Login, MaybeSecret, resolve, resolve_maybe};
use crate::domain::{Environment, FailureReason, Secret, Time};
use crate::net::{self, Clients, address, failure, redact};

/// For one request.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// What is read of an answer.
const ANSWER: usize = 16 * 1024;
/// Parts of a path that say nothing secret.
const WORDS: [&str; 13] = [
    "api",
    "push",
    "ping",
    "fail",
    "external",
    "endpoints",
    "v1",
    "v2",
    "alerts",
    "write",
    "metrics",
    "otlp",
    "instance",
];

/// Why a push failed; `detail` is redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its class.
    pub reason: FailureReason,
    /// What happened, in words.
    pub detail: String,
}

impl Failure {
    pub(super) fn new(reason: FailureReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Whether the same request may well succeed in a moment.
    pub(super) fn may_pass(&self) -> bool {
        use FailureReason as R;
        matches!(self.reason, R::Timeout | R::Dns | R::Offline | R::ServerError)
    }
}

/// Where requests go, with everything secret about it; made for one push and dropped after it.
pub(super) struct Target {
    /// The address.
    pub url: Url,
    client: reqwest::Client,
    headers: HeaderMap,
    secrets: Vec<Secret>,
}

/// What was answered.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Target {
    /// Reads the secrets and makes the client.
    pub fn new(
        url: &MaybeSecret,
        headers: &[(String, MaybeSecret)],
        insecure: bool,
        env: &Environment,
        clients: &Clients,
    ) -> Result<Self, Failure> {
        let wrong = |text: String| Failure::new(FailureReason::Config, text);
        let text = resolve_maybe(url, env).map_err(wrong)?;
        let url = address::url(text.expose(), insecure).map_err(wrong)?;
        let client = clients.http(&url).map_err(|text| Failure::new(FailureReason::Tls, text))?;
        let mut target = Self { url, client, headers: HeaderMap::new(), secrets: vec![text] };
        for (name, value) in headers {
            target.header(name, resolve_maybe(value, env).map_err(wrong)?)?;
        }
        Ok(target)
    }

    /// Logs in.
    pub fn authorization(&mut self, scheme: &str, secret: Secret) -> Result<(), Failure> {
        let whole = Secret::new(format!("{scheme} {}", secret.expose()));
        self.secrets.push(secret);
        self.header(AUTHORIZATION.as_str(), whole)
    }

    /// The same, as `monitor.toml` says.
    pub fn log_in(&mut self, login: Option<&Login>, env: &Environment) -> Result<(), Failure> {
        let secret = |reference| resolve(reference, env).map_err(|text| Failure::new(FailureReason::Config, text));
        match login {
            None => Ok(()),
            Some(Login::Bearer(token)) => self.authorization("Bearer", secret(token)?),
            Some(Login::Basic(name, password)) => {
                use base64::Engine;
                let password = secret(password)?;
                let pair = zeroize::Zeroizing::new(format!("{name}:{}", password.expose()));
                self.secrets.push(password);
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
                self.authorization("Basic", Secret::new(encoded))
            }
        }
    }

    /// A header of the protocol.
    pub fn say(&mut self, name: &'static str, value: &'static str) {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }

    fn header(&mut self, name: &str, secret: Secret) -> Result<(), Failure> {
        let wrong = |text: String| Failure::new(FailureReason::Config, text);
        net::http::set_header(&mut self.headers, name, secret.expose()).map_err(wrong)?;
        self.secrets.push(secret);
        Ok(())
    }

    /// One request.
    pub async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let failed = |error: reqwest::Error| {
            let (reason, detail) = failure::of(error);
            Failure::new(reason, self.words(&detail))
        };
        let mut request = self.client.request(method, url).timeout(LIMIT).headers(self.headers.clone());
        if let Some((sort, bytes)) = body {
            request = request.header(CONTENT_TYPE, sort).body(bytes);
        }
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        // Without its words a success is not believed.
        let text = match net::body(response, ANSWER).await {
            Ok(text) => text,
            Err(error) if status.is_success() => return Err(failed(error)),
            Err(_) => String::new(),
        };
        Ok(Answer { status, headers, text })
    }

    /// A failure, as the answer says it.
    pub fn refused(&self, answer: &Answer) -> Failure {
        let reason = match answer.status.as_u16() {
            // A login page of the network between us, or of a proxy.
            200..=299 => FailureReason::Parse,
            401 | 403 | 407 => FailureReason::AuthRejected,
            429 => FailureReason::RateLimited,
            408 | 425 | 500.. => FailureReason::ServerError,
            _ if answer.is_html() => FailureReason::Parse,
            _ => FailureReason::Refused,
        };
        let said = if answer.is_html() { "an HTML page" } else { answer.text.trim() };
        let to = net::http::redirection(answer.status, &answer.headers);
        Failure::new(reason, self.words(&format!("{} {to}{said}", answer.status.as_u16())))
    }

    /// Foreign words without anything secret.
    pub fn words(&self, text: &str) -> String {
        let parts = redact::hidden_parts(&self.url);
        // A token in a path may be short: whatever is no word of the interface is hidden.
        let path = self.url.path().split('/').filter(|part| part.len() >= 6 && !WORDS.contains(part));
        let mut hidden: Vec<&str> = self.secrets.iter().map(Secret::expose).chain(path).collect();
        hidden.extend(parts.iter().map(String::as_str));
        redact::words(text, &hidden, 200)
    }
}

impl Answer {
    pub fn is_html(&self) -> bool {
        net::http::is_html(&self.text)
    }

    /// How long it asks us to wait; a date is none that we follow.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        Some(Duration::from_secs(text.trim().parse().ok()?))
    }

    /// What the other side's clock shows.
    pub fn date(&self) -> Option<Time> {
        let text = self.headers.get(DATE)?.to_str().ok()?;
        net::http::date(text)
    }
}
