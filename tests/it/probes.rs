//! Probes against a fake provider over real connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opensoul::clock::{Clock, ManualClock};
use opensoul::config;
use opensoul::domain::{Balance, Environment, Kind, Secret, Span, VerdictKind};
use opensoul::formats::provider_row::{PageFormat, Shape, StatusPage};
use opensoul::net::Clients;
use opensoul::providers::{Catalog, Probed, Settings, Target, probe};

use crate::fake_provider::{FakeProvider, Known, Manner};

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
        shape: None,
        model: None,
    }
}

/// Whoever answers may be held up.
const LONG: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings { timeout: LONG, ..Settings::default() }
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

/// tests/fixtures/answers/providers.toml
#[derive(serde::Deserialize)]
struct Table {
    probe: Vec<Recorded>,
}

#[derive(serde::Deserialize)]
struct Recorded {
    provider: String,
    asks: String,
    key: String,
    secret: String,
    kind: Kind,
    answer: Vec<Sample>,
}

#[derive(serde::Deserialize)]
struct Sample {
    what: String,
    status: u16,
    body: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    verdict: VerdictKind,
}

/// With the date of [`clock`]: what ends is judged by the provider's own, and must not end with the machine's.
fn dated(headers: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let date = ("date".to_owned(), "Sun, 22 Nov 2026 12:00:00 GMT".to_owned());
    std::iter::once(date).chain(headers.clone()).collect()
}

/// Every probe of the catalog is put to a server that knows only the request that its provider documents, with each answer
/// that was recorded, and with a key that nobody knows.
#[tokio::test]
async fn every_probe_asks_as_its_provider_wants_and_understands_the_answer() {
    let table: Table = toml::from_str(include_str!("../fixtures/answers/providers.toml")).expect("the table");
    let (mut known, mut cases) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (row, recorded) in table.probe.iter().enumerate() {
        let path = recorded.asks.split(' ').nth(1).expect("method and path");
        let provider = Catalog::get().provider(&recorded.provider).expect("a row");
        let documented = provider.probes.iter().any(|probe| probe.documented && probe.path == path);
        for (number, sample) in recorded.answer.iter().enumerate() {
            // Letters and digits, as real keys are; never a beginning that somebody claims.
            let key = format!("{}Zq{row:02}x{number:02}Wv8Zq7", recorded.secret);
            known.push(Known {
                asks: recorded.asks.replace("{key}", &key),
                // A key that signs is not sent; the session that comes with it is.
                header: recorded.key.replace("{key}", &key).replace("{token}", key.rsplit(':').next().unwrap()),
                status: sample.status,
                headers: dated(&sample.headers),
                body: sample.body.replace("{key}", &key),
            });
            cases[usize::from(!documented)].push((recorded, key, Some(sample)));
        }
        cases[usize::from(!documented)].push((recorded, format!("{}Zq{row:02}nobodyWv8", recorded.secret), None));
    }
    let fake = FakeProvider::knowing(known).await;
    for (undocumented, cases) in [false, true].into_iter().zip(cases) {
        let target = |(recorded, key, _): &(&Recorded, String, _)| Target {
            kind: recorded.kind,
            ..target(&recorded.provider, key, &fake.url())
        };
        let results = ask(cases.iter().map(target).collect(), &Settings { undocumented, ..settings() }).await;
        assert!(results.len() > 40);
        for ((recorded, key, sample), result) in cases.iter().zip(results) {
            let (kind, detail) = (result.verdict.kind, &result.verdict.detail);
            let name = format!("{} {}", recorded.provider, recorded.asks);
            match sample {
                Some(sample) => assert_eq!(kind, sample.verdict, "{name}: {}: {detail}", sample.what),
                None => {
                    let refused = matches!(kind, VerdictKind::Rejected | VerdictKind::Unverifiable);
                    assert!(refused && result.latency.is_some(), "{name}: a bogus key is {kind:?}: {detail}");
                }
            }
            assert!(!detail.contains(&key[key.len() - 8..]), "{detail}");
        }
    }
}

