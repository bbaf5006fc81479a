use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clock::ManualClock;
use crate::domain::Environment;

fn clients() -> Arc<Clients> {
    Clients::new(&Environment::default())
}

fn target(provider: &str) -> Target {
    Target {
        id: "env:X".into(),
        provider: provider.into(),
        kind: Kind::ApiKey,
        secret: Secret::new("sk-0123456789".into()),
        base_url: None,
    }
}

fn settings(id: &str, base: &str) -> Settings {
    let entry = config::Provider { base_url: Some(base.into()), ..config::Provider::default() };
    Settings { providers: BTreeMap::from([(id.into(), entry)]), ..Settings::default() }
}

#[test]
fn where_a_question_goes() {
    let to = |target: &Target, settings: &Settings| {
        let route = plan(target, settings, &clients()).unwrap();
        (route.ask.url.to_string(), route.other.map(|other| other.url.to_string()), route.ask.probe.base_url.clone())
    };
    let own = to(&target("moonshot"), &Settings::default());
    assert_eq!(own.0, "https://api.moonshot.ai/v1/users/me/balance");
    assert_eq!(own.1.as_deref(), Some("https://api.moonshot.cn/v1/users/me/balance"));
    // A configured address is the only one that is asked, under whatever name it was configured.
    for id in ["moonshot", "moonshotai"] {
        let cn = to(&target("moonshot"), &settings(id, "https://api.moonshot.cn/v1/"));
        assert_eq!(cn.0, "https://api.moonshot.cn/v1/users/me/balance");
        assert_eq!((cn.1, cn.2.as_str()), (None, "https://api.moonshot.cn/v1"), "asked and read as the other region");
    }
    let entry = Target { base_url: Some("http://127.0.0.1:9/x".into()), ..target("deepseek") };
    assert_eq!(to(&entry, &settings("deepseek", "https://example.org")).0, "http://127.0.0.1:9/x/user/balance");
    // What the gateway's file names for an entry cannot be declared insecure by anybody.
    let entry = Target { base_url: Some("http://example.org".into()), ..target("deepseek") };
    assert!(plan(&entry, &Settings::default(), &clients()).is_err());
    // Another provider's base URL is not for this key.
    assert_eq!(
        to(&target("deepseek"), &settings("groq", "https://example.org")).0,
        "https://api.deepseek.com/user/balance"
    );
}

#[test]
fn the_own_network() {
    let down = |hosts: &[(&str, bool)]| {
        let mut reached = Reached::default();
        hosts.iter().for_each(|(host, answered)| reached.note(host, *answered));
        reached.own_network_is_down()
    };
    assert!(down(&[("api.openai.com", false), ("api.x.ai", false)]));
    assert!(!down(&[("api.openai.com", false), ("api.x.ai", false), ("api.groq.com", true)]));
    assert!(!down(&[("api.openai.com", false)]), "one provider alone may be down");
    assert!(!down(&[("api.moonshot.ai", false), ("www.moonshot.ai", false)]), "one party");
    assert!(!down(&[("127.0.0.1", false), ("localhost", false), ("[::1]", false), ("api.openai.com", false)]));
    assert!(!down(&[]));
}

async fn region(status: u16, body: &str) -> (MockServer, Request) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_raw(body, "application/json");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let probe = Catalog::get().provider("moonshot").unwrap().probe.as_ref().unwrap();
    let request = Request::new(probe, &server.uri(), false, &clients()).unwrap();
    (server, request)
}

#[tokio::test]
async fn the_other_region_is_asked_only_about_keys_that_the_first_does_not_know() {
    let good = r#"{"code":0,"data":{"available_balance":5}}"#;
    let wrong = r#"{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}"#;
    let broke = r#"{"error":{"message":"x","type":"exceeded_current_quota_error"}}"#;
    for (first, second, expected, asked) in [
        ((200, good), (200, good), VerdictKind::Accepted, 0),
        ((401, wrong), (200, good), VerdictKind::Accepted, 1),
        ((401, wrong), (401, wrong), VerdictKind::Rejected, 1),
        // The other region may be the one that knows it: not rejected on half an answer.
        ((401, wrong), (503, ""), VerdictKind::ProviderDown, 1),
        ((429, broke), (200, good), VerdictKind::Billing, 0),
        ((503, ""), (200, good), VerdictKind::ProviderDown, 0),
    ] {
        let (_kept, ask) = region(first.0, first.1).await;
        let (server, other) = region(second.0, second.1).await;
        let secret = Secret::new("sk-0123456789".into());
        let jobs = vec![Job { targets: vec![0], route: Route { ask, other: Some(other) }, secret }];
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
        let done = run(jobs, &Settings::default(), &clock).await;
        assert_eq!(done[0].1.verdict.kind, expected, "{first:?} {second:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), asked, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_silent_host_is_given_up() {
    // Bound and never accepting: connections are made, nothing is answered.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
    let targets = (0..6).map(|n| Target {
        secret: Secret::new(format!("sk-number-{n}")),
        base_url: Some(base.clone()),
        ..target("deepseek")
    });
    let settings = Settings { timeout: Duration::from_millis(200), ..Settings::default() };
    let results = probe(targets.collect(), &settings, &clients(), &clock).await;
    assert!(results.iter().all(|result| result.verdict.kind == VerdictKind::ProviderDown));
    let asked = results.iter().filter(|result| result.latency.is_some()).count();
    // Two at a time; a third may have begun when only one of them had failed.
    assert!((2..=3).contains(&asked), "{asked}");
}

#[tokio::test]
async fn every_target_has_an_answer_even_without_a_request() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap()));
    let results =
        probe(vec![target("nobody-knows"), target("perplexity")], &Settings::default(), &clients(), &clock).await;
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!((result.verdict.kind, result.latency), (VerdictKind::Unverifiable, None));
    }
}
