use proptest::prelude::*;

use super::*;
use crate::domain::Span;
use crate::providers::Catalog;
use crate::providers::answer::RETRY_MAX;

const NOW: &str = "2026-11-22T12:00:00Z";
const KEY: &str = "sk-test-9f8e7d6c5b4a39281706f5e4d3c2b1a0";

fn now() -> Time {
    NOW.parse().unwrap()
}

fn row(id: &str) -> &'static Probe {
    Catalog::get().provider(id).unwrap().probes.first().unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.as_bytes().to_vec(),
        complete: true,
    }
}

fn read(id: &str, status: u16, body: &str) -> Reading {
    classify(&answer(status, body), row(id), &Secret::new(KEY.into()), now())
}

fn kind(id: &str, status: u16, body: &str) -> VerdictKind {
    read(id, status, body).verdict.kind
}

/// The recorded answers of every provider, and those that may come back from anywhere.
#[derive(serde::Deserialize)]
struct Table {
    probe: Vec<Recorded>,
}

#[derive(serde::Deserialize)]
struct Common {
    answer: Vec<Sample>,
}

#[derive(serde::Deserialize)]
struct Recorded {
    provider: String,
    asks: String,
    secret: String,
    answer: Vec<Sample>,
}

#[derive(serde::Deserialize)]
struct Sample {
    what: String,
    status: u16,
    body: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    verdict: VerdictKind,
    expires: Option<Time>,
    limited_until: Option<Time>,
    retry_after: Option<i64>,
    balance: Option<f64>,
    currency: Option<String>,
    #[serde(default)]
    quota: std::collections::BTreeMap<String, f64>,
}

const TABLE: &str = include_str!("../../tests/fixtures/answers/providers.toml");
const COMMON: &str = include_str!("../../tests/fixtures/answers/common.toml");

fn probe_of(recorded: &Recorded) -> &'static Probe {
    let row = Catalog::get().provider(&recorded.provider).expect("a row");
    let path = recorded.asks.split(' ').nth(1).expect("method and path");
    let made_for = |probe: &Probe| probe.prefixes.iter().any(|prefix| recorded.secret.starts_with(prefix));
    let fits = |probe: &&Probe| probe.path == path && (probe.prefixes.is_empty() || made_for(probe));
    // The more particular one, where two ask for the same.
    let found = row.probes.iter().filter(fits).max_by_key(|probe| made_for(probe));
    found.unwrap_or_else(|| panic!("{}: no probe asks {}", recorded.provider, recorded.asks))
}

/// The body of one recorded answer.
fn recorded(provider: &str, what: &str) -> String {
    let table: Table = toml::from_str(TABLE).unwrap();
    let one = table.probe.into_iter().find(|one| one.provider == provider).expect("recorded");
    one.answer.into_iter().find(|answer| answer.what == what).expect("recorded").body
}

fn reading(probe: &Probe, sample: &Sample) -> Reading {
    let body = sample.body.replace("{key}", KEY);
    let mut headers: Vec<_> = sample.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if !sample.headers.contains_key("content-type") {
        headers.push(("content-type".into(), "application/json".into()));
    }
    let answer = Answer { status: sample.status, headers, body: body.into_bytes(), complete: true };
    classify(&answer, probe, &Secret::new(KEY.into()), now())
}

