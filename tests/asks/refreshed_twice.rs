//! 32 to 38: single-use refresh tokens, and everybody who spends them.

use opensoul::domain::{Severity, State};
use serde_json::{Value, json};

use super::files::*;
use super::home::*;

/// A ChatGPT login in a gateway's store, with this refresh token.
fn chatgpt(name: &str, refresh: &str, ends: opensoul::domain::Time) -> Value {
    json!({ "type": "oauth", "provider": "openai-codex", "access": format!("access-{name}"), "refresh": refresh,
            "expires": ends.timestamp_millis(), "email": "me@example.org" })
}

#[tokio::test]
async fn ask_32_one_login_in_two_hands_is_warned_of_before_it_breaks() {
    let home = Home::new().await;
    let ends = home.after(days(5));
    home.file(CODEX, &codex_with("a", "rt_shared", ends, home.now()));
    home.file(OPENCLAW, &store([("openai-codex:work", chatgpt("b", "rt_shared", ends))]));
    let seen = home.cycle().await;
    let finding = seen.finding("login.shared-refresh");
    assert_eq!(finding.severity, Severity::Warning);
    for part in ["codex:default", "openclaw:main/openai-codex:work", "can be used once"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    assert!(finding.fix.contains("each has its own"), "{}", finding.fix);
    assert_eq!(seen.exit(), 0, "nothing is broken yet");
    assert_eq!(home.told().len(), 1);
    // Each with a login of its own: fine. A gateway's mirror of the tool's login: fine too.
    for own in [("openai-codex:work", "rt_own"), ("openai-codex:codex-cli", "rt_shared")] {
        home.later(hours(1)).file(OPENCLAW, &store([(own.0, chatgpt("b", own.1, ends))]));
        let seen = home.cycle().await;
        assert!(seen.findings("login.shared-refresh").is_empty(), "{own:?}");
    }
    // One login copied to a second machine: both, which share a key, show the same identity.
    let identity = async |refresh: &str, vars: &[(&str, &str)]| {
        let machine = Home::with("[probe]\nundocumented = true\n", vars).await;
        machine.file(CODEX, &codex_with("a", refresh, ends, machine.now()));
        let seen = machine.cycle().await;
        let shown = seen.json_of("codex:default")["identity"].as_str().map(str::to_owned);
        let line =
            seen.metrics().lines().find(|line| line.starts_with("opensoul_credential_info{")).unwrap().to_owned();
        assert_eq!(line.contains("identity="), shown.is_some(), "{line}");
        assert!(shown.as_ref().is_none_or(|identity| line.contains(&format!("identity=\"{identity}\""))), "{line}");
        shown
    };
    let fleet = [(FLEET_KEY, "any text of the fleet's choice")];
    let here = identity("rt_copied", &fleet).await;
    assert!(here.is_some() && here == identity("rt_copied", &fleet).await);
    assert_ne!(here, identity("rt_another", &fleet).await);
    assert_eq!(identity("rt_copied", &[]).await, None, "a machine by itself shows no hash");
}

#[tokio::test]
async fn ask_33_an_old_token_that_is_written_back_is_noticed() {
    let home = Home::new().await;
    let id = "opensoul:main/openai-codex:me";
    let write = |refresh: &str| {
        let profile = chatgpt(refresh, refresh, home.after(days(10)));
        home.file(STORE, &store([("openai-codex:me", profile)]));
    };
    for refresh in ["rt_1", "rt_2", "rt_3"] {
        write(refresh);
        let seen = home.later(hours(1)).cycle().await;
        assert!(seen.findings("login.went-backwards").is_empty(), "{refresh} is newer");
    }
    assert!(home.told().is_empty());
    write("rt_2");
    let seen = home.later(hours(1)).cycle().await;
    let finding = seen.finding("login.went-backwards");
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.message.contains(id) && finding.message.contains("had been replaced"), "{}", finding.message);
    assert_eq!(home.told().len(), 1);
    // Several agents on one token is the gateway's own affair: worth knowing.
    write("rt_4");
    home.file(".opensoul/agents/office/agent/auth-profiles.json", &std::fs::read_to_string(home.path(STORE)).unwrap());
    let seen = home.later(hours(1)).cycle().await;
    assert!(seen.findings("login.went-backwards").is_empty());
    assert_eq!(seen.finding("login.shared-refresh").severity, Severity::Info);
}

