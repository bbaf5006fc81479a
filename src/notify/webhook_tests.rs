use std::collections::BTreeMap;

use base64::Engine;
use ring::hmac;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::{MaybeSecret, SecretRef};
use crate::domain::NotificationId;
use crate::notify::samples::{attempt, expiring, notification, now};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn receiver(url: &str) -> Webhook {
    let mut env = Environment::default();
    env.set("HOOK_SECRET", SECRET);
    env.set("HOOK_AUTH", "Bearer topsecret-topsecret");
    let config = config::Webhook {
        url: MaybeSecret::Plain(url.to_owned()),
        secrets: vec![SecretRef::Env("HOOK_SECRET".into())],
        headers: vec![
            ("authorization".into(), MaybeSecret::Ref(SecretRef::Env("HOOK_AUTH".into()))),
            ("x-team".into(), MaybeSecret::Plain("ops".into())),
        ],
        insecure: false,
        body: config::Body::Alertmanager,
    };
    Webhook::new("hook".into(), config, Voice::default(), Links::default(), Arc::new(env.clone()), Clients::new(&env))
}

async fn answered(template: ResponseTemplate) -> (Outcome, Webhook, MockServer) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    let receiver = receiver(&format!("{}/hook/token0123456789", server.uri()));
    let outcome = deliver(&receiver).await;
    (outcome, receiver, server)
}

async fn deliver(receiver: &Webhook) -> Outcome {
    receiver.deliver(&notification(vec![expiring()]), &attempt()).await
}

#[tokio::test]
async fn a_signed_post() {
    let (outcome, _, server) = answered(ResponseTemplate::new(204)).await;
    assert_eq!(outcome, Outcome::Delivered { detail: "204".into(), keep: None });
    let requests = server.received_requests().await.expect("requests");
    let [request] = requests.as_slice() else { panic!("one request") };
    let header =
        |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    assert_eq!((header("content-type").as_str(), header("x-team").as_str()), ("application/json", "ops"));
    assert_eq!(header("authorization"), "Bearer topsecret-topsecret");
    assert_eq!(header("webhook-id"), "01938c0e-0000-7000-8000-000000000001");
    assert_eq!(header("webhook-timestamp"), now().timestamp().to_string());
    let key = base64::engine::general_purpose::STANDARD.decode(&SECRET[6..]).expect("base64");
    let signed =
        [header("webhook-id").as_bytes(), b".", header("webhook-timestamp").as_bytes(), b".", &request.body].concat();
    let signature = header("webhook-signature");
    let given =
        base64::engine::general_purpose::STANDARD.decode(signature.strip_prefix("v1,").expect("v1")).expect("base64");
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed, &given).expect("the signature fits");
    let body: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&request.body).expect("json");
    assert_eq!(body["version"], "4");
}

#[tokio::test]
async fn each_answer_means_something() {
    use FailureReason::{AuthRejected, Parse, RateLimited, Refused, ServerError};
    let page = || "<!DOCTYPE html><html><body>Log in</body></html>";
    let cases = [
        (ResponseTemplate::new(200).set_body_string("{}"), None, None),
        (ResponseTemplate::new(200).set_body_raw("thanks", "text/html"), None, None),
        (ResponseTemplate::new(200).set_body_raw(page(), "text/html"), Some(Parse), None),
        (ResponseTemplate::new(404).set_body_raw(page(), "text/html"), Some(Parse), None),
        (ResponseTemplate::new(429).insert_header("retry-after", "120"), Some(RateLimited), Some(120)),
        (
            ResponseTemplate::new(503).insert_header("retry-after", "Sun, 22 Nov 2026 18:01:00 GMT"),
            Some(ServerError),
            Some(60),
        ),
        (
            ResponseTemplate::new(503).insert_header("retry-after", "Sun, 22 Nov 2026 17:00:00 GMT"),
            Some(ServerError),
            Some(0),
        ),
        (ResponseTemplate::new(503).insert_header("retry-after", "soon"), Some(ServerError), None),
        (ResponseTemplate::new(500).set_body_raw(page(), "text/html"), Some(ServerError), None),
        (ResponseTemplate::new(302).insert_header("location", "http://127.0.0.1:1/x?token=abc"), Some(Refused), None),
        (ResponseTemplate::new(401), Some(AuthRejected), None),
        (ResponseTemplate::new(400), Some(Refused), None),
    ];
    for (index, (template, reason, wait)) in cases.into_iter().enumerate() {
        let (outcome, _, server) = answered(template).await;
        match (&outcome, reason) {
            (Outcome::Delivered { .. }, None) => {}
            (Outcome::Transient { reason, retry_after, .. }, Some(expected)) => {
                assert_eq!((*reason, retry_after.map(|wait| wait.as_secs())), (expected, wait), "{index}: {outcome:?}");
            }
            _ => panic!("{index}: {outcome:?}"),
        }
        assert_eq!(server.received_requests().await.expect("requests").len(), 1, "no redirect, no hidden retry");
        assert!(!format!("{outcome:?}").contains("abc"), "{outcome:?}");
    }
}

