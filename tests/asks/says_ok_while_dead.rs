//! 1 to 18: the status says "ok" of what is dead, or "dead" of what is fine.

use opensoul::domain::{Severity, State, VerdictKind};
use serde_json::json;

use super::files::*;
use super::home::*;

/// Passed, refreshable, idle: neither "ok, expires in 0m" nor dead, but two facts.
#[tokio::test]
async fn ask_01_a_passed_login_that_can_be_renewed_is_two_facts() {
    let home = Home::today("").await;
    let id = "opensoul:main/openai-codex:default";
    let ended = home.ago(days(3));
    home.file(GATEWAY, &models("openai-codex/gpt-5", &[]));
    home.file(STORE, &store([("openai-codex:default", oauth("openai-codex", "a", ended))]));
    let seen = home.cycle().await;
    seen.is(id, State::Ok, Severity::None);
    let shown = seen.json_of(id);
    assert_eq!((&shown["renewal"], &shown["expiresAt"]), (&json!("auto"), &json!(null)));
    assert_eq!(at(shown["accessExpiresAt"].as_str().unwrap()).timestamp(), ended.timestamp());
    assert!(seen.because(id).contains("the access token ended"), "{}", seen.because(id));
    let (_, guide, _) = home.run(&["models", "status"], &[]).await;
    for text in [seen.text(), guide] {
        assert!(!text.contains("in 0m") && !text.contains("ok expires"), "{text}");
    }
    // It was used after that, and nobody renewed it: that is the dead one.
    let usage = json!({ "openai-codex:default": { "lastUsed": home.ago(hours(1)).timestamp_millis() } });
    home.file(STORE, &store_with([("openai-codex:default", oauth("openai-codex", "a", ended))], usage));
    let seen = home.cycle().await;
    seen.is(id, State::RefreshOverdue, Severity::Critical);
    assert_eq!((seen.exit(), seen.provider("openai-codex")), (1, (State::RefreshOverdue, 0)));
    // Whose gateway cannot renew it, has an expired one, refresh token or not.
    home.file(STORE, &store([("openai-codex:default", oauth("some-portal", "a", ended))]));
    home.file(GATEWAY, &models("some-portal/gpt-5", &[]));
    let seen = home.cycle().await;
    assert_eq!((seen.of(id).judgement.state, seen.exit()), (State::Expired, 1));
}

#[tokio::test]
async fn ask_02_a_login_that_the_provider_has_ended_is_paged_at_once() {
    let home = Home::new().await;
    let ends = home.after(days(5));
    home.file(CODEX, &codex("a", ends, home.ago(days(2))));
    home.cycle().await.is("codex:default", State::Ok, Severity::None);
    assert!(home.told().is_empty());
    for word in ["token_invalidated", "refresh_token_reused"] {
        let name = word.replace('_', "");
        home.file(CODEX, &codex_with(&name, &name, ends, home.now()));
        let body = json!({ "error": { "code": word, "message": "Your session has ended." } }).to_string();
        home.says(CODEX_USAGE, &jwt(&name, ends), 401, &body);
        let seen = home.later(hours(2)).ask().await;
        seen.is("codex:default", State::Rejected, Severity::Critical);
        assert_eq!((seen.exit(), seen.provider("openai-codex").0), (1, State::Rejected));
        assert_eq!(seen.fix("codex:default"), "codex login");
        assert!(home.told().iter().any(|line| line.contains("critical CredentialRejected codex:default")), "{word}");
        home.says(CODEX_USAGE, &jwt(&format!("new{name}"), ends), 200, CODEX_YES);
        home.file(CODEX, &codex(&format!("new{name}"), ends, home.later(hours(2)).now()));
        home.ask().await.is("codex:default", State::Ok, Severity::None);
        assert_eq!(home.told(), ["over: critical CredentialRejected codex:default"]);
    }
}

