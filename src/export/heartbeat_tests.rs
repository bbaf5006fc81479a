use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::{MaybeSecret, SecretRef};

const UUID: &str = "4b3a3b7e-0f0e-4c57-9c3c-0d5b3a0d9f11";

fn ping(well: bool) -> Ping {
    Ping {
        well,
        line: "box: 3 credentials, 1 critical, 0 warning".into(),
        more: vec!["claude-code:default must be renewed".into()],
        took: Duration::from_millis(120),
        host: "box".into(),
        at: "2026-11-22T12:00:00Z".parse().unwrap(),
    }
}

fn heartbeat(kind: HeartbeatKind, url: String) -> Heartbeat {
    let env: Environment = [("T".to_owned(), "gatus-token".to_owned())].into_iter().collect();
    let config = config::Heartbeat {
        name: "beat".into(),
        kind,
        url: MaybeSecret::Plain(url),
        token: (kind == HeartbeatKind::Gatus).then(|| SecretRef::Env("T".into())),
        headers: vec![],
        insecure: false,
        fail_on_critical: true,
    };
    let clients = Clients::new(&env);
    Heartbeat { pauses: [Duration::from_millis(1); 2], ..Heartbeat::new(config, &Arc::new(env), &clients) }
}

fn place(kind: HeartbeatKind) -> String {
    match kind {
        HeartbeatKind::Healthchecks => format!("/{UUID}"),
        HeartbeatKind::UptimeKuma => "/api/push/aB3dE6gH9k?status=up&msg=OK&ping=".to_owned(),
        HeartbeatKind::Gatus => "/api/v1/endpoints/agents_box/external".to_owned(),
    }
}

/// What comes of one ping to somebody who always answers this; and how often was asked.
async fn outcome(kind: HeartbeatKind, answer: ResponseTemplate) -> (Option<FailureReason>, String, usize) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let result = heartbeat(kind, server.uri() + &place(kind)).ping(&ping(true)).await;
    let (reason, detail) = result.err().map_or((None, String::new()), |failure| (Some(failure.reason), failure.detail));
    assert!(!detail.contains("aB3dE6gH9k") && !detail.contains(UUID) && !detail.contains("gatus-token"), "{detail}");
    (reason, detail, server.received_requests().await.unwrap().len())
}