#[tokio::test]
async fn ask_34_a_race_between_sessions_is_no_dead_login() {
    let home = Home::new().await;
    let ends = home.after(days(25));
    let no = r#"{"error":{"type":"authentication_error","message":"OAuth token has expired."}}"#;
    home.says(CLAUDE_USAGE, &setup_token("old"), 401, no);
    home.says(CLAUDE_USAGE, &setup_token("new"), 200, CLAUDE_YES);
    home.file(CLAUDE, &claude("old", home.after(hours(5)), Some(ends)));
    // Another session renews it just when we ask: early 401, then a file that is newer.
    let (path, renewed) = (home.path(CLAUDE), claude("new", home.after(hours(8)), Some(ends)));
    home.between_the_questions(move || std::fs::write(path, renewed).unwrap());
    let seen = home.ask().await;
    seen.is("claude-code:default", State::Ok, Severity::None);
    assert_eq!((home.asked().len(), seen.exit()), (2, 0));
    assert!(home.told().is_empty());
    // A half-written file for a moment is no alarm either.
    home.later(hours(1)).file(CLAUDE, "{\"claudeAiOauth\":{\"accessTok");
    home.cycle().await;
    home.later(hours(1)).file(CLAUDE, &claude("new", home.after(hours(8)), Some(ends)));
    home.cycle().await.is("claude-code:default", State::Ok, Severity::None);
    assert!(home.told().iter().all(|line| !line.contains("critical")));
    // Nobody has renewed it, and the answer is the same twice: that is dead.
    home.file(CLAUDE, &claude("old", home.after(hours(5)), Some(ends)));
    let seen = home.later(hours(2)).ask().await;
    seen.is("claude-code:default", State::Expired, Severity::Critical);
    // Written again as it is, it stays dead; renewed at last, it is not called so any longer, whenever we may ask next.
    home.later(hours(1)).file(CLAUDE, &claude("old", home.after(hours(5)), Some(ends)));
    for _ in 0..3 {
        let seen = home.later(chrono::TimeDelta::minutes(5)).cycle().await;
        seen.is("claude-code:default", State::Expired, Severity::Critical);
    }
    home.file(CLAUDE, &claude("newest", home.after(hours(8)), Some(ends)));
    home.cycle().await;
    let seen = home.later(chrono::TimeDelta::minutes(5)).cycle().await;
    seen.is("claude-code:default", State::Ok, Severity::None);
    assert_eq!(seen.exit(), 0);
    let because = seen.because("claude-code:default");
    assert!(because.contains("its owner renewed it after the provider's refusal"), "{because}");
    // And one that is refused as soon as it comes is dead at once, and stays so.
    home.says(CLAUDE_USAGE, &setup_token("last"), 401, no);
    home.later(hours(3)).file(CLAUDE, &claude("last", home.after(hours(5)), Some(ends)));
    home.ask().await.is("claude-code:default", State::Expired, Severity::Critical);
    let seen = home.later(chrono::TimeDelta::minutes(5)).cycle().await;
    seen.is("claude-code:default", State::Expired, Severity::Critical);
}

#[tokio::test]
async fn a_login_renewed_after_a_refusal_is_asked_about_soon_so_that_its_incident_ends() {
    let minutes = chrono::TimeDelta::minutes;
    let home = Home::new().await;
    let (id, ends) = ("claude-code:default", home.after(days(25)));
    let no = r#"{"error":{"type":"authentication_error","message":"Invalid bearer token"}}"#;
    home.says(CLAUDE_USAGE, &setup_token("old"), 401, no);
    home.file(CLAUDE, &claude("old", home.after(hours(5)), Some(ends)));
    home.cycle().await;
    let seen = home.later(minutes(5)).ask().await;
    seen.is(id, State::Rejected, Severity::Critical);
    assert_eq!((home.told(), seen.proof_at), (vec![format!("critical CredentialRejected {id}")], None));
    let asked = home.asked().len();
    // Renewed at once: judged anew, and nobody is told yet that it is over, because nothing proves it.
    home.later(minutes(1)).file(CLAUDE, &claude("new", home.after(hours(8)), Some(ends)));
    let renewed = home.now();
    home.cycle().await;
    let seen = home.later(minutes(1)).cycle().await;
    seen.is(id, State::Ok, Severity::None);
    let due = seen.proof_at.expect("asked about again");
    assert!(due > home.now() && due <= renewed + minutes(15), "{due}");
    home.prove().await;
    assert_eq!((home.told(), home.asked().len()), (vec![], asked), "not within a quarter of an hour");
    // Then the provider says yes, and it is over; the schedule would have asked hours later.
    home.says(CLAUDE_USAGE, &setup_token("new"), 200, CLAUDE_YES);
    let seen = home.until(due).prove().await;
    assert_eq!((home.told(), seen.proof_at), (vec![format!("over: critical CredentialRejected {id}")], None));
    home.later(minutes(20)).prove().await;
    assert_eq!(home.asked().len(), asked + 1, "once for one renewal; the rest is the schedule's");
}

