//! 46 to 54: logging in again without a screen, for several agents, with several accounts.

use opensoul::domain::{Outcome, Severity, State};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::files::*;
use super::home::*;

#[tokio::test]
async fn ask_46_the_alarm_carries_the_way_back_to_whoever_can_take_it() {
    let telegram = MockServer::start().await;
    let delivered = json!({ "ok": true, "result": { "message_id": 1, "chat": { "id": 100 } } });
    Mock::given(method("POST"))
        .and(path("/bot7:the-bots-token/sendMessage"))
        .respond_with(ResponseTemplate::new(200).set_body_json(delivered))
        .mount(&telegram)
        .await;
    let chat = |name: &str, id: u32| {
        let at = format!("url = \"{}\"\ntoken = {{ env = \"BOT\" }}\nchat = \"{id}\"\n", telegram.uri());
        format!("[[receivers]]\nname = \"{name}\"\ntype = \"telegram\"\n{at}")
    };
    let route = "[[routes]]\nsubjects = [\"opensoul:*\"]\nreceivers = [\"owner\"]\n";
    let home = Home::with(&(chat("owner", 100) + &chat("other", 200) + route), &[("BOT", "7:the-bots-token")]).await;
    home.file(
        STORE,
        &store([(
            "openai-codex:default",
            json!({ "type": "oauth", "provider": "openai-codex", "access": "", "refresh": "" }),
        )]),
    );
    home.cycle().await;
    home.later(hours(1)).cycle().await;
    let sent = home.sent();
    let [message] = &sent[..] else { panic!("{sent:#?}") };
    let outcome = home.hand_over(message).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    let asked = telegram.received_requests().await.unwrap();
    let [asked] = &asked[..] else { panic!("{asked:#?}") };
    let body: Value = asked.body_json().unwrap();
    assert_eq!(body["chat_id"], 100, "the chat of whoever is responsible, and no other");
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("opensoul models auth login --provider openai-codex"), "{text}");
}