#[tokio::test]
async fn ask_03_every_layer_is_read_and_the_stored_end_is_shown() {
    let home = Home::today("").await;
    let ends = home.after(days(5));
    home.file(GATEWAY, &models("openai-codex/gpt-5", &[]));
    home.file(STORE, &store([("openai-codex:default", oauth("openai-codex", "a", ends))]));
    home.file(CODEX, &codex("b", home.after(days(9)), home.now()));
    let seen = home.person(&[("OPENAI_API_KEY", "sk-proj-0123456789")]).await;
    let stored = seen.json_of("opensoul:main/openai-codex:default");
    assert_eq!((&stored["kind"], &stored["renewal"]), (&json!("oauth"), &json!("auto")));
    let shown = |id: &str| at(seen.json_of(id)["accessExpiresAt"].as_str().unwrap()).timestamp();
    assert_eq!(shown("opensoul:main/openai-codex:default"), ends.timestamp());
    assert_eq!(shown("codex:default"), home.after(days(9)).timestamp());
    assert_eq!(seen.of("env:OPENAI_API_KEY").judgement.state, State::Static);
    let (_, models, _) = home.run(&["models", "status", "--json"], &[("OPENAI_API_KEY", "sk-proj-0123456789")]).await;
    let models: serde_json::Value = serde_json::from_str(&models).unwrap();
    let profiles = models["auth"]["oauth"]["profiles"].as_array().unwrap();
    let own = profiles.iter().find(|one| one["profileId"] == "openai-codex:default").unwrap();
    assert_eq!((&own["type"], &own["expiresAt"]), (&json!("oauth"), &json!(ends.timestamp_millis())));
}

#[tokio::test]
async fn ask_04_a_stale_mirror_is_judged_at_the_login_it_mirrors() {
    let home = Home::new().await;
    let mirror = "openclaw:main/anthropic:claude-cli";
    home.file(OPENCLAW, &store([("anthropic:claude-cli", oauth("anthropic", "old", home.ago(days(2))))]));
    home.file(CLAUDE, &claude("fresh", home.after(hours(8)), Some(home.after(days(25)))));
    let seen = home.cycle().await;
    seen.is(mirror, State::Ok, Severity::None).is("claude-code:default", State::Ok, Severity::None);
    assert_eq!(seen.of(mirror).copy_of, Some("claude-code:default".into()));
    assert_eq!((seen.exit(), home.told().len()), (0, 0));
    // The login itself dies: one alarm, at the login.
    home.later(hours(1)).file(CLAUDE, &claude_emptied());
    let seen = home.cycle().await;
    seen.is(mirror, State::Missing, Severity::None).is("claude-code:default", State::Missing, Severity::Critical);
    // A file that is being written anew looks like that too.
    assert!(home.told().is_empty());
    home.later(hours(1)).cycle().await;
    assert_eq!(home.told(), ["critical CredentialMissing claude-code:default"]);
}

#[tokio::test]
async fn ask_05_the_old_login_beside_a_new_setup_token_is_no_alarm() {
    let home = Home::new().await;
    let old = "opensoul:main/anthropic:old";
    home.file(
        STORE,
        &store([
            (
                "anthropic:old",
                json!({ "type": "oauth", "provider": "anthropic", "access": "a", "expires": 1_700_000_000_000_i64 }),
            ),
            ("anthropic:default", token("anthropic", &setup_token("new"), None)),
        ]),
    );
    let config = |order: serde_json::Value| {
        let model = json!({ "model": { "primary": "anthropic/claude-sonnet-4-5" } });
        json!({ "agents": { "defaults": model }, "auth": { "order": order } }).to_string()
    };
    home.file(GATEWAY, &config(json!({ "anthropic": ["anthropic:default"] })));
    let seen = home.cycle().await;
    seen.is(old, State::Expired, Severity::Info);
    assert!(seen.provider("anthropic").0.is_usable() && seen.exit() == 0);
    assert!(home.told().is_empty());
    // Where nobody chose, the gateway still has both: worth a warning, never a page.
    home.later(hours(1)).file(GATEWAY, &config(json!({})));
    let seen = home.cycle().await;
    seen.is(old, State::Expired, Severity::Warning);
    assert!(seen.provider("anthropic").0.is_usable() && seen.exit() == 0);
    // The token dies too: now the provider is dead.
    home.says(
        CLAUDE_USAGE,
        &setup_token("new"),
        401,
        r#"{"error":{"type":"authentication_error","message":"Invalid bearer token"}}"#,
    );
    let seen = home.later(hours(2)).ask().await;
    seen.is("opensoul:main/anthropic:default", State::Rejected, Severity::Critical);
    assert_eq!((seen.exit(), seen.provider("anthropic").1), (1, 0));
}