#[test]
fn every_probe_reads_its_providers_answers() {
    let table: Table = toml::from_str(TABLE).unwrap();
    let (mut tried, mut wrong) = (std::collections::BTreeSet::new(), Vec::new());
    for recorded in &table.probe {
        let probe = probe_of(recorded);
        tried.insert((recorded.provider.clone(), probe.path.clone(), probe.prefixes.clone()));
        for sample in &recorded.answer {
            let Reading { verdict, facts } = reading(probe, sample);
            let name = format!("{} {}: {}", recorded.provider, recorded.asks, sample.what);
            if verdict.kind != sample.verdict {
                wrong.push(format!("{name}: {:?} {}", verdict.kind, verdict.detail));
            }
            assert_eq!(facts.expires, sample.expires, "{name}");
            if sample.limited_until.is_some() {
                assert_eq!(facts.limited_until, sample.limited_until, "{name}");
            }
            assert_eq!(facts.retry_after, sample.retry_after.map(Span::seconds), "{name}");
            let balance = facts.balance.as_ref();
            match (balance.map(|b| b.amount), sample.balance) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-6, "{name}: {found}"),
                (found, expected) => assert_eq!(found, expected, "{name}"),
            }
            assert_eq!(balance.and_then(|b| b.currency.clone()), sample.currency, "{name}");
            assert_eq!(facts.quota.len(), sample.quota.len(), "{name}: {:?}", facts.quota);
            for quota in &facts.quota {
                assert!((quota.used_ratio - sample.quota[&quota.window]).abs() < 1e-4, "{name}: {quota:?}");
            }
            assert!(!verdict.detail.contains(&KEY[KEY.len() - 6..]), "{name}: {}", verdict.detail);
        }
        let verdicts: Vec<_> = recorded.answer.iter().map(|sample| sample.verdict).collect();
        assert!(verdicts.contains(&VerdictKind::Accepted) && verdicts.len() >= 2, "{}", recorded.provider);
        assert!(recorded.answer.iter().any(|sample| sample.what.starts_with("wrong")), "{}", recorded.provider);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for row in Catalog::get().rows() {
        for probe in &row.probes {
            let one = (row.id.clone(), probe.path.clone(), probe.prefixes.clone());
            assert!(tried.contains(&one), "{one:?} needs a table in tests/fixtures/answers/providers.toml");
        }
    }
}

