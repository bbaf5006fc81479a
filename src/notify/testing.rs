//! A channel as `monitor.toml` describes it, in front of a server that answers as the test says.

use std::sync::Arc;

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{Receiver, build};
use crate::config::parse;
use crate::domain::{Attempt, Environment, FailureReason, Notification, Outcome, Zone};
use crate::net::Clients;
use crate::notify::samples::{attempt, expiring, notification};

/// The value of `{ env = "SECRET" }`: it must never be in an outcome.
pub(crate) const SECRET: &str = "53cret-53cret";

pub(crate) struct Channel {
    pub server: MockServer,
    receiver: Arc<dyn Receiver>,
}

/// A request that was made.
pub(crate) struct Made(Request);

impl std::ops::Deref for Made {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.0
    }
}

impl Made {
    pub fn header(&self, name: &str) -> &str {
        self.0.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.body).expect("JSON")
    }
}

impl Channel {
    /// `fields` of a receiver, with `URL` for the server's address.
    pub async fn new(fields: &str) -> Self {
        let server = MockServer::start().await;
        let mut env = Environment::default();
        env.set("SECRET", SECRET);
        env.set("SECRET_URL", format!("{}/hook/{SECRET}", server.uri()));
        let text =
            format!("[[receivers]]\nname = \"it\"\n{}\n", fields.replace("URL\"", &format!("{}\"", server.uri())));
        // A reference is a name, not an address.
        let text = text.replace(&format!("SECRET_{}", server.uri()), "SECRET_URL");
        let config = parse(&text, None, &env, Zone::UTC).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
        let receiver = build(&config, &env, &Clients::new(&env), None).remove(0);
        Self { server, receiver }
    }

    pub async fn answers(&self, template: ResponseTemplate) {
        Mock::given(any()).respond_with(template).mount(&self.server).await;
    }

    /// Comes before what [`Self::answers`] says.
    pub async fn answers_once(&self, template: ResponseTemplate) {
        Mock::given(any()).respond_with(template).up_to_n_times(1).with_priority(1).mount(&self.server).await;
    }

    pub async fn deliver(&self, notification: &Notification) -> Outcome {
        self.deliver_after(notification, attempt()).await
    }

    pub async fn deliver_after(&self, notification: &Notification, attempt: Attempt) -> Outcome {
        let outcome = self.receiver.deliver(notification, &attempt).await;
        assert!(!format!("{outcome:?}").contains(SECRET), "{outcome:?}");
        outcome
    }

    pub async fn requests(&self) -> Vec<Made> {
        self.server.received_requests().await.expect("recorded").into_iter().map(Made).collect()
    }
}

/// Whether a failure is for good, and its class. `None`: it is none.
pub(crate) fn failure(outcome: &Outcome) -> Option<(bool, FailureReason)> {
    match outcome {
        Outcome::Delivered { .. } => None,
        Outcome::Permanent { reason, .. } => Some((true, *reason)),
        Outcome::Transient { reason, .. } => Some((false, *reason)),
    }
}

impl Made {
    /// A form, in its order.
    pub fn form(&self) -> Vec<(String, String)> {
        let query = String::from_utf8(self.0.body.clone()).expect("text");
        let url = reqwest::Url::parse(&format!("http://form/?{query}")).expect("form");
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }
}

/// A status and a body, and what it must mean: `None` is delivered, else whether it is for good, and its class.
pub(crate) struct Row(pub u16, pub &'static str, pub Option<(bool, FailureReason)>);

/// Tries each answer against a receiver of its own.
pub(crate) async fn answers_mean(fields: &str, rows: &[Row]) {
    for Row(status, body, expected) in rows {
        let bench = Channel::new(fields).await;
        bench.answers(ResponseTemplate::new(*status).set_body_string(*body)).await;
        let outcome = bench.deliver(&notification(vec![expiring()])).await;
        assert_eq!(failure(&outcome), *expected, "{status} {body}: {outcome:?}");
    }
}

/// What is sent about one credential to a server that answers 200 and `body`.
pub(crate) async fn sent(fields: &str, body: &str) -> Vec<Made> {
    let bench = Channel::new(fields).await;
    bench.answers(ResponseTemplate::new(200).set_body_string(body)).await;
    let outcome = bench.deliver(&notification(vec![expiring()])).await;
    assert_eq!(failure(&outcome), None, "{outcome:?}");
    bench.requests().await
}