#[tokio::test]
async fn ask_06_a_dead_profile_is_not_a_dead_provider() {
    let home = Home::new().await;
    let stored = "opensoul:main/anthropic:default";
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    home.file(STORE, &store([("anthropic:default", token("anthropic", "t-1", Some(home.ago(hours(1)))))]));
    home.file(".opensoul/.env", "ANTHROPIC_API_KEY=sk-ant-api03-fallback\n");
    let seen = home.cycle().await;
    seen.is(stored, State::Expired, Severity::Warning);
    assert_eq!((seen.provider("anthropic"), seen.exit()), ((State::Static, 1), 0));
    // Without the way round it, the very same profile stops everything.
    std::fs::remove_file(home.path(".opensoul/.env")).unwrap();
    let seen = home.later(hours(1)).cycle().await;
    seen.is(stored, State::Expired, Severity::Critical);
    assert_eq!((seen.provider("anthropic"), seen.exit()), ((State::Expired, 0), 1));
}

#[tokio::test]
async fn ask_07_a_stale_profile_that_nothing_uses_does_not_fail_the_check() {
    let home = Home::new().await;
    let stale = "opensoul:main/anthropic:default";
    home.file(GATEWAY, &models("openai/gpt-5", &[]));
    home.file(
        STORE,
        &store([
            ("openai:default", key("openai", "sk-proj-1")),
            ("anthropic:default", token("anthropic", "t-1", Some(home.ago(days(9))))),
        ]),
    );
    let seen = home.cycle().await;
    seen.is(stale, State::Expired, Severity::Info);
    assert!(!seen.of(stale).judgement.in_use);
    assert_eq!((seen.exit(), home.told().len()), (0, 0));
    // A model asks for it: now it counts.
    home.later(hours(1)).file(GATEWAY, &models("openai/gpt-5", &["anthropic/claude-sonnet-4-5"]));
    let seen = home.cycle().await;
    seen.is(stale, State::Expired, Severity::Critical);
    assert_eq!(seen.exit(), 1);
}

/// A `claude` that says yes to everything and leaves a trace when it is run.
fn obliging_claude(home: &Home) -> String {
    use std::os::unix::fs::PermissionsExt;
    let script = format!("#!/bin/sh\ntouch {}\necho '{{\"loggedIn\":true}}'\n", home.path("was-run").display());
    home.file("bin/claude", &script);
    std::fs::set_permissions(home.path("bin/claude"), std::fs::Permissions::from_mode(0o700)).unwrap();
    format!("{}:/usr/bin:/bin", home.path("bin").display())
}

#[tokio::test]
async fn ask_08_a_tool_that_says_logged_in_is_not_asked() {
    let home = Home::today("").await;
    let path = obliging_claude(&home);
    home.file(CLAUDE, &claude("a", home.ago(days(2)), Some(home.ago(days(1)))));
    let (code, said, _) = home.run(&["status", "--check"], &[("PATH", &path)]).await;
    assert!(code == 1 && said.contains("claude-code:default") && said.contains("expired"), "{code} {said}");
    home.file(CLAUDE, &claude("b", home.after(hours(8)), Some(home.after(days(25)))));
    let (code, said, _) = home.run(&["status", "--check"], &[("PATH", &path)]).await;
    assert_eq!(code, 0, "{said}");
    assert!(!home.path("was-run").exists());
}

