//! Probes against a fake provider over real connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opensoul::clock::{Clock, ManualClock};
use opensoul::config;
use opensoul::domain::{Environment, Kind, Secret, Span, VerdictKind};
use opensoul::net::Clients;
use opensoul::providers::{Balance, Catalog, Probed, Settings, Target, probe};

use crate::fake_provider::{FakeProvider, Manner};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at("2026-11-22T12:00:00Z".parse().expect("a date")))
}

fn target(provider: &str, key: &str, base_url: &str) -> Target {
    Target {
        id: key.into(),
        provider: provider.to_owned(),
        kind: Kind::ApiKey,
        secret: Secret::new(key.to_owned()),
        base_url: Some(base_url.to_owned()),
    }
}

fn settings() -> Settings {
    Settings { timeout: Duration::from_secs(5), ..Settings::default() }
}

async fn ask(targets: Vec<Target>, settings: &Settings) -> Vec<Probed> {
    // The network of this machine, proxies included, has no part in it.
    let clients = Clients::new(&Environment::default());
    probe(targets, settings, &clients, &clock()).await
}

#[tokio::test]
async fn each_kind_of_answer() {
    use VerdictKind::*;
    let fake = FakeProvider::start().await;
    let cases = [
        ("openai", "sk-proj-good-1", Accepted),
        ("openai", "sk-proj-wrong-1", Rejected),
        ("google", "AIza-expired-1", Expired),
        ("anthropic", "sk-ant-api03-revoked-1", Revoked),
        ("anthropic", "sk-ant-api03-broke-1", Billing),
        ("openai", "sk-proj-quota-1", Billing),
        ("openai", "sk-proj-limited-1", Limited),
        ("groq", "gsk_throttled-1", Throttled),
        ("openai", "sk-proj-scope-1", Accepted),
        ("anthropic", "sk-ant-api03-restricted-1", Forbidden),
        ("anthropic", "sk-ant-api03-overloaded-1", ProviderDown),
        ("openai", "sk-proj-portal-1", Network),
        ("openai", "sk-proj-moved-1", Network),
        ("openai", "sk-proj-gzip-1", Unverifiable),
        ("anthropic", "sk-ant-oat01-good-1", Unverifiable),
    ];
    let targets = cases.iter().map(|(provider, key, _)| target(provider, key, &fake.url())).collect();
    let results = ask(targets, &settings()).await;
    for ((_, key, expected), result) in cases.iter().zip(&results) {
        assert_eq!(result.id.as_str(), *key, "answers are in the order of the targets");
        assert_eq!(result.verdict.kind, *expected, "{key}: {}", result.verdict.detail);
        assert!(!result.verdict.detail.contains(&key[key.len() - 6..]), "{}", result.verdict.detail);
        assert_eq!(result.latency.is_some(), !key.contains("oat01"), "{key}");
    }
    assert_eq!(results[7].facts.retry_after, Some(Span::seconds(120)));
    assert_eq!(results[6].facts.limited_until, Some("2026-11-22T13:00:00Z".parse().unwrap()));
    assert!(results[9].verdict.detail.contains("use an Anthropic API key"), "{}", results[9].verdict.detail);
    let seen = fake.seen();
    assert!(seen.iter().all(|asked| asked.path != "/elsewhere"), "a redirect was followed");
    assert!(seen.iter().all(|asked| !asked.key.contains("oat01")), "a subscription token was sent");
    assert_eq!(seen.len(), cases.len() - 1, "one request each, none repeated");
    assert!(seen.iter().all(|asked| asked.headers.get("accept-encoding").is_none()));
}

#[tokio::test]
async fn every_row_asks_as_its_provider_documents() {
    let fake = FakeProvider::start().await;
    let rows: Vec<_> = Catalog::get().rows().filter_map(|row| Some((row, row.probe.as_ref()?))).collect();
    let key = |prefixes: &[String]| format!("{}good-0123", prefixes.first().map_or("k-", String::as_str));
    let targets = rows
        .iter()
        .map(|(row, _)| target(&row.id, &key(&row.key_prefixes).replace("sk-ant-", "sk-ant-api03-"), &fake.url()))
        .collect();
    let results = ask(targets, &Settings { concurrency: 1, ..settings() }).await;
    for ((row, _), result) in rows.iter().zip(&results) {
        assert_eq!(result.verdict.kind, VerdictKind::Accepted, "{}: {}", row.id, result.verdict.detail);
    }
    // The two regions of Moonshot are one question here: same secret, same address.
    let paths: BTreeSet<_> = fake.seen().into_iter().map(|asked| (asked.method, asked.path)).collect();
    let expected: BTreeSet<_> =
        rows.iter().map(|(_, probe)| (format!("{:?}", probe.method).to_uppercase(), probe.path.clone())).collect();
    assert_eq!(paths, expected);
    let anthropic = fake.seen().into_iter().find(|asked| asked.path == "/v1/models?limit=1").unwrap();
    assert_eq!(anthropic.headers["anthropic-version"], "2023-06-01");
    assert!(anthropic.headers.get("authorization").is_none());
    let deepseek = rows.iter().position(|(row, _)| row.id == "deepseek").unwrap();
    assert_eq!(results[deepseek].facts.balance, Some(Balance { amount: 110.0, currency: Some("CNY".into()) }));
}