#[tokio::test]
async fn gone_is_for_good_and_a_refusal_is_when_it_is_repeated() {
    let (outcome, ..) = answered(ResponseTemplate::new(410).set_body_string("closed")).await;
    assert_eq!(outcome, Outcome::Permanent { reason: FailureReason::Refused, detail: "410 closed".into() });
    let (first, receiver, _server) = answered(ResponseTemplate::new(403)).await;
    assert!(matches!(first, Outcome::Transient { reason: FailureReason::AuthRejected, .. }));
    assert!(matches!(deliver(&receiver).await, Outcome::Permanent { reason: FailureReason::AuthRejected, .. }));
    // Another message is tried on its own account.
    let mut other = notification(vec![expiring()]);
    other.id = NotificationId("other".into());
    assert!(matches!(receiver.deliver(&other, &attempt()).await, Outcome::Transient { .. }));
}

#[tokio::test]
async fn what_it_says_is_redacted() {
    let echo = format!("bad: {SECRET} Bearer topsecret-topsecret /hook/token0123456789 sk-ant-api03-xyzxyzxyz");
    let (outcome, ..) = answered(ResponseTemplate::new(400).set_body_string(echo)).await;
    let shown = format!("{outcome:?}");
    for secret in ["MfKQ9", "topsecret", "token0123456789", "xyzxyz"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_slow_or_absent_server() {
    // Not one that the next test is given, with what is still on its way there.
    let server = MockServer::builder().start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).mount(&server).await;
    let mut slow = receiver(&format!("{}/token0123456789", server.uri()));
    slow.total = Duration::from_millis(200);
    let outcome = deliver(&slow).await;
    assert!(matches!(outcome, Outcome::Transient { reason: FailureReason::Timeout, .. }), "{outcome:?}");
    // No other test is given this port.
    let outcome = deliver(&receiver("http://127.0.0.1:9/token0123456789")).await;
    assert!(matches!(outcome, Outcome::Transient { reason: FailureReason::Offline, .. }), "{outcome:?}");
    assert!(!format!("{outcome:?}").contains("token0123456789"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    for url in ["http://hooks.example.org/", "https://169.254.169.254/", "nonsense"] {
        let outcome = deliver(&receiver(url)).await;
        assert!(matches!(outcome, Outcome::Transient { reason: FailureReason::Config, .. }), "{url}: {outcome:?}");
    }
    let server = MockServer::start().await;
    let mut unsigned = receiver(&server.uri());
    unsigned.config.secrets = vec![SecretRef::Env("NOT_SET".into())];
    let outcome = deliver(&unsigned).await;
    assert!(matches!(outcome, Outcome::Transient { reason: FailureReason::Config, .. }), "{outcome:?}");
    assert!(server.received_requests().await.expect("requests").is_empty(), "never unsigned");
}