/// The other rows of the catalog say why they have no question, and put none, wherever somebody sends them.
#[tokio::test]
async fn rows_without_a_probe_ask_nobody() {
    let fake = FakeProvider::start().await;
    let rows: Vec<_> = Catalog::get().rows().filter(|row| row.probes.is_empty()).collect();
    assert!(rows.len() >= 40);
    let targets = rows.iter().map(|row| target(&row.id, &format!("good-Zq{}Wv8", row.id), &fake.url())).collect();
    let results = ask(targets, &Settings { undocumented: true, ..settings() }).await;
    for (row, result) in rows.iter().zip(&results) {
        let expected = if row.retired.is_some() { VerdictKind::Retired } else { VerdictKind::Unverifiable };
        let reason = row.retired.as_ref().or(row.unverifiable.as_ref()).expect("one reason");
        assert_eq!(
            (result.verdict.kind, &result.verdict.detail, result.latency),
            (expected, reason, None),
            "{}",
            row.id
        );
    }
    assert!(fake.seen().is_empty(), "{:?}", fake.seen());
}

/// Status codes and pages that may come from anywhere are read alike by every probe, over a real connection.
#[tokio::test]
async fn what_may_come_from_anywhere() {
    #[derive(serde::Deserialize)]
    struct Common {
        answer: Vec<Sample>,
    }
    let common: Common = toml::from_str(include_str!("../fixtures/answers/common.toml")).expect("the table");
    let table: Table = toml::from_str(include_str!("../fixtures/answers/providers.toml")).expect("the table");
    let mut cases = [Vec::new(), Vec::new()];
    for (row, recorded) in table.probe.iter().enumerate() {
        let path = recorded.asks.split(' ').nth(1).expect("method and path");
        let provider = Catalog::get().provider(&recorded.provider).expect("a row");
        let documented = provider.probes.iter().any(|probe| probe.documented && probe.path == path);
        for (number, sample) in common.answer.iter().enumerate() {
            let key = format!("{}Zq{row:02}a{number:02}Wv8Zq7", recorded.secret);
            cases[usize::from(!documented)].push((recorded, key, sample));
        }
    }
    let known = cases.iter().flatten().flat_map(|(recorded, key, sample)| {
        // A provider that has had enough is asked elsewhere, and says the same there.
        let row = Catalog::get().provider(&recorded.provider).expect("a row");
        let elsewhere = row.probes.iter().filter_map(|probe| probe.second.as_ref());
        let asks = elsewhere.map(|second| format!("GET {}", second.path)).chain([recorded.asks.replace("{key}", key)]);
        asks.map(|asks| Known {
            asks,
            header: recorded.key.replace("{key}", key).replace("{token}", key.rsplit(':').next().unwrap()),
            status: sample.status,
            headers: dated(&sample.headers),
            body: sample.body.clone(),
        })
    });
    let fake = FakeProvider::knowing(known.collect()).await;
    for (undocumented, cases) in [false, true].into_iter().zip(&cases) {
        let target = |(recorded, key, _): &(&Recorded, String, &Sample)| Target {
            kind: recorded.kind,
            ..target(&recorded.provider, key, &fake.url())
        };
        let results = ask(cases.iter().map(target).collect(), &Settings { undocumented, ..settings() }).await;
        for ((recorded, _, sample), result) in cases.iter().zip(&results) {
            let name = format!("{} {}: {}", recorded.provider, recorded.asks, sample.what);
            assert_eq!(result.verdict.kind, sample.verdict, "{name}: {}", result.verdict.detail);
        }
    }
    assert!(fake.seen().iter().all(|asked| !asked.path.contains("elsewhere")), "a redirect was followed");
}

fn custom(base: &str, entry: config::Provider) -> Settings {
    let entry = config::Provider { base_url: Some(base.to_owned()), ..entry };
    Settings { providers: BTreeMap::from([("my-proxy".to_owned(), entry)]), ..settings() }
}