#[tokio::test]
async fn ask_35_looking_and_asking_refreshes_and_writes_nothing() {
    let home = Home::new().await;
    let soon = home.after(hours(30));
    home.file(CLAUDE, &claude("a", soon, Some(home.after(days(25)))));
    home.file(CODEX, &codex("b", soon, home.ago(days(9))));
    home.file(
        STORE,
        &store([
            ("openai:default", key("openai", "sk-proj-Zq7Wv8-1")),
            ("openai-codex:default", oauth("openai-codex", "c", home.ago(days(3)))),
        ]),
    );
    let entry =
        json!({ "type": "oauth", "access": "o", "refresh": "o-r", "expires": home.ago(hours(1)).timestamp_millis() });
    home.file(".local/share/opencode/auth.json", &json!({ "anthropic": entry }).to_string());
    home.file(".pi/agent/auth.json", &json!({ "openai-codex": entry }).to_string());
    home.says(CLAUDE_USAGE, &setup_token("a"), 200, CLAUDE_YES);
    home.says(CODEX_USAGE, &jwt("b", soon), 200, CODEX_YES);
    home.says(OPENAI_MODELS, "sk-proj-Zq7Wv8-1", 200, LIST);
    let before = home.tree();
    for _ in 0..12 {
        home.later(hours(2)).ask().await;
    }
    let asked = home.asked();
    assert!(
        asked.len() >= 12 && asked.iter().all(|one| one.starts_with("GET /") && !one.contains("token")),
        "{asked:?}"
    );
    let questions: std::collections::BTreeSet<&str> = asked.iter().map(String::as_str).collect();
    assert_eq!(questions, ["GET /api/oauth/usage", "GET /models", "GET /wham/usage"].into());
    assert_eq!(home.tree(), before, "every byte, and when it was changed");
}

#[tokio::test]
async fn ask_36_the_date_in_the_token_counts_and_no_rule_of_days() {
    let home = Home::new().await;
    let ends = home.after(days(2));
    home.file(CODEX, &codex("a", ends, home.ago(days(20))));
    let seen = home.cycle().await;
    seen.is("codex:default", State::Ok, Severity::None);
    assert_eq!(at(seen.json_of("codex:default")["accessExpiresAt"].as_str().unwrap()).timestamp(), ends.timestamp());
    home.until(ends + days(1)).cycle().await.is("codex:default", State::Ok, Severity::None);
    assert!(home.told().is_empty() && home.asked().is_empty());
    // Its owner renews it: the file is read anew each time.
    let later = home.after(days(10));
    home.file(CODEX, &codex("b", later, home.now()));
    let shown = home.cycle().await.json_of("codex:default")["accessExpiresAt"].clone();
    assert_eq!(at(shown.as_str().unwrap()).timestamp(), later.timestamp());
}