#[tokio::test]
async fn ask_09_a_made_up_token_is_present_and_not_called_valid() {
    let vars = [("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-made-up")];
    let id = "env:CLAUDE_CODE_OAUTH_TOKEN";
    // Without permission to ask in ways that are not documented nothing is claimed.
    let cautious = Home::with("[sources]\nenv = true\n[probe]\nstatus_pages = false\n", &vars).await;
    let seen = cautious.ask().await;
    assert_eq!(seen.of(id).verdict.as_ref().unwrap().kind, VerdictKind::Unverifiable);
    assert!(seen.text().contains("not proved") && cautious.asked().is_empty(), "{}", seen.text());
    // With it the first question shows what it is.
    let settings = "[sources]\nenv = true\n[probe]\nundocumented = true\nstatus_pages = false\n";
    let home = Home::with(settings, &vars).await;
    let no = r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"}}"#;
    home.says(CLAUDE_USAGE, vars[0].1, 401, no);
    let seen = home.ask().await;
    seen.is(id, State::Rejected, Severity::Critical);
    assert_eq!(seen.exit(), 1);
    assert!(home.asked().iter().all(|asked| asked == "GET /api/oauth/usage"), "{:?}", home.asked());
}

#[tokio::test]
async fn ask_10_file_and_provider_make_one_verdict() {
    let home = Home::new().await;
    home.file(CLAUDE, &claude("a", home.after(hours(8)), Some(home.after(days(25)))));
    let no =
        r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid authentication credentials"}}"#;
    home.says(CLAUDE_USAGE, &setup_token("a"), 401, no);
    let seen = home.ask().await;
    seen.is("claude-code:default", State::Rejected, Severity::Critical);
    assert_eq!((seen.provider("anthropic"), seen.exit()), ((State::Rejected, 0), 1));
    let document = seen.json();
    assert_eq!((&document["summary"]["state"], &document["summary"]["exitCode"]), (&json!("critical"), &json!(1)));
    // Nothing was asked meanwhile: what the provider said of this login still counts.
    let seen = home.later(hours(3)).cycle().await;
    seen.is("claude-code:default", State::Rejected, Severity::Critical);
}

#[tokio::test]
async fn ask_11_used_up_is_neither_fine_nor_dead() {
    let home = Home::new().await;
    home.file(CLAUDE, &claude("a", home.after(hours(8)), Some(home.after(days(25)))));
    let resets = home.after(days(2));
    let full = json!({ "five_hour": { "utilization": 3.0 }, "seven_day": { "utilization": 100.0, "resets_at": resets.to_rfc3339() } });
    home.says(CLAUDE_USAGE, &setup_token("a"), 200, &full.to_string());
    let seen = home.ask().await;
    seen.is("claude-code:default", State::Limited, Severity::Warning);
    assert_eq!((seen.exit(), seen.provider("anthropic")), (0, (State::Limited, 1)));
    let quota = seen.json_of("claude-code:default")["quota"].clone();
    let week = quota.as_array().unwrap().iter().find(|one| one["window"] == "7d").unwrap();
    assert_eq!(at(week["resetsAt"].as_str().unwrap()), resets);
    assert_eq!(home.told(), ["warning CredentialLimited claude-code:default"]);
    // The same said as an error.
    let limit = r#"{"error":{"type":"rate_limit_error","message":"You've hit your weekly limit; it resets at 9pm."}}"#;
    home.says(CLAUDE_USAGE, &setup_token("a"), 429, limit);
    home.later(hours(2)).ask().await.is("claude-code:default", State::Limited, Severity::Warning);
    // Asked too often says nothing at all, and an open window is fine.
    home.says(CLAUDE_USAGE, &setup_token("a"), 200, CLAUDE_YES);
    home.later(hours(2)).ask().await.is("claude-code:default", State::Ok, Severity::None);
}