#[tokio::test]
async fn servers_that_misbehave() {
    for (manner, expected) in [
        (Manner::Silent, VerdictKind::ProviderDown),
        (Manner::Reset, VerdictKind::ProviderDown),
        (Manner::HalfBody, VerdictKind::ProviderDown),
        (Manner::NotHttp, VerdictKind::ProviderDown),
        (Manner::Flood, VerdictKind::Unverifiable),
    ] {
        let fake = FakeProvider::rude(manner).await;
        let timeout = if matches!(manner, Manner::Silent) { 300 } else { 5_000 };
        let settings = Settings { timeout: Duration::from_millis(timeout), ..Settings::default() };
        let results = ask(vec![target("groq", "gsk_anything", &fake.url())], &settings).await;
        assert_eq!(results[0].verdict.kind, expected, "{manner:?}: {}", results[0].verdict.detail);
    }
    let nobody = FakeProvider::absent().await;
    let results = ask(vec![target("groq", "gsk_anything", &nobody)], &settings()).await;
    assert_eq!(results[0].verdict.kind, VerdictKind::ProviderDown, "{}", results[0].verdict.detail);
}

#[tokio::test]
async fn copies_of_one_secret_share_one_request() {
    let fake = FakeProvider::start().await;
    let mut targets: Vec<_> = (0..5).map(|_| target("groq", "gsk_wrong-copy", &fake.url())).collect();
    targets.push(target("groq", "gsk_good-other", &fake.url()));
    let results = ask(targets, &settings()).await;
    assert_eq!(fake.seen().len(), 2);
    assert!(results[..5].iter().all(|result| result.verdict.kind == VerdictKind::Rejected && result.latency.is_some()));
    assert_eq!(results[5].verdict.kind, VerdictKind::Accepted);
}

#[tokio::test]
async fn the_configured_base_url_is_used_and_judged() {
    let fake = FakeProvider::start().await;
    let configured = |base: &str, insecure| Settings {
        providers: BTreeMap::from([(
            "moonshot".to_owned(),
            config::Provider { base_url: Some(base.to_owned()), insecure, ..config::Provider::default() },
        )]),
        ..settings()
    };
    let plain = || Target { base_url: None, ..target("moonshotai", "sk-good-1", "") };
    let results = ask(vec![plain()], &configured(&format!("{}/", fake.url()), false)).await;
    assert_eq!(results[0].verdict.kind, VerdictKind::Accepted, "{}", results[0].verdict.detail);
    assert_eq!(fake.seen()[0].path, "/users/me/balance");
    for (base, insecure, why) in [
        ("http://192.0.2.1:9/v1", false, "https"),
        ("https://169.254.169.254/v1", true, "link-local"),
        ("https://me:hunter2@example.org", false, "URL"),
        ("https://example.org/?token=hunter2", false, "query"),
        ("ftp://example.org", false, "URL"),
        ("hunter2", false, "URL"),
    ] {
        let results = ask(vec![plain()], &configured(base, insecure)).await;
        let (kind, detail) = (results[0].verdict.kind, &results[0].verdict.detail);
        assert_eq!(kind, VerdictKind::Unverifiable, "{base}: {detail}");
        assert!(detail.contains(why) && !detail.contains("hunter2"), "{base}: {detail}");
        assert!(results[0].latency.is_none());
    }
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_wrong_clock_is_reported() {
    let fake = FakeProvider::start().await;
    let results = ask(vec![target("groq", "gsk_skewed", &fake.url())], &settings()).await;
    assert_eq!(results[0].facts.clock_skew, Some(Span::hours(1)));
}

#[tokio::test]
async fn no_key_in_any_log() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    // For the whole test binary: scoped ones miss events whose call sites other threads saw first.
    tracing::subscriber::set_global_default(subscriber).expect("this is the only test that looks at the log");
    let fake = FakeProvider::start().await;
    let keys = ["gsk_good-CANARY7351q", "gsk_wrong-CANARY7351q", "gsk_moved-CANARY7351q"];
    let results = ask(keys.map(|key| target("groq", key, &fake.url())).into(), &settings()).await;
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|result| !format!("{:?}", result.verdict).contains("7351q")));
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("probed"), "the log is not looked at");
    assert!(!log.contains("CANARY") && !log.contains("7351q"), "{log}");
}