#[test]
fn every_probe_reads_what_comes_from_anywhere() {
    let common: Common = toml::from_str(COMMON).unwrap();
    let mut wrong = Vec::new();
    for row in Catalog::get().rows() {
        for probe in &row.probes {
            for sample in &common.answer {
                let Reading { verdict, facts } = reading(probe, sample);
                let after = facts.retry_after.map(|span| span.num_seconds());
                if verdict.kind != sample.verdict || (sample.retry_after.is_some() && after != sample.retry_after) {
                    wrong.push(format!("{} {}: {:?} {after:?} {}", row.id, sample.what, verdict.kind, verdict.detail));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_body_speaks_before_the_status() {
    use VerdictKind::*;
    let cases: &[(&str, u16, &str, VerdictKind)] = &[
        // Anthropic
        (
            "anthropic",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#,
            Billing,
        ),
        (
            "anthropic",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#,
            Forbidden,
        ),
        (
            "anthropic",
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You're out of extra usage. Add more at claude.ai/settings/usage and keep going."}}"#,
            Limited,
        ),
        (
            "anthropic",
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired. Please obtain a new token or refresh your existing token."}}"#,
            Expired,
        ),
        (
            "anthropic",
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth access token has expired. Re-authenticate to continue."},"request_id":null}"#,
            Expired,
        ),
        (
            "anthropic",
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"OAuth token has been revoked. Please obtain a new token."}}"#,
            Revoked,
        ),
        (
            "anthropic",
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"OAuth authentication is currently not allowed for this organization."}}"#,
            Forbidden,
        ),
        ("anthropic", 402, r#"{"type":"error","error":{"type":"billing_error","message":"Payment issue"}}"#, Billing),
        (
            "anthropic",
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}"#,
            Forbidden,
        ),
        (
            "anthropic",
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"Not found"}}"#,
            Unverifiable,
        ),
        (
            "anthropic",
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"Number of request tokens has exceeded your per-minute rate limit"}}"#,
            Throttled,
        ),
        (
            "anthropic",
            500,
            r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
            ProviderDown,
        ),
        (
            "anthropic",
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            ProviderDown,
        ),
        // OpenAI
        (
            "openai",
            403,
            r#"{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.","type":"invalid_request_error","param":null,"code":"missing_scope"}}"#,
            Accepted,
        ),
        (
            "openai",
            401,
            r#"{"error":"You have insufficient permissions for this operation. Missing scopes: api.model.read. Check that you have the correct role."}"#,
            Accepted,
        ),
        (
            "openai",
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            Billing,
        ),
        (
            "openai",
            429,
            r#"{"error":{"message":"No credit left","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#,
            Billing,
        ),
        (
            "openai",
            429,
            r#"{"error":{"message":"Rate limit reached for requests","type":"requests","code":"rate_limit_exceeded"}}"#,
            Throttled,
        ),
        (
            "openai",
            429,
            r#"{"error":{"message":"Slow down: this token has expired, or not","code":"slow_down"}}"#,
            Throttled,
        ),
        (
            "openai",
            403,
            r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","code":"unsupported_country_region_territory"}}"#,
            Forbidden,
        ),
        ("openai", 401, r#"{"error":{"message":"Your IP not authorized","code":"ip_not_authorized"}}"#, Forbidden),
        ("openai", 401, r#"{"error":{"message":"x","code":"account_deactivated"}}"#, Revoked),
        (
            "openai",
            401,
            r#"{"error":{"code":"token_expired","message":"Provided authentication token is expired."}}"#,
            Expired,
        ),
        (
            "openai",
            401,
            r#"{"error":{"code":"token_invalidated","message":"Your authentication token has been invalidated."}}"#,
            Revoked,
        ),
        (
            "openai",
            429,
            r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","resets_in_seconds":3600}}"#,
            Limited,
        ),
        ("openai", 503, r#"{"error":{"code":"server_is_overloaded","message":"Overloaded"}}"#, ProviderDown),
        ("openai", 500, r#"{"error":{"message":"token_expired insufficient_quota","code":"x"}}"#, ProviderDown),
        // Google
        (
            "google",
            400,
            r#"{"error":{"code":400,"message":"API key expired. Please renew the API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            Expired,
        ),
        (
            "google",
            400,
            r#"[{"error":{"code":400,"message":"API Key not found. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            Rejected,
        ),
        (
            "google",
            403,
            r#"{"error":{"code":403,"message":"Your API key was reported as leaked. Please use another API key.","status":"PERMISSION_DENIED"}}"#,
            Revoked,
        ),
        (
            "google",
            403,
            r#"{"error":{"code":403,"message":"Generative Language API has not been used in project 1 before or it is disabled.","status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}}"#,
            Forbidden,
        ),
        (
            "google",
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Forbidden,
        ),
        (
            "google",
            400,
            r#"{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}"#,
            Unverifiable,
        ),
        (
            "google",
            429,
            r#"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}"#,
            Throttled,
        ),
        (
            "google",
            503,
            r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            ProviderDown,
        ),
        // The others
        (
            "openrouter",
            402,
            r#"{"error":{"message":"Insufficient credits","code":402,"metadata":{"limit_source":"openrouter_credits"}}}"#,
            Billing,
        ),
        ("mistral", 402, r#"{"object":"error","message":"Prepaid balance is zero"}"#, Billing),
        (
            "deepseek",
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
            Billing,
        ),
        (
            "moonshot",
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details","type":"exceeded_current_quota_error"}}"#,
            Billing,
        ),
        ("huggingface", 401, r#"{"error":"User Access Token \"ci\" is expired"}"#, Expired),
        ("cohere", 401, r#"{"message":"Your API key has expired, please renew it"}"#, Expired),
        ("cohere", 498, r#"{"message":"blocked"}"#, Revoked),
        ("groq", 498, r#"{"error":{"message":"flex capacity"}}"#, Unverifiable),
        // Status alone
        ("groq", 401, "", Rejected),
        ("groq", 402, "", Billing),
        ("groq", 403, r#"{"error":{"message":"no"}}"#, Forbidden),
        ("groq", 403, "Forbidden", Network),
        ("groq", 403, "error code: 1020", Network),
        ("groq", 404, "", Unverifiable),
        ("groq", 405, "", Unverifiable),
        ("groq", 410, "", Unverifiable),
        ("groq", 400, r#"{"error":{"message":"bad request"}}"#, Unverifiable),
        ("groq", 422, r#"{"error":{"message":"bad request"}}"#, Unverifiable),
        ("groq", 407, "", Network),
        ("groq", 408, "", ProviderDown),
        ("groq", 429, "", Throttled),
        ("groq", 301, "", Network),
        ("groq", 302, "", Network),
        ("groq", 204, "", Unverifiable),
        ("groq", 522, "", ProviderDown),
    ];
    for (id, status, body, expected) in cases {
        assert_eq!(kind(id, *status, body), *expected, "{id} {status} {body}");
    }
}

#[test]
fn a_success_may_be_dead() {
    use VerdictKind::*;
    let xai = |flag: &str| {
        let flags =
            ["team_blocked", "api_key_blocked", "api_key_disabled"].map(|name| format!("\"{name}\":{}", name == flag));
        kind("xai", 200, &format!("{{{}}}", flags.join(",")))
    };
    assert_eq!(xai("none"), Accepted);
    assert_eq!(xai("team_blocked"), Forbidden);
    assert_eq!(xai("api_key_blocked"), Forbidden);
    assert_eq!(xai("api_key_disabled"), Revoked);
    assert_eq!(
        kind("deepseek", 200, r#"{"is_available":false,"balance_infos":[{"currency":"USD","total_balance":"0.00"}]}"#),
        Billing
    );
    assert_eq!(kind("moonshot", 200, r#"{"code":0,"data":{"available_balance":0,"cash_balance":-3.1}}"#), Billing);
    assert_eq!(kind("moonshot", 200, r#"{"code":7,"data":{"available_balance":1}}"#), Unverifiable);
    assert_eq!(kind("cohere", 200, r#"{"valid":false}"#), Rejected);
    assert_eq!(kind("openrouter", 200, r#"{"data":{"usage":5,"limit":5,"limit_remaining":0}}"#), Billing);
    assert_eq!(kind("openrouter", 200, r#"{"data":{"usage":5,"limit":null,"limit_remaining":null}}"#), Accepted);
    assert_eq!(kind("openrouter", 200, r#"{"data":{"usage":5,"expires_at":"2026-11-22T11:59:59Z"}}"#), Expired);
    assert_eq!(kind("huggingface", 200, r#"{"name":"x","auth":{"expiresAt":"2026-01-01T00:00:00Z"}}"#), Expired);
}

#[test]
fn what_an_answer_says_besides() {
    let openrouter = read("openrouter", 200, &recorded("openrouter", "good"));
    assert_eq!(openrouter.facts.expires, Some("2027-12-31T23:59:59Z".parse().unwrap()));
    assert_eq!(openrouter.facts.balance, Some(Balance { amount: 74.5, currency: Some("USD".into()) }));
    assert_eq!(openrouter.verdict.detail, "200: accepted; it ends on 2027-12-31");
    let deepseek = read("deepseek", 200, &recorded("deepseek", "good"));
    assert_eq!(deepseek.facts.balance, Some(Balance { amount: 110.0, currency: Some("CNY".into()) }));
    let cn = read("moonshot-cn", 200, &recorded("moonshot-cn", "good"));
    assert_eq!(cn.facts.balance, Some(Balance { amount: 49.58894, currency: Some("CNY".into()) }));
    let limited = read("openai", 429, r#"{"error":{"type":"usage_limit_reached","resets_at":1795392000}}"#);
    assert_eq!(limited.facts.limited_until, Time::from_timestamp(1_795_392_000, 0));
    let limited = read("openai", 429, r#"{"error":{"type":"usage_limit_reached","resets_in_seconds":60}}"#);
    assert_eq!(limited.facts.limited_until, Some(now() + Span::seconds(60)));
    let odd =
        read("openai", 429, r#"{"error":{"type":"usage_limit_reached","resets_at":0,"resets_in_seconds":-1e99}}"#);
    assert_eq!(odd.facts.limited_until, None);
}

#[test]
fn a_web_page_is_not_the_provider() {
    use VerdictKind::*;
    for (status, expected) in [
        (200, Network),
        (302, Network),
        (401, Network),
        (403, Network),
        (429, Throttled),
        (503, ProviderDown),
        (525, ProviderDown),
    ] {
        for body in ["<!DOCTYPE html><title>Sign in to WiFi</title>token has expired", "\u{feff}\n <html></html>"] {
            let mut answer = answer(status, body);
            answer.headers.clear();
            assert_eq!(
                classify(&answer, row("openai"), &Secret::new(KEY.into()), now()).verdict.kind,
                expected,
                "{status}"
            );
        }
        let mut answer = answer(status, "");
        answer.headers = vec![("content-type".into(), "text/html; charset=utf-8".into())];
        assert_eq!(
            classify(&answer, row("openai"), &Secret::new(KEY.into()), now()).verdict.kind,
            expected,
            "{status}"
        );
    }
}

#[test]
fn an_answer_that_was_cut_proves_nothing() {
    for (status, expected) in
        [(200, VerdictKind::Unverifiable), (401, VerdictKind::Unverifiable), (500, VerdictKind::ProviderDown)]
    {
        let mut answer = answer(status, &recorded("openai", "good"));
        answer.complete = false;
        assert_eq!(classify(&answer, row("openai"), &Secret::new(KEY.into()), now()).verdict.kind, expected);
    }
}

#[test]
fn retry_after_in_all_its_forms() {
    let after = |headers: &[(&str, &str)]| {
        let mut answer = answer(429, "{}");
        answer.headers = headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        classify(&answer, row("groq"), &Secret::new(KEY.into()), now()).facts.retry_after
    };
    assert_eq!(after(&[("retry-after", "30")]), Some(Span::seconds(30)));
    assert_eq!(after(&[("retry-after", "1.5")]), Some(Span::seconds(2)));
    assert_eq!(after(&[("retry-after-ms", "2500")]), Some(Span::seconds(3)));
    assert_eq!(after(&[("retry-after", "Sun, 22 Nov 2026 12:05:00 GMT")]), Some(Span::minutes(5)));
    assert_eq!(after(&[("retry-after", "Sun, 22 Nov 2026 11:05:00 GMT")]), Some(Span::zero()));
    assert_eq!(after(&[("retry-after", "99999999999999999999")]), Some(RETRY_MAX));
    // Their date and their retry date belong to the same clock, whatever ours says.
    assert_eq!(
        after(&[("date", "Sun, 22 Nov 2026 13:00:00 GMT"), ("retry-after", "Sun, 22 Nov 2026 13:05:00 GMT")]),
        Some(Span::minutes(5))
    );
    for odd in ["-5", "soon", "NaN", "", "inf"] {
        assert_eq!(after(&[("retry-after", odd)]), None, "{odd}");
    }
}

#[test]
fn a_wrong_clock_is_noticed_and_not_believed() {
    let skewed = |date: &str, body: &str| {
        let mut answer = answer(200, body);
        answer.headers.push(("date".into(), date.into()));
        classify(&answer, row("openrouter"), &Secret::new(KEY.into()), now())
    };
    let body = r#"{"data":{"usage":1,"expires_at":"2026-11-22T09:00:00Z"}}"#;
    // Our clock is four hours fast: by the provider's clock the key has one hour left.
    let fast = skewed("Sun, 22 Nov 2026 08:00:00 GMT", body);
    assert_eq!(fast.verdict.kind, VerdictKind::Accepted);
    assert_eq!(fast.facts.clock_skew, Some(Span::hours(-4)));
    assert!(fast.verdict.detail.contains("14400 s ahead of"), "{}", fast.verdict.detail);
    let right = skewed("Sun, 22 Nov 2026 12:00:30 GMT", body);
    assert_eq!((right.verdict.kind, right.facts.clock_skew), (VerdictKind::Expired, None));
    assert_eq!(skewed("Sun, 22 Nov 2026 12:01:01 GMT", body).facts.clock_skew, Some(Span::seconds(61)));
    assert_eq!(skewed("yesterday", body).facts.clock_skew, None);
    // A cached copy's date is old by its age.
    let mut cached = answer(200, body);
    cached.headers.extend([("date".into(), "Sun, 22 Nov 2026 11:00:00 GMT".into()), ("age".into(), "3600".into())]);
    assert_eq!(classify(&cached, row("openrouter"), &Secret::new(KEY.into()), now()).facts.clock_skew, None);
}

#[test]
fn people_are_told_what_helps() {
    let restricted = read(
        "anthropic",
        400,
        r#"{"error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#,
    );
    assert!(restricted.verdict.detail.contains("use an Anthropic API key"), "{}", restricted.verdict.detail);
    let wrong = read("openai", 401, &recorded("openai", "wrong"));
    assert_eq!(
        wrong.verdict.detail,
        "401: the provider does not know it (\"invalid_api_key: Incorrect API key provided: … You can find your API key at https://platform.openai.com/account/api-keys\")"
    );
    let leaky = read(
        "openai",
        400,
        &format!(
            r#"{{"error":{{"message":"Authentication Error, ExpiredToken: Expired Token {KEY}","type":"expired_key","param":"{KEY}","code":"400"}}}}"#
        ),
    );
    assert_eq!(leaky.verdict.kind, VerdictKind::Expired);
    assert!(!leaky.verdict.detail.contains("9f8e7"), "{}", leaky.verdict.detail);
}

#[test]
fn no_answer_is_never_a_fault_of_the_key() {
    use Failure::*;
    for failure in [Name, Tls, Unreachable, Refused, Broken, Silent] {
        assert!(!unanswered(failure, now()).kind.is_conclusive(), "{failure:?}");
    }
}

#[test]
fn words_of_the_probe() {
    use VerdictKind::*;
    for (kind, word) in [
        (Accepted, "ok"),
        (Rejected, "auth"),
        (Expired, "auth"),
        (Revoked, "auth"),
        (Forbidden, "auth"),
        (Billing, "billing"),
        (Limited, "rate_limit"),
        (Throttled, "rate_limit"),
        (Network, "timeout"),
        (ProviderDown, "timeout"),
        (Unverifiable, "unknown"),
        (Retired, "unknown"),
    ] {
        assert_eq!(probe_word(kind), (word, (kind == Forbidden).then_some("forbidden")));
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let table: Table = toml::from_str(TABLE).unwrap();
    let real: Vec<String> = table.probe.into_iter().flat_map(|one| one.answer).map(|answer| answer.body).collect();
    let texts: Vec<&'static str> = TEXTS.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        proptest::sample::select(real).prop_map(|body| body.as_bytes().to_vec()),
        (proptest::sample::select(texts), ".{0,30}").prop_map(|(text, more)| {
            serde_json::json!({"error": {"message": format!("{more} {text} {KEY}{more}"), "code": KEY}})
                .to_string()
                .into_bytes()
        }),
        ".{0,80}".prop_map(|text| {
            serde_json::json!({"data": text, "error": format!("{text}{KEY}"), "message": [text]})
                .to_string()
                .into_bytes()
        }),
    ]
}

proptest! {
    #[test]
    fn holds_for_any_answer(
        status in 100u16..1000,
        body in any_body(),
        headers in proptest::collection::vec((proptest::sample::select(vec!["date", "age", "retry-after", "retry-after-ms", "content-type", "anthropic-ratelimit-unified-reset"]), prop_oneof![".{0,30}", "[0-9.e+-]{0,25}", "Sun, 22 Nov [0-9]{4,8} 13:00:00 GMT"]), 0..4),
        complete in any::<bool>(),
    ) {
        let headers = headers.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let answer = Answer { status, headers, body, complete };
        let text = String::from_utf8_lossy(&answer.body).to_lowercase();
        for probe in Catalog::get().rows().flat_map(|row| &row.probes) {
            let alive = probe.alive.iter().map(String::as_str).chain(ALIVE).any(|alive| text.contains(alive));
            let reading = classify(&answer, probe, &Secret::new(KEY.into()), now());
            let verdict = reading.verdict;
            if verdict.kind == VerdictKind::Accepted {
                prop_assert!((200..300).contains(&status) && complete || alive && matches!(status, 401 | 403), "{status}");
            }
            // Nothing conclusive comes out of a server error, a redirect or an informational answer.
            if !(200..500).contains(&status) || (300..400).contains(&status) {
                prop_assert!(!verdict.kind.is_conclusive(), "{status} {:?}", verdict.kind);
            }
            for part in KEY.as_bytes().windows(6) {
                prop_assert!(!verdict.detail.contains(std::str::from_utf8(part).unwrap()), "{}", verdict.detail);
            }
            prop_assert!(!verdict.detail.chars().any(char::is_control), "{}", verdict.detail);
            prop_assert!(verdict.detail.len() < 2000);
        }
    }
}