#[tokio::test]
async fn only_the_vendors_own_yes_is_believed() {
    use FailureReason as R;
    use HeartbeatKind::{Gatus, Healthchecks, UptimeKuma};
    let say = |status: u16, body: &str| ResponseTemplate::new(status).set_body_string(body);
    for (kind, status, body, expected) in [
        (Healthchecks, 200, "OK", None),
        (Healthchecks, 201, "Created", None),
        (Healthchecks, 200, "OK (not found)", Some(R::Refused)),
        (Healthchecks, 200, "OK (rate limited)", Some(R::RateLimited)),
        (Healthchecks, 200, "<!doctype html><html>welcome</html>", Some(R::Parse)),
        (Healthchecks, 200, "", Some(R::Parse)),
        (Healthchecks, 404, "not found", Some(R::Refused)),
        (Healthchecks, 409, "ambiguous slug", Some(R::Refused)),
        (UptimeKuma, 200, r#"{"ok":true}"#, None),
        (UptimeKuma, 200, r#"{"ok":false,"msg":"Monitor not found or not active."}"#, Some(R::Refused)),
        (UptimeKuma, 404, r#"{"ok":false,"msg":"aB3dE6gH9k not found"}"#, Some(R::Refused)),
        (UptimeKuma, 500, r#"{"ok":false,"msg":"Monitor not found or not active."}"#, Some(R::Refused)),
        (UptimeKuma, 200, "<html>Uptime Kuma</html>", Some(R::Parse)),
        (UptimeKuma, 200, "OK", Some(R::Parse)),
        (Gatus, 200, "", None),
        (Gatus, 200, "<html>", Some(R::Parse)),
        (Gatus, 200, "{}", Some(R::Parse)),
        (Gatus, 401, "invalid token gatus-token", Some(R::AuthRejected)),
        (Gatus, 404, "not found", Some(R::Refused)),
    ] {
        let (reason, detail, asked) = outcome(kind, say(status, body)).await;
        assert_eq!(reason, expected, "{kind:?} {status} {body}: {detail}");
        assert_eq!(asked, 1, "{kind:?} {status} {body}: an answer is an answer");
    }
    let (reason, detail, asked) = outcome(Healthchecks, say(503, "")).await;
    assert_eq!((reason, asked), (Some(R::ServerError), 3), "{detail}");
    let redirect = say(302, "").insert_header("location", "https://elsewhere.example.org/");
    assert_eq!(outcome(Healthchecks, redirect).await.0, Some(R::Refused));
}

#[tokio::test]
async fn healthchecks_hears_of_failures_with_a_body_and_one_id_for_all_tries() {
    let server = MockServer::start().await;
    let fail = || Mock::given(method("POST")).and(path(format!("/{UUID}/fail")));
    fail().respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    let ok = ResponseTemplate::new(200).set_body_string("OK").insert_header("ping-body-limit", "20");
    fail().respond_with(ok.clone()).mount(&server).await;
    Mock::given(method("POST")).and(path(format!("/{UUID}"))).respond_with(ok).mount(&server).await;
    let beat = heartbeat(HeartbeatKind::Healthchecks, format!("{}/{UUID}?create=1", server.uri()));
    beat.ping(&ping(false)).await.unwrap();
    beat.ping(&Ping { line: "é".repeat(40), ..ping(true) }).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    let query = |n: usize| asked[n].url.query_pairs().into_owned().collect::<Vec<_>>();
    assert_eq!(query(0), query(1));
    assert_eq!(query(0)[0], ("create".to_owned(), "1".to_owned()));
    assert_eq!(query(0)[1].0, "rid");
    uuid::Uuid::parse_str(&query(0)[1].1).unwrap();
    assert_ne!(query(1)[1], query(2)[1]);
    let body = |n: usize| String::from_utf8(asked[n].body.clone()).unwrap();
    assert_eq!(body(1), "box: 3 credentials, 1 critical, 0 warning\nclaude-code:default must be renewed");
    assert_eq!(body(2), "é".repeat(10), "as much as is kept, whole characters");
}

#[tokio::test]
async fn a_body_never_exceeds_what_is_kept_everywhere() {
    let beat = heartbeat(HeartbeatKind::Healthchecks, "http://127.0.0.1:9/x".into());
    let long = Ping { more: vec!["语".repeat(9_000)], ..ping(false) };
    assert!((9_990..=10_000).contains(&beat.body(&long).len()));
}

#[tokio::test]
async fn the_others_hear_it_in_their_query() {
    let server = MockServer::start().await;
    let kuma = ResponseTemplate::new(200).set_body_string(r#"{"ok":true}"#);
    Mock::given(method("GET")).and(path("/api/push/aB3dE6gH9k")).respond_with(kuma).mount(&server).await;
    Mock::given(method("POST"))
        .and(path("/api/v1/endpoints/agents_box/external"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let long = |well| Ping { line: "语".repeat(400), ..ping(well) };
    for kind in [HeartbeatKind::UptimeKuma, HeartbeatKind::Gatus] {
        let beat = heartbeat(kind, server.uri() + &place(kind));
        beat.ping(&long(true)).await.unwrap();
        beat.ping(&long(false)).await.unwrap();
    }
    let asked = server.received_requests().await.unwrap();
    let query = |n: usize| {
        let pairs = asked[n].url.query_pairs().into_owned();
        pairs.map(|(name, value)| (name, value.chars().take(6).collect::<String>())).collect::<Vec<_>>()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let words = "语".repeat(6);
    assert_eq!(query(0), [pair("status", "up"), pair("msg", &words), pair("ping", "120")]);
    assert_eq!(query(1)[0], pair("status", "down"));
    assert_eq!(query(2), [pair("success", "true"), pair("duration", "120ms")]);
    assert_eq!(query(3), [pair("success", "false"), pair("duration", "120ms"), pair("error", &words)]);
    assert!(asked.iter().all(|request| request.url.as_str().len() < 2_500));
    assert_eq!(asked[2].headers.get("authorization").unwrap(), "Bearer gatus-token");
}