#[tokio::test]
async fn ask_47_the_tools_login_and_the_gateways_are_two() {
    let home = Home::new().await;
    let (gateway, tool) = ("opensoul:main/openai-codex:default", "codex:default");
    home.file(GATEWAY, &models("openai-codex/gpt-5", &[]));
    let dead = || json!({ "type": "oauth", "provider": "openai-codex", "access": "", "refresh": "" });
    home.file(STORE, &store([("openai-codex:default", dead())]));
    home.file(CODEX, &codex("a", home.after(days(5)), home.now()));
    let seen = home.cycle().await;
    seen.is(tool, State::Ok, Severity::None).is(gateway, State::Missing, Severity::Critical);
    assert_eq!(seen.exit(), 1, "a login of the command line is no login of the gateway");
    assert_eq!(seen.fix(gateway), "opensoul models auth login --provider openai-codex");
    home.later(hours(1)).cycle().await;
    assert_eq!(home.told(), [format!("critical CredentialMissing {gateway}")]);
    // And the other way round.
    home.later(hours(1))
        .file(STORE, &store([("openai-codex:default", oauth("openai-codex", "g", home.after(days(5))))]));
    home.file(CODEX, r#"{"OPENAI_API_KEY":null,"tokens":null}"#);
    let seen = home.cycle().await;
    seen.is(gateway, State::Ok, Severity::None).is(tool, State::Missing, Severity::Critical);
    assert_eq!((seen.fix(tool).as_str(), seen.exit()), ("codex login", 1));
}

#[tokio::test]
async fn ask_48_agents_that_were_left_behind_are_named() {
    let home = Home::new().await;
    let of = |agent: &str| format!(".opensoul/agents/{agent}/agent/auth-profiles.json");
    let old = || store([("anthropic:default", token("anthropic", "t-old", Some(home.ago(hours(1)))))]);
    for agent in ["main", "stocks", "mail"] {
        home.file(&of(agent), &old());
    }
    let seen = home.cycle().await;
    assert!(seen.findings("credential.stale-copy").is_empty(), "all alike: nobody was left behind");
    home.later(hours(1))
        .file(STORE, &store([("anthropic:default", token("anthropic", "t-new", Some(home.after(days(300)))))]));
    let seen = home.cycle().await;
    let finding = seen.finding("credential.stale-copy");
    assert!(
        finding.message.contains("works in main and is still the old one in mail and stocks"),
        "{}",
        finding.message
    );
    for agent in ["stocks", "mail"] {
        assert!(finding.fix.contains(&format!("--agent {agent}")), "{}", finding.fix);
        assert_eq!(seen.of(&format!("opensoul:{agent}/anthropic:default")).judgement.state, State::Expired);
    }
    seen.is("opensoul:main/anthropic:default", State::Ok, Severity::None);
    // The new one reaches them all.
    let new = std::fs::read_to_string(home.path(STORE)).unwrap();
    home.later(hours(1)).file(&of("stocks"), &new).file(&of("mail"), &new);
    let seen = home.cycle().await;
    assert!(seen.findings("credential.stale-copy").is_empty());
    assert_eq!(seen.exit(), 0);
}

#[tokio::test]
async fn ask_49_the_command_that_replaces_a_setup_token_is_printed() {
    let home = Home::new().await;
    let profile = token("anthropic", &setup_token("a"), Some(home.ago(hours(1))));
    home.file(STORE, &store([("anthropic:work", profile)]));
    let seen = home.cycle().await;
    let command =
        "claude setup-token && opensoul models auth paste-token --provider anthropic --profile-id anthropic:work";
    let line = format!("Run: {command}");
    assert!(
        seen.text().lines().any(|text| anstream::adapter::strip_str(text).to_string().trim() == line),
        "{}",
        seen.text()
    );
    assert!(home.letters()[0].contains(command));
    // What works needs none.
    let fine = token("anthropic", &setup_token("b"), Some(home.after(days(300))));
    home.later(hours(1)).file(STORE, &store([("anthropic:work", fine)]));
    assert!(!home.cycle().await.text().contains("Run:"));
}

#[tokio::test]
async fn ask_50_a_variable_that_goes_before_a_login_is_said() {
    let home = Home::new().await;
    let login = json!({ "access_token": "ya29.a", "refresh_token": "1//r", "expiry_date": home.ago(hours(3)).timestamp_millis() });
    home.file(".gemini/oauth_creds.json", &login.to_string());
    let seen = home.person(&[("GEMINI_API_KEY", "AIza-other")]).await;
    let finding = seen.finding("login.overridden");
    assert!(
        finding.message.contains("GEMINI_API_KEY") && finding.message.contains("without a terminal"),
        "{}",
        finding.message
    );
    assert!(finding.fix.contains("unset GEMINI_API_KEY"));
    let seen = home.person(&[]).await;
    assert!(seen.findings("login.overridden").is_empty());
    seen.is("gemini-cli:default", State::Ok, Severity::None);
    // Nothing here waits for a browser: what was refused is said, with the way back.
    home.later(hours(1)).file(".gemini/oauth_creds.json", "null");
    let seen = home.cycle().await;
    assert!(!seen.of("gemini-cli:default").judgement.state.is_usable());
    assert!(seen.fix("gemini-cli:default").contains("gemini"), "{}", seen.fix("gemini-cli:default"));
}

/// A `secret-tool` that prints the file `keyring` of this home. A shell writes it: nobody that another test starts in this
/// process may hold it open when it is run.
fn keyring(home: &Home, prints: &str) {
    home.file("keyring", prints);
    let script = format!("#!/bin/sh\nexec /bin/cat {}\n", home.path("keyring").display());
    let write = "mkdir -p \"${2%/*}\" && printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
    let program = home.path("bin/secret-tool");
    let done = std::process::Command::new("/bin/sh").args(["-c", write, "sh", &script]).arg(program).status();
    assert!(done.unwrap().success());
}

/// A cycle to which the keyring has answered: where the machine is held up, it has no time to.
async fn answered(home: &Home, id: &str) -> Seen {
    for _ in 0..30 {
        let seen = home.cycle().await;
        if !seen.because(id).contains("in time") {
            return seen;
        }
    }
    panic!("the keyring never answers");
}

#[tokio::test]
async fn ask_51_what_is_in_a_locked_keyring_is_unreadable_and_not_missing() {
    let hosts = "github.com:\n    git_protocol: https\n    users:\n        me:\n    user: me\n";
    let id = "gh:github.com/me";
    // Without a session, as over ssh; and in one whose keyring is locked.
    for vars in [&[][..], &[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")]] {
        let home = Home::with("[probe]\nstatus_pages = false\n", vars).await;
        if !vars.is_empty() && cfg!(target_os = "linux") {
            keyring(&home, "[/7]\nlabel = GitHub CLI\nsecret = \ncreated = 2026-11-01 09:00:00\n");
        }
        home.file(".config/gh/hosts.yml", hosts);
        for _ in 0..3 {
            let seen = home.cycle().await;
            assert_eq!(seen.of(id).judgement.state, State::Unreadable);
            assert!(seen.because(id).contains("keyring"), "{}", seen.because(id));
            assert!(!seen.text().contains("missing"), "{}", seen.text());
            home.later(hours(1));
        }
        assert!(home.told().is_empty(), "that is no alarm: its own tool can open it");
        // Unlocked, it is read.
        if !vars.is_empty() && cfg!(target_os = "linux") {
            assert!(answered(&home, id).await.because(id).contains("locked"));
            home.file("keyring", "[/7]\nlabel = GitHub CLI\nsecret = gho_Zq7Wv8\ncreated = 2026-11-01 09:00:00\n");
            assert_eq!(answered(&home, id).await.of(id).judgement.state, State::Static);
        }
        // Logged out is another thing.
        home.later(hours(1)).file(".config/gh/hosts.yml", "github.com:\n    user: me\n    oauth_token: \"\"\n");
        assert_eq!(home.cycle().await.of(id).judgement.state, State::Missing);
    }
}

#[tokio::test]
async fn ask_52_a_key_in_the_body_of_an_error_goes_nowhere() {
    let home = Home::new().await;
    let (id, secret) = ("opensoul:main/openai:default", "sk-vk-Zq7Wv8Zq7Wv8Zq7");
    home.file(STORE, &store([("openai:default", key("openai", secret))]));
    let message = format!("Authentication Error - Expired Key. Key={secret}");
    let body = json!({ "error": { "message": message, "type": "expired_key", "param": secret, "code": "401" } });
    home.says(OPENAI_MODELS, secret, 401, &body.to_string());
    let seen = home.ask().await;
    seen.is(id, State::Expired, Severity::Critical);
    assert!(seen.because(id).contains("Authentication Error"), "its words are shown: {}", seen.because(id));
    let shown = seen.text() + &seen.json().to_string() + &seen.metrics() + &home.letters().concat();
    assert!(shown.contains("Authentication Error"));
    let kept = String::from_utf8_lossy(&home.ours()).into_owned();
    for part in [secret, &secret[6..], "Zq7Wv8"] {
        assert!(!shown.contains(part) && !kept.contains(part), "{part}");
    }
}

#[tokio::test]
async fn ask_53_how_long_it_lasts_is_seen_at_a_glance() {
    let home = Home::new().await;
    home.file(
        STORE,
        &store([(
            "anthropic:default",
            token("anthropic", "t-1", Some(home.after(hours(6) + chrono::TimeDelta::minutes(40)))),
        )]),
    );
    let seen = home.cycle().await;
    assert!(seen.text().contains("in 6 h 40 min (2026-12-01 18:40"), "{}", seen.text());
    assert!(home.letters()[0].contains("in 6 h 40 min, 2026-12-01 18:40 UTC"));
    assert_eq!(seen.exit(), 2);
    let said = seen.said_in_a_chat(home.now());
    assert!(
        said.contains("in 6 h 40 min (2026-12-01 18:40") && said.contains("something is broken or about to be"),
        "{said}"
    );
    // A year is no matter for anybody.
    home.later(hours(1))
        .file(STORE, &store([("anthropic:default", token("anthropic", "t-2", Some(home.after(days(300)))))]));
    let seen = home.cycle().await;
    assert!(seen.text().contains("ok") && seen.text().contains("in 300 d"), "{}", seen.text());
    assert_eq!(seen.exit(), 0);
}

#[tokio::test]
async fn ask_54_copilots_short_sessions_are_no_news_and_its_login_is() {
    let home = Home::with("[probe]\nstatus_pages = false\n", &[]).await;
    let secret = "gho_Zq7Wv8Zq7Wv8Zq7";
    let app = json!({ "github.com:Iv1.b507a08c87ecfe98": { "user": "me", "oauth_token": secret } });
    home.file(".config/github-copilot/apps.json", &app.to_string());
    // A session that ended an hour ago; its tool makes another when it needs one.
    let session = json!({ "github-copilot": { "type": "oauth", "access": "tid=1;exp=1", "refresh": secret, "expires": home.ago(hours(1)).timestamp_millis() } });
    home.file(".local/share/opencode/auth.json", &session.to_string());
    let id = "copilot:github.com:Iv1.b507a08c87ecfe98";
    home.says(GITHUB_LIMITS, secret, 200, r#"{"resources":{"core":{"limit":5000}}}"#);
    let seen = home.ask().await;
    seen.is(id, State::Static, Severity::None);
    assert!(seen.of("opencode:github-copilot").judgement.state.is_usable());
    assert!(home.told().is_empty());
    home.says(GITHUB_LIMITS, secret, 401, r#"{"message":"unauthorized: token expired"}"#);
    let seen = home.later(hours(2)).ask().await;
    seen.is(id, State::Expired, Severity::Critical);
    assert!(home.told().contains(&format!("critical CredentialExpiring {id}")));
    assert!(!seen.fix(id).is_empty());
}