#[tokio::test]
async fn ask_37_switching_between_accounts_is_no_race() {
    let home = Home::new().await;
    let ends = home.after(days(9));
    for account in ["one@example.org", "two@example.org", "one@example.org", "two@example.org"] {
        home.file(CODEX, &codex_of(account, account, &format!("rt_{account}"), ends, home.now()));
        let seen = home.later(hours(1)).cycle().await;
        assert!(seen.findings("login.went-backwards").is_empty(), "{account}");
        seen.is("codex:default", State::Ok, Severity::None);
    }
    assert!(home.told().is_empty());
    // But one account whose replaced token comes back is one.
    for refresh in ["rt_x", "rt_y"] {
        home.file(CODEX, &codex_of("two@example.org", refresh, refresh, ends, home.now()));
        home.later(hours(1)).cycle().await;
    }
    home.file(CODEX, &codex_of("two@example.org", "rt_x", "rt_x", ends, home.now()));
    let seen = home.later(hours(1)).cycle().await;
    assert_eq!(seen.finding("login.went-backwards").severity, Severity::Warning);
    // The same account logged in twice, each with tokens of its own, is worth knowing and no more.
    let mut profile = chatgpt("g", "rt_g", ends);
    profile["email"] = "two@example.org".into();
    home.file(STORE, &store([("openai-codex:two", profile)]));
    let finding = home.cycle().await.finding("login.same-account").clone();
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.message.contains("codex:default") && finding.message.contains("openai-codex:two"));
}

#[tokio::test]
async fn ask_38_logins_of_mcp_servers_are_credentials_of_their_own() {
    let home = Home::new().await;
    let lapsed = home.ago(hours(5)).timestamp_millis();
    let mcp = json!({ "linear|1": { "serverName": "linear", "serverUrl": "https://mcp.linear.app/sse",
        "accessToken": "m", "refreshToken": "rt_family", "expiresAt": lapsed } });
    home.file(CLAUDE, &json!({ "mcpOAuth": mcp }).to_string());
    let seen = home.cycle().await;
    // Not the tool's own login, and not a broken one; its access token lapsed, which is how these live.
    assert_eq!(seen.snapshot.credentials.len(), 1);
    seen.is("claude-code:mcp/linear", State::Ok, Severity::None);
    assert_eq!(seen.of("claude-code:mcp/linear").credential.provider, "mcp:mcp.linear.app");
    assert!(!seen.of("claude-code:mcp/linear").judgement.in_use && home.told().is_empty());
    // The same family of tokens in a second tool: whoever uses it second ends it for both.
    let copied = json!({ "linear|2": { "server_name": "linear", "server_url": "https://mcp.linear.app/sse",
        "access_token": "n", "refresh_token": "rt_family", "expires_at": lapsed } });
    home.file(".codex/.credentials.json", &copied.to_string());
    let seen = home.later(hours(1)).cycle().await;
    let finding = seen.finding("login.shared-refresh");
    assert!(finding.message.contains("codex:mcp/linear") && finding.message.contains("claude-code:mcp/linear"));
    home.told();
    // No refresh token, and its end is past: it is dead, and no model misses it.
    let own = json!({ "linear|2": { "server_name": "linear", "server_url": "https://mcp.linear.app/sse",
        "access_token": "n", "expires_at": lapsed } });
    home.file(".codex/.credentials.json", &own.to_string());
    let seen = home.later(hours(1)).cycle().await;
    seen.is("codex:mcp/linear", State::Expired, Severity::Info);
    assert_eq!(seen.fix("codex:mcp/linear"), "codex mcp login linear");
    assert!(home.told().iter().all(|line| line.starts_with("over: ")), "nobody is woken");
    // Nobody is asked about them.
    home.ask().await;
    assert!(home.asked().is_empty(), "{:?}", home.asked());
    std::fs::remove_file(home.path(".codex/.credentials.json")).unwrap();
    let mut both: Value = serde_json::from_str(&claude("a", home.after(hours(8)), Some(home.after(days(25))))).unwrap();
    both["mcpOAuth"] = mcp;
    home.file(CLAUDE, &both.to_string());
    home.later(hours(1)).cycle().await.is("claude-code:default", State::Ok, Severity::None);
    assert!(home.told().is_empty());
    // A whole family of tokens that was ended because one was used twice.
    let no = r#"{"error":{"type":"authentication_error","message":"invalid_grant: refresh_token_reused"}}"#;
    home.says(CLAUDE_USAGE, &setup_token("a"), 401, no);
    let seen = home.later(hours(2)).ask().await;
    seen.is("claude-code:default", State::Rejected, Severity::Critical);
    assert!(seen.because("claude-code:default").contains("revoked"), "{}", seen.because("claude-code:default"));
}