fn plain(provider: &str, key: &str) -> Target {
    Target { base_url: None, ..target(provider, key, "") }
}

fn answering(asks: &str, header: &str, status: u16, body: &str) -> Known {
    let (asks, header, body) = (asks.to_owned(), header.to_owned(), body.to_owned());
    Known { asks, header, status, headers: dated(&BTreeMap::new()), body }
}

#[tokio::test]
async fn a_server_of_ones_own_is_believed_only_if_it_refuses_whoever_has_no_key() {
    use config::Provider;
    let list = r#"{"data":[{"id":"m"}]}"#;
    let shape = |shape| Provider { compatible: Some(shape), ..Provider::default() };
    for (base, shape, asks, header) in [
        ("", shape(Shape::Openai), "GET /models", "authorization: Bearer key-good-1"),
        ("", shape(Shape::Anthropic), "GET /v1/models?limit=1", "x-api-key: key-good-1"),
        ("/v1", shape(Shape::Anthropic), "GET /v1/models?limit=1", "x-api-key: key-good-1"),
        ("/v1beta", shape(Shape::Google), "GET /v1beta/models?pageSize=1", "x-goog-api-key: key-good-1"),
    ] {
        let body = if base == "/v1beta" { r#"{"models":[]}"# } else { list };
        let fake = FakeProvider::knowing(vec![answering(asks, header, 200, body)]).await;
        let settings = custom(&format!("{}{base}", fake.url()), shape);
        let results = ask(vec![plain("my-proxy", "key-good-1"), plain("my-proxy", "key-wrong-1")], &settings).await;
        assert_eq!(results[0].verdict.kind, VerdictKind::Accepted, "{asks}: {}", results[0].verdict.detail);
        assert_eq!(results[1].verdict.kind, VerdictKind::Rejected, "{asks}: {}", results[1].verdict.detail);
        let without: Vec<_> = fake.seen().into_iter().filter(|asked| asked.key.is_empty()).collect();
        assert_eq!(without.len(), 1, "one question without a key, however many keys");
    }
    // The same list for everybody: whatever it says about a key is worth nothing.
    let open = FakeProvider::knowing(vec![answering("GET /models", "accept: application/json", 200, list)]).await;
    let results = ask(vec![plain("my-proxy", "anything-at-all")], &custom(&open.url(), shape(Shape::Openai))).await;
    assert_eq!(results[0].verdict.kind, VerdictKind::Unverifiable);
    assert!(results[0].verdict.detail.contains("without a key"), "{}", results[0].verdict.detail);
    // A key of a known maker does not go to a server of one's own.
    let results = ask(vec![plain("my-proxy", "gsk_something")], &custom(&open.url(), shape(Shape::Openai))).await;
    assert!(results[0].latency.is_none() && results[0].verdict.detail.contains("looks like a key of Groq"));
}

#[tokio::test]
async fn a_provider_of_ones_own_is_asked_as_it_was_written() {
    let text = r#"
        [providers.my-proxy]
        base_url = "http://127.0.0.1:1"
        [providers.my-proxy.probe]
        path = "/key/info"
        auth = "x-key"
        expect = ["/info"]
        expiry = "/info/expires"
        balance = { amount = "/info/max", used = "/info/spend", currency = "USD" }
        quota = [{ window = "month", used = "/info/spend", limit = "/info/max" }]
        says = [{ text = "expired_key", verdict = "expired" }]
        dead = [{ at = "/info/blocked", is = true, verdict = "forbidden", says = "blocked" }]
    "#;
    let config = config::parse(text, None, &Environment::default(), opensoul::domain::Zone::UTC)
        .map_err(|problems| config::report(&problems))
        .unwrap();
    let good = r#"{"info":{"expires":"2027-01-01T00:00:00Z","max":10,"spend":2.5,"blocked":false}}"#;
    let fake = FakeProvider::knowing(vec![
        answering("GET /key/info", "x-key: sk-good-1", 200, good),
        answering("GET /key/info", "x-key: sk-old-1", 400, r#"{"error":{"type":"expired_key"}}"#),
        answering("GET /key/info", "x-key: sk-blocked-1", 200, r#"{"info":{"blocked":true}}"#),
    ])
    .await;
    let settings = custom(&fake.url(), config.providers["my-proxy"].clone());
    let keys = ["sk-good-1", "sk-old-1", "sk-blocked-1", "sk-unknown-1"];
    let results = ask(keys.map(|key| plain("my-proxy", key)).into(), &settings).await;
    let kinds: Vec<_> = results.iter().map(|result| result.verdict.kind).collect();
    use VerdictKind::*;
    assert_eq!(kinds, [Accepted, Expired, Forbidden, Rejected]);
    assert_eq!(results[0].facts.balance, Some(Balance { amount: 7.5, currency: Some("USD".into()) }));
    assert_eq!(results[0].facts.expires, Some("2027-01-01T00:00:00Z".parse().unwrap()));
    assert!((results[0].facts.quota[0].used_ratio - 0.25).abs() < 1e-9);
}

#[tokio::test]
async fn too_often_is_asked_elsewhere() {
    let token = "sk-ant-oat01-Zq7Zq7Zq7";
    let header = format!("authorization: Bearer {token}");
    let throttled = answering("GET /api/oauth/usage", &header, 429, r#"{"error":{"message":"Updates blocked"}}"#);
    let expired = r#"{"error":{"type":"authentication_error","message":"OAuth token has expired."}}"#;
    for (status, body, expected) in [
        (401, expired, VerdictKind::Expired),
        (200, r#"{"account":{"uuid":"x"}}"#, VerdictKind::Accepted),
        (429, r#"{"error":{"message":"slow down"}}"#, VerdictKind::Throttled),
    ] {
        let second = answering("GET /api/oauth/profile", &header, status, body);
        let fake = FakeProvider::knowing(vec![throttled.clone(), second]).await;
        let settings = Settings { undocumented: true, ..settings() };
        let target = Target { kind: Kind::Oauth, ..target("anthropic", token, &fake.url()) };
        let results = ask(vec![target], &settings).await;
        assert_eq!(results[0].verdict.kind, expected, "{}", results[0].verdict.detail);
        assert_eq!(fake.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_status_page_explains_trouble_and_protects_keys() {
    let page = r#"{"status":{"indicator":"major","description":"Outage"},"components":[],"incidents":[{"name":"API errors","status":"investigating"}]}"#;
    let fake = FakeProvider::knowing(vec![
        answering("GET /models", "authorization: Bearer key-a-1", 503, "{}"),
        answering("GET /models", "authorization: Bearer key-b-1", 401, r#"{"error":"x"}"#),
        answering("GET /page", "host: HOST", 200, page),
    ])
    .await;
    let host = fake.url().trim_start_matches("http://").to_owned();
    let pages = FakeProvider::knowing(vec![answering("GET /page", "accept: */*", 200, page)]).await;
    let status_page =
        StatusPage { url: format!("{}/page", pages.url()), format: PageFormat::Statuspage, component: None };
    let entry =
        config::Provider { compatible: Some(Shape::Openai), status_page: Some(status_page), ..Default::default() };
    let with_pages = Settings { pages: Some(Arc::default()), ..custom(&format!("http://{host}"), entry.clone()) };
    let both = || vec![plain("my-proxy", "key-a-1"), plain("my-proxy", "key-b-1")];
    let results = ask(both(), &with_pages).await;
    for result in &results {
        assert_eq!(result.verdict.kind, VerdictKind::ProviderDown, "{}", result.verdict.detail);
        assert!(result.verdict.detail.contains("Outage; API errors"), "{}", result.verdict.detail);
    }
    assert_eq!(pages.seen().len(), 1, "looked at once");
    assert!(pages.seen()[0].headers.get("authorization").is_none());
    // Nobody in trouble: nobody looks.
    let results = ask(vec![plain("my-proxy", "key-b-1")], &with_pages).await;
    assert_eq!((results[0].verdict.kind, pages.seen().len()), (VerdictKind::Rejected, 1));
    let results = ask(both(), &custom(&format!("http://{host}"), entry)).await;
    assert_eq!(results[1].verdict.kind, VerdictKind::Rejected);
}

#[tokio::test]
async fn a_paid_question_is_put_only_when_it_was_asked_for() {
    let fake = FakeProvider::start().await;
    let cases = [("openai", "sk-proj-good-1"), ("anthropic", "sk-ant-api03-good-1"), ("deepseek", "sk-broke-1")];
    let target =
        |(provider, key): (&str, &str)| Target { model: Some("a\"model".into()), ..target(provider, key, &fake.url()) };
    ask(cases.map(target).into(), &settings()).await;
    assert!(fake.seen().iter().all(|asked| asked.method == "GET"));
    let before = fake.seen().len();
    let results = ask(cases.map(target).into(), &Settings { paid: true, ..settings() }).await;
    let kinds: Vec<_> = results.iter().map(|result| result.verdict.kind).collect();
    assert_eq!(kinds, [VerdictKind::Accepted, VerdictKind::Accepted, VerdictKind::Billing]);
    let mut paths: Vec<_> =
        fake.seen()[before..].iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    paths.sort();
    assert_eq!(paths, ["POST /chat/completions", "POST /chat/completions", "POST /v1/messages"]);
    // Without a model, and for what is no key, the free question stays.
    let results = ask(
        vec![crate::probes::target("openai", "sk-proj-good-2", &fake.url())],
        &Settings { paid: true, ..settings() },
    )
    .await;
    assert_eq!(results[0].verdict.kind, VerdictKind::Accepted);
    assert_eq!(fake.seen().last().unwrap().method, "GET");
    // A subscription's token in the place of a key would be refused, and would look dead.
    let before = fake.seen().len();
    let token = Target { kind: Kind::Token, ..target(("anthropic", "sk-ant-oat01-good-1")) };
    let results = ask(vec![token], &Settings { paid: true, ..settings() }).await;
    assert_eq!((results[0].verdict.kind, fake.seen().len()), (VerdictKind::Unverifiable, before));
}

#[tokio::test]
async fn servers_that_misbehave() {
    for (manner, expected) in [
        (Manner::Silent, VerdictKind::ProviderDown),
        (Manner::Reset, VerdictKind::ProviderDown),
        (Manner::HalfBody, VerdictKind::ProviderDown),
        (Manner::NotHttp, VerdictKind::ProviderDown),
        (Manner::Flood, VerdictKind::Unverifiable),
        (Manner::EndlessHeaders, VerdictKind::ProviderDown),
        (Manner::Drip, VerdictKind::ProviderDown),
        (Manner::GzipBomb, VerdictKind::Unverifiable),
        (Manner::NotUtf8, VerdictKind::Unverifiable),
        (Manner::DeepJson, VerdictKind::Unverifiable),
    ] {
        let fake = FakeProvider::rude(manner).await;
        let endless = matches!(manner, Manner::Silent | Manner::Drip);
        let watch = opensoul::clock::SystemClock::new();
        let began = watch.monotonic();
        let settings =
            if endless { Settings { timeout: Duration::from_millis(300), ..settings() } } else { settings() };
        let results = ask(vec![target("groq", "gsk_anything", &fake.url())], &settings).await;
        assert_eq!(results[0].verdict.kind, expected, "{manner:?}: {}", results[0].verdict.detail);
        let took = watch.monotonic() - began;
        assert!(took < LONG / 2, "{manner:?} took {took:?}");
    }
    let results = ask(vec![target("groq", "gsk_anything", FakeProvider::ABSENT)], &settings()).await;
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
