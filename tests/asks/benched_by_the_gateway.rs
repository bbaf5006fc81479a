//! 43 to 45: a gateway has set a profile aside, and calls it by the wrong name.

use opensoul::domain::{Severity, State};
use serde_json::json;

use super::files::*;
use super::home::*;

#[tokio::test]
async fn ask_43_a_key_that_works_and_a_gateway_that_has_benched_it_are_told_apart() {
    let home = Home::new().await;
    let (id, secret) = ("opensoul:main/anthropic:default", "sk-ant-api03-Zq7Wv8-1");
    let until = home.after(hours(20));
    let usage =
        json!({ "anthropic:default": { "disabledUntil": until.timestamp_millis(), "disabledReason": "billing" } });
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    home.file(STORE, &store_with([("anthropic:default", key("anthropic", secret))], usage));
    // The account was topped up: the key works.
    home.says(ANTHROPIC_MODELS, secret, 200, LIST);
    let seen = home.ask().await;
    seen.is(id, State::Static, Severity::None);
    let finding = seen.finding("profile.disabled");
    for part in ["until 2026-12-02 08:00 UTC", "because of billing", "the provider itself said accepted"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    assert!(finding.fix.contains("usageStats.\"anthropic:default\".disabledUntil"), "{}", finding.fix);
    assert_eq!((finding.severity, seen.exit()), (Severity::Critical, 1), "nothing answers until then all the same");
    assert!(seen.because(id).contains("its gateway does not use it until 2026-12-02 08:00 UTC (billing)"));
    let told = home.told();
    assert!(told.len() == 1 && told[0].contains("profile.disabled"), "one alarm, and not about the key: {told:?}");
    // The bench ends by itself.
    let seen = home.until(until + hours(1)).cycle().await;
    assert!(seen.findings("profile.disabled").is_empty());
    assert_eq!(seen.exit(), 0);
    // And without money the key itself says so.
    let broke = r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#;
    home.says(ANTHROPIC_MODELS, secret, 400, broke);
    home.ask().await.is(id, State::Billing, Severity::Critical);
}

#[tokio::test]
async fn ask_44_an_expired_token_is_never_a_matter_of_money() {
    let home = Home::new().await;
    let id = "opensoul:main/anthropic:default";
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    let benched = home.after(hours(5)).timestamp_millis();
    let usage = json!({ "anthropic:default": { "disabledUntil": benched, "disabledReason": "billing" } });
    let profile = token("anthropic", &setup_token("a"), Some(home.ago(hours(1))));
    home.file(STORE, &store_with([("anthropic:default", profile)], usage));
    let seen = home.cycle().await;
    seen.is(id, State::Expired, Severity::Critical);
    assert!(seen.fix(id).contains("paste-token") && !seen.fix(id).contains("credit"), "{}", seen.fix(id));
    assert!(home.told().contains(&format!("critical CredentialExpiring {id}")));
    // The same by the provider's word: each class by its own.
    for (name, status, body, state) in [
        ("e", 401, r#"{"error":{"message":"OAuth token has expired."}}"#, State::Expired),
        ("a", 401, r#"{"error":{"message":"Invalid bearer token"}}"#, State::Rejected),
        (
            "b",
            400,
            r#"{"error":{"message":"Your credit balance is too low to access the Anthropic API."}}"#,
            State::Billing,
        ),
    ] {
        let secret = setup_token(&format!("class-{name}"));
        home.file(STORE, &store([("anthropic:default", token("anthropic", &secret, Some(home.after(days(300)))))]));
        home.says(CLAUDE_USAGE, &secret, status, body);
        home.later(hours(2)).ask().await.is(id, state, Severity::Critical);
    }
}

#[tokio::test]
async fn ask_45_the_next_profile_is_what_a_request_meets_while_one_is_benched() {
    let home = Home::new().await;
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    let benched = json!({ "disabledUntil": home.after(hours(20)).timestamp_millis(), "disabledReason": "billing" });
    let profiles = || {
        [
            ("anthropic:default", key("anthropic", "sk-ant-api03-1")),
            ("anthropic:spare", key("anthropic", "sk-ant-api03-2")),
        ]
    };
    home.file(STORE, &store_with(profiles(), json!({ "anthropic:default": benched })));
    let seen = home.cycle().await;
    let provider = &seen.snapshot.providers[0];
    assert_eq!(provider.effective, Some("opensoul:main/anthropic:spare".into()));
    assert_eq!((provider.usable, seen.exit()), (1, 0));
    assert_eq!(seen.finding("profile.disabled").severity, Severity::Warning);
    // Both are benched: nothing can be reached, although both keys are fine.
    let usage = json!({ "anthropic:default": benched, "anthropic:spare": benched });
    home.later(hours(1)).file(STORE, &store_with(profiles(), usage));
    let seen = home.cycle().await;
    assert_eq!((seen.provider("anthropic"), seen.exit()), ((State::Billing, 0), 1));
    assert!(seen.findings("profile.disabled").iter().all(|finding| finding.severity == Severity::Critical));
}
