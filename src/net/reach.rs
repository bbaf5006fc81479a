//! Whether a server can be reached at all: name, connection, TLS, and what its clock says. One request without a key and
//! without a question to the root of each server; whatever it answers is an answer. For `doctor --deep` only.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;

use super::{Clients, failure};
use crate::clock::Clock;
use crate::domain::{FailureReason, Span, Time};

/// A server that has not answered by then is not reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the look at one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Whose server.
    pub provider: String,
    /// Its name, and the port if it is not the usual one.
    pub host: String,
    /// By how much its clock is ahead of ours, if it said; or why there was no answer.
    pub answer: Result<Option<Span>, (FailureReason, String)>,
}

/// Looks at every server: a provider and any URL of it. All at once; each once; in their order.
pub async fn all(servers: Vec<(String, Url)>, clients: &Clients, clock: &Arc<dyn Clock>) -> Vec<Reached> {
    let mut looks: Vec<(String, Url)> = Vec::new();
    for (provider, mut url) in servers {
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        let bare = url.set_username("").is_ok() && url.set_password(None).is_ok();
        if bare && looks.iter().all(|(_, known)| *known != url) {
            looks.push((provider, url));
        }
    }
    let look = |(provider, url): (String, Url)| {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let (client, clock) = (clients.http(&url), Arc::clone(clock));
        let answer = tokio::spawn(async move {
            let client = client.map_err(|why| (FailureReason::Config, why))?;
            let answer = client.get(url).timeout(PATIENCE).send().await.map_err(failure::of)?;
            Ok(skew(answer.headers(), clock.now()))
        });
        (provider, host, answer)
    };
    let begun: Vec<_> = looks.into_iter().map(look).collect();
    let mut reached = Vec::with_capacity(begun.len());
    for (provider, host, answer) in begun {
        let answer = answer.await.unwrap_or_else(|_| Err((FailureReason::Offline, "the look was cut off".to_owned())));
        reached.push(Reached { provider, host, answer });
    }
    reached
}

fn skew(headers: &HeaderMap, now: Time) -> Option<Span> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // A copy from a cache has the time at which it was made.
    let date = text("date").filter(|_| text("age").is_none())?;
    Some(super::http::date(date)? - now)
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::Environment;

    #[tokio::test]
    async fn any_answer_is_an_answer_and_nothing_of_the_url_is_sent() {
        let server = MockServer::start().await;
        let date = (SystemClock::new().now() + Span::minutes(10)).to_rfc2822().replace("+0000", "GMT");
        let refusal = ResponseTemplate::new(404).insert_header("date", date.as_str());
        Mock::given(any()).respond_with(refusal).expect(1).mount(&server).await;
        let url = |text: String| Url::parse(&text).expect("url");
        let servers = vec![
            ("one".to_owned(), url(format!("{}/token-4711?key=4711", server.uri()))),
            ("other".to_owned(), url(format!("{}/v1", server.uri()))),
            // No other test is given this port.
            ("nobody".to_owned(), url("http://127.0.0.1:9/v1".to_owned())),
        ];
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let found = all(servers, &Clients::new(&Environment::default()), &clock).await;
        assert_eq!(found.iter().map(|one| one.provider.as_str()).collect::<Vec<_>>(), ["one", "nobody"]);
        let skew = found[0].answer.clone().expect("an answer").expect("a date");
        assert!((skew - Span::minutes(10)).abs() < Span::seconds(30), "{skew}");
        assert_eq!(found[1].answer.clone().expect_err("nobody is there").0, FailureReason::Offline);
        let asked = server.received_requests().await.expect("requests");
        assert_eq!((asked[0].url.path(), asked[0].url.query()), ("/", None));
        assert!(asked[0].headers.get("authorization").is_none());
    }
}