#[tokio::test]
async fn ask_12_present_valid_and_renewable_are_told_apart_without_touching_anything() {
    let home = Home::new().await;
    let ended = home.ago(days(1));
    home.file(CODEX, &codex("a", ended, home.ago(days(11))));
    let before = home.tree();
    let seen = home.ask().await;
    seen.is("codex:default", State::Ok, Severity::None);
    let because = seen.because("codex:default");
    assert!(because.contains("refreshable") && because.contains("ended"), "present, and lapsed: {because}");
    assert!(because.contains("only its owner may renew it"), "not proved, and why: {because}");
    assert!(seen.text().contains("not proved"), "{}", seen.text());
    assert!(home.asked().is_empty(), "a lapsed token is not sent, and none is renewed");
    assert_eq!(home.tree(), before);
    let shown = seen.text() + &seen.json().to_string() + &String::from_utf8_lossy(&home.ours());
    for secret in [jwt("a", ended).as_str(), "rt_a", "c2lnbmF0dXJl"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    // Already refused while it lasted: that is not ok, whatever the file has.
    let ends = home.after(days(3));
    home.file(CODEX, &codex("b", ends, home.now()));
    home.says(CODEX_USAGE, &jwt("b", ends), 401, r#"{"error":{"code":"refresh_token_reused"}}"#);
    home.later(hours(2)).ask().await.is("codex:default", State::Rejected, Severity::Critical);
}

#[tokio::test]
async fn ask_13_a_lapsed_access_token_with_a_live_login_alarms_nobody() {
    let home = Home::new().await;
    home.file(CLAUDE, &claude("a", home.ago(hours(5)), Some(home.after(days(25)))));
    for _ in 0..12 {
        let seen = home.cycle().await;
        seen.is("claude-code:default", State::Ok, Severity::None);
        assert_eq!(seen.exit(), 0);
        assert!(!seen.text().contains("expired"), "{}", seen.text());
        home.later(hours(6));
    }
    assert!(home.told().is_empty());
    // The login's own end is another thing.
    home.until(at(START) + days(26));
    home.cycle().await.is("claude-code:default", State::Expired, Severity::Critical);
    assert_eq!(home.told(), ["critical CredentialExpiring claude-code:default"]);
}

#[tokio::test]
async fn ask_14_a_file_that_exists_is_no_new_login() {
    let home = Home::new().await;
    let dead = claude("a", home.ago(hours(13)), Some(home.ago(hours(12))));
    home.file(CLAUDE, &dead);
    home.cycle().await.is("claude-code:default", State::Expired, Severity::Critical);
    assert_eq!(home.told(), ["critical CredentialExpiring claude-code:default"]);
    // "Logged in again": the old file is still what is there, only newly written.
    home.later(hours(1)).file(CLAUDE, &dead);
    home.cycle().await.is("claude-code:default", State::Expired, Severity::Critical);
    assert!(!home.told().iter().any(|line| line.starts_with("over")));
    // And one that is newer, but past as well.
    home.later(hours(1)).file(CLAUDE, &claude("b", home.ago(hours(2)), Some(home.ago(hours(1)))));
    home.cycle().await.is("claude-code:default", State::Expired, Severity::Critical);
    assert!(!home.told().iter().any(|line| line.starts_with("over")));
    // Newer, and in the future.
    home.later(hours(1)).file(CLAUDE, &claude("c", home.after(hours(8)), Some(home.after(days(28)))));
    home.cycle().await.is("claude-code:default", State::Ok, Severity::None);
    assert_eq!(home.told(), ["over: critical CredentialExpiring claude-code:default"]);
}

#[tokio::test]
async fn ask_15_emptied_secrets_beside_kept_facts_are_a_logout() {
    let home = Home::new().await;
    home.file(CLAUDE, &claude("a", home.after(hours(8)), Some(home.after(days(25)))));
    assert_eq!(home.cycle().await.exit(), 0);
    home.later(hours(1)).file(CLAUDE, &claude_emptied());
    let seen = home.cycle().await;
    seen.is("claude-code:default", State::Missing, Severity::Critical);
    assert!(seen.because("claude-code:default").contains("logged out"), "{}", seen.because("claude-code:default"));
    assert_eq!((seen.exit(), seen.fix("claude-code:default").as_str()), (1, "claude auth login"));
    assert_eq!(seen.json_of("claude-code:default")["accessExpiresAt"], json!(null), "never 1970");
    home.later(hours(1)).cycle().await;
    assert_eq!(home.told(), ["critical CredentialMissing claude-code:default"]);
    // A file that was never there is no logout.
    let nobody = Home::new().await;
    assert!(nobody.cycle().await.snapshot.credentials.is_empty() && nobody.told().is_empty());
}

#[tokio::test]
async fn ask_16_an_abandoned_file_wakes_nobody() {
    let home = Home::new().await;
    home.old_file(CLAUDE, &claude_emptied(), home.ago(days(60)));
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    home.file(STORE, &store([("anthropic:default", key("anthropic", "sk-ant-api03-1"))]));
    let seen = home.cycle().await;
    seen.is("claude-code:default", State::Missing, Severity::Info);
    let since = home.ago(days(60)).format("neither it nor its tool has changed since %Y-%m-%d").to_string();
    assert!(seen.because("claude-code:default").contains(&since), "{}", seen.because("claude-code:default"));
    assert!(seen.text().contains("unused"), "{}", seen.text());
    let changed = seen.json_of("claude-code:default")["source"]["modifiedAt"].as_str().map(at);
    assert_eq!(changed, Some(home.ago(days(60))));
    assert_eq!((seen.exit(), home.told().len()), (0, 0));
    // The tool is used again with it: then it matters.
    home.later(hours(1)).file(".claude/history.jsonl", "{}\n");
    home.cycle().await.is("claude-code:default", State::Missing, Severity::Critical);
}

#[tokio::test]
async fn ask_17_a_preflight_check_fails_before_an_empty_run() {
    let home = Home::today("").await;
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    for (ends, code) in [(home.ago(hours(1)), 1), (home.after(hours(5)), 2), (home.after(days(200)), 0)] {
        home.file(STORE, &store([("anthropic:default", token("anthropic", &setup_token("a"), Some(ends)))]));
        for command in [&["status", "--check"][..], &["models", "status", "--check"]] {
            let (got, said, _) = home.run(command, &[]).await;
            assert_eq!(got, code, "{command:?}: {said}");
        }
    }
    std::fs::remove_file(home.path(STORE)).unwrap();
    assert_eq!(home.run(&["status", "--check"], &[]).await.0, 1, "nothing at all is no success either");
}

#[tokio::test]
async fn ask_18_a_refusal_is_never_called_unreachable() {
    let home = Home::new().await;
    let id = "opensoul:main/openai:default";
    for (number, (status, body, state)) in [
        (401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#, State::Rejected),
        (403, r#"{"error":{"message":"IP not authorized"}}"#, State::Forbidden),
        (401, "{}", State::Rejected),
        (403, r#"{"error":{"message":"account_deactivated"}}"#, State::Rejected),
    ]
    .into_iter()
    .enumerate()
    {
        let secret = format!("sk-proj-{number}-Zq7Wv8");
        home.file(STORE, &store([("openai:default", key("openai", &secret))]));
        home.says(OPENAI_MODELS, &secret, status, body);
        let seen = home.later(hours(2)).ask().await;
        seen.is(id, state, Severity::Critical);
        assert_eq!((seen.exit(), seen.provider("openai").1), (1, 0), "{status} {body}");
    }
    home.told();
    // And what never reached it is never called a refusal.
    for (number, (status, body)) in [(200, "<html>Sign in to WiFi</html>"), (503, "{}")].into_iter().enumerate() {
        let secret = format!("sk-proj-9{number}-Zq7Wv8");
        home.file(STORE, &store([("openai:default", key("openai", &secret))]));
        home.says(OPENAI_MODELS, &secret, status, body);
        let seen = home.later(hours(2)).ask().await;
        seen.is(id, State::Static, Severity::None);
        assert_eq!(seen.exit(), 0);
        assert!(home.told().iter().all(|line| line.starts_with("over")), "{body}");
    }
}
