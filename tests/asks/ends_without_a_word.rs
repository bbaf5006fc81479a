//! 19 to 31: credentials end without a word, and people want to be told.

use opensoul::domain::{Severity, State, Tier};
use serde_json::json;

use super::files::*;
use super::home::*;

#[tokio::test]
async fn ask_19_a_renewal_that_fails_silently_is_told() {
    let home = Home::new().await;
    let id = "opensoul:main/openai-codex:default";
    home.file(GATEWAY, &models("openai-codex/gpt-5", &[]));
    // Three times the gateway renews it, as it should: nobody is bothered.
    for name in ["a", "b", "c"] {
        let usage = json!({ "openai-codex:default": { "lastUsed": home.now().timestamp_millis() } });
        let profile = oauth("openai-codex", name, home.after(days(10)));
        home.file(STORE, &store_with([("openai-codex:default", profile)], usage));
        for _ in 0..9 {
            home.cycle().await.is(id, State::Ok, Severity::None);
            home.later(days(1));
        }
    }
    assert!(home.told().is_empty());
    // The fourth time it fails.
    home.later(days(2));
    let usage = json!({ "openai-codex:default": { "lastUsed": home.now().timestamp_millis() } });
    home.file(STORE, &store_with([("openai-codex:default", oauth("openai-codex", "c", home.ago(days(1))))], usage));
    let seen = home.cycle().await;
    seen.is(id, State::RefreshOverdue, Severity::Critical);
    assert!(seen.because(id).contains("should have renewed it"), "{}", seen.because(id));
    let items = home.items();
    assert_eq!(items.len(), 1, "{items:#?}");
    assert_eq!(items[0].fix.as_deref(), Some("opensoul models auth login --provider openai-codex"));
}

#[tokio::test]
async fn ask_20_what_nobody_uses_for_days_is_proved_all_the_same() {
    let home = Home::new().await;
    let id = "opensoul:main/openai:default";
    home.file(STORE, &store([("openai:default", key("openai", "sk-proj-Zq7Wv8-1"))]));
    home.says(OPENAI_MODELS, "sk-proj-Zq7Wv8-1", 200, LIST);
    for _ in 0..24 {
        let seen = home.later(hours(2)).ask().await;
        let verdict = seen.json_of(id)["verdict"].clone();
        assert_eq!((&verdict["kind"], &verdict["ageSeconds"]), (&json!("accepted"), &json!(0)));
        let proved = format!("}} {}", home.now().timestamp());
        let line = seen.metrics();
        let line = line.lines().find(|line| line.starts_with("opensoul_credential_last_accepted_timestamp")).unwrap();
        assert!(line.ends_with(&proved), "{line}");
    }
    assert!(home.told().is_empty());
    assert_eq!(home.asked().len(), 24, "one free question each time");
    home.says(OPENAI_MODELS, "sk-proj-Zq7Wv8-1", 401, r#"{"error":{"code":"invalid_api_key"}}"#);
    home.later(hours(2)).ask().await.is(id, State::Rejected, Severity::Critical);
    assert_eq!(home.told(), [format!("critical CredentialRejected {id}")]);
}

#[tokio::test]
async fn ask_21_reminders_come_in_steps_and_carry_the_command() {
    let home = Home::new().await;
    let ends = home.after(days(2));
    home.file(STORE, &store([("anthropic:default", token("anthropic", "t-1", Some(ends)))]));
    home.cycle().await;
    home.sent();
    let minute = chrono::TimeDelta::minutes(1);
    for (before, tier) in [(24, Tier::Hours24), (6, Tier::Hours6), (1, Tier::Hour1)] {
        home.until(ends - hours(before) - minute).cycle().await;
        assert!(home.told().is_empty(), "nothing between the steps: {before} h");
        home.later(minute).cycle().await;
        let messages = home.sent();
        let [message] = &messages[..] else { panic!("{messages:#?}") };
        assert_eq!((message.items[0].tier, message.items[0].severity), (Some(tier), Severity::Critical));
        let letter = opensoul::notify::render(
            message,
            opensoul::domain::Lang::default(),
            opensoul::domain::Zone::UTC,
            home.now(),
        )
        .text;
        let command = "claude setup-token && opensoul models auth paste-token --provider anthropic \
                       --profile-id anthropic:default";
        assert!(letter.lines().any(|line| line.trim() == command), "{letter}");
        home.later(minute).cycle().await;
        assert!(home.told().is_empty(), "said once");
    }
}

#[tokio::test]
async fn ask_22_one_message_for_each_episode_and_one_when_it_is_over() {
    let home = Home::new().await;
    let id = "opensoul:main/openai:default";
    let secret = "sk-proj-Zq7Wv8-1";
    home.file(STORE, &store([("openai:default", key("openai", secret))]));
    // A login whose access token ends every quarter of an hour is no news at all.
    let short = |ends: i64| {
        json!({ "access_token": "k", "refresh_token": "r", "expires_at": ends, "expires_in": 900.0 }).to_string()
    };
    for _ in 0..3 {
        home.file(".kimi/credentials/kimi-code.json", &short(home.ago(hours(1)).timestamp()));
        home.says(OPENAI_MODELS, secret, 200, LIST);
        home.later(hours(1)).ask().await.is("kimi:kimi-code", State::Ok, Severity::None);
        home.told();
        home.says(OPENAI_MODELS, secret, 401, r#"{"error":{"code":"invalid_api_key"}}"#);
        home.later(hours(1)).ask().await;
        assert_eq!(home.told(), [format!("critical CredentialRejected {id}")]);
        for _ in 0..30 {
            home.later(chrono::TimeDelta::minutes(5)).cycle().await;
        }
        assert!(home.told().is_empty(), "a state that goes on is no news");
        home.says(OPENAI_MODELS, secret, 200, LIST);
        home.later(hours(1)).ask().await.is(id, State::Static, Severity::None);
        assert_eq!(home.told(), [format!("over: critical CredentialRejected {id}")]);
    }
}

#[tokio::test]
async fn ask_23_where_nobody_looks_a_dead_login_is_detected() {
    let home = Home::today("").await;
    let before = |hours_ago: i64| claude("a", home.ago(hours(hours_ago + 1)), Some(home.ago(hours(hours_ago))));
    home.file(CLAUDE, &before(2));
    let (code, line, _) = home.run(&["status", "--format", "nagios"], &[]).await;
    assert!(code == 2 && line.contains("CRITICAL") && line.contains("claude-code:default"), "{code} {line}");
    assert_eq!(home.run(&["status", "--check"], &[]).await.0, 1);
    home.cycle().await;
    assert_eq!(home.told(), ["critical CredentialExpiring claude-code:default"]);
    // And a live one is not.
    home.file(CLAUDE, &claude("b", home.ago(hours(1)), Some(home.after(days(25)))));
    let (code, line, _) = home.run(&["status", "--format", "nagios"], &[]).await;
    assert!(code == 0 && line.contains("OK"), "{code} {line}");
    assert_eq!(home.run(&["status", "--check"], &[]).await.0, 0);
}

#[tokio::test]
async fn ask_24_the_end_of_a_login_is_told_outside_the_terminal() {
    let home = Home::new().await;
    let ends = home.after(days(20));
    let mut told = Vec::new();
    // Many sessions renew the access token all the time; the end of the login comes nearer.
    for day in 0..20 {
        home.file(CLAUDE, &claude(&format!("s{day}"), home.after(hours(8)), Some(ends)));
        let seen = home.cycle().await;
        assert!(seen.of("claude-code:default").judgement.state.is_usable(), "day {day}");
        told.extend(home.items().into_iter().map(|item| (item.tier.unwrap(), item.severity, item.fix.unwrap())));
        home.later(days(1));
    }
    let login = "claude auth login".to_owned();
    assert_eq!(
        told,
        [
            (Tier::Days14, Severity::Warning, login.clone()),
            (Tier::Days7, Severity::Warning, login.clone()),
            (Tier::Days3, Severity::Critical, login.clone()),
            (Tier::Hours24, Severity::Critical, login),
        ]
    );
}

#[tokio::test]
async fn ask_25_a_refresh_does_not_move_the_end_of_the_login() {
    let home = Home::new().await;
    let ends = home.after(days(27));
    for day in 0..27 {
        home.file(CLAUDE, &claude(&format!("r{day}"), home.after(hours(8)), Some(ends)));
        let seen = home.cycle().await;
        let shown = seen.json_of("claude-code:default");
        assert_eq!(at(shown["grantExpiresAt"].as_str().unwrap()), ends);
        assert_eq!(at(seen.json()["summary"]["nextExpiry"]["at"].as_str().unwrap()), ends);
        home.later(days(1));
    }
    assert!(home.told().iter().all(|line| !line.starts_with("over")), "a renewed access token ends no warning");
    // Renewed an hour before: the access token would last, the login is over.
    home.file(CLAUDE, &claude("last", home.after(hours(7)), Some(ends)));
    let seen = home.cycle().await;
    seen.is("claude-code:default", State::Expired, Severity::Critical);
    assert_eq!(seen.exit(), 1);
}

#[tokio::test]
async fn ask_26_a_browser_session_is_watched_by_its_declared_date() {
    let declared = "[[declared]]\nname = \"claude.ai\"\nprovider = \"anthropic\"\nissued = 2026-12-01T12:00:00Z\n\
                    expires = 2026-12-29T12:00:00Z\nfix = \"log in at claude.ai again\"\n";
    let home = Home::with(declared, &[]).await;
    let ends = home.after(days(28));
    let mut told = Vec::new();
    for day in 0..28 {
        let seen = home.cycle().await;
        let state = if day < 19 { State::Ok } else { State::Expiring };
        assert_eq!(seen.of("declared:claude.ai").judgement.state, state, "day {day}");
        told.extend(home.items().into_iter().map(|item| (item.tier.unwrap(), item.fix.unwrap())));
        home.later(days(1));
    }
    let fix = "log in at claude.ai again".to_owned();
    assert_eq!(told.first().unwrap(), &(Tier::Days14, fix.clone()));
    assert!(told.contains(&(Tier::Days7, fix.clone())) && told.contains(&(Tier::Hours24, fix)), "{told:?}");
    home.until(ends).cycle().await.is("declared:claude.ai", State::Expired, Severity::Critical);
}

#[tokio::test]
async fn ask_27_who_is_told_of_what_can_be_chosen() {
    let hook = |name: &str| {
        format!("[[receivers]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/never-asked\"\n")
    };
    let routes = "[[routes]]\nsubjects = [\"claude-code:*\"]\nreceivers = [\"me\"]\n\
                  [[routes]]\nproviders = [\"openai\"]\nseverity = [\"critical\"]\nreceivers = [\"team\"]\n";
    let home = Home::with(&(hook("me") + &hook("team") + routes), &[]).await;
    home.file(CLAUDE, &claude_emptied());
    home.file(
        STORE,
        &store([
            ("openai:default", token("openai", "t-1", Some(home.ago(hours(1))))),
            ("mistral:default", token("mistral", "t-2", Some(home.ago(hours(1))))),
        ]),
    );
    home.cycle().await;
    // What is missing is looked for twice.
    home.later(hours(1)).cycle().await;
    let of = |message: &opensoul::domain::Notification| {
        let subjects: Vec<&str> = message.items.iter().map(|item| item.subject.as_str()).collect();
        format!("{}: {}", message.receiver, subjects.join(" "))
    };
    let mut sent: Vec<String> = home.sent().iter().map(of).collect();
    sent.sort();
    assert_eq!(
        sent,
        ["me: claude-code:default", "team: opensoul:main/openai:default"],
        "and nobody asked for the third"
    );
}

#[tokio::test]
async fn ask_28_the_end_of_a_setup_token_is_assumed_and_said_to_be() {
    let home = Home::new().await;
    let id = "opensoul:main/anthropic:default";
    home.file(STORE, &store([("anthropic:default", token("anthropic", &setup_token("a"), None))]));
    let first = home.now();
    home.cycle().await.is(id, State::Static, Severity::None);
    home.later(hours(1));
    let seen = home.cycle().await;
    let shown = seen.json_of(id);
    assert_eq!((&shown["grantBasis"], &shown["state"]), (&json!("assumed"), &json!("ok")));
    assert_eq!(at(shown["grantExpiresAt"].as_str().unwrap()), first + days(365));
    assert!(seen.because(id).contains("assumed: first seen 2026-12-01"), "{}", seen.because(id));
    home.until(first + days(334)).cycle().await.is(id, State::Ok, Severity::None);
    assert!(home.told().is_empty());
    home.until(first + days(336)).cycle().await.is(id, State::Expiring, Severity::Warning);
    assert!(home.letters()[0].contains("assumed"));
    // A guess is never called expired, and wakes nobody at night.
    home.until(first + days(366)).cycle().await.is(id, State::Expiring, Severity::Warning);
    assert!(home.items().iter().all(|item| item.severity == Severity::Warning));
}

#[tokio::test]
async fn ask_29_a_year_counts_from_the_day_of_issue_and_warns_a_month_before() {
    let declared = "[[declared]]\nfor = \"opensoul:main/anthropic:default\"\nissued = 2026-06-01T00:00:00Z\n\
                    expires = 2027-06-01T00:00:00Z\n";
    let home = Home::with(declared, &[]).await;
    let (id, ends) = ("opensoul:main/anthropic:default", at("2027-06-01T00:00:00Z"));
    home.file(STORE, &store([("anthropic:default", token("anthropic", &setup_token("a"), None))]));
    let seen = home.cycle().await;
    seen.is(id, State::Ok, Severity::None);
    assert!(seen.text().contains("in 181 d"), "{}", seen.text());
    assert_eq!(seen.json_of(id)["grantBasis"], "declared");
    home.until(ends - days(30) - hours(1)).cycle().await.is(id, State::Ok, Severity::None);
    assert!(home.told().is_empty());
    home.until(ends - days(30)).cycle().await.is(id, State::Expiring, Severity::Warning);
    assert_eq!(home.told(), [format!("warning CredentialExpiring {id}")]);
    home.until(ends).cycle().await.is(id, State::Expired, Severity::Critical);
}

#[tokio::test]
async fn ask_30_every_broken_credential_says_what_to_run() {
    let home = Home::new().await;
    home.file(CLAUDE, &claude_emptied());
    home.file(CODEX, r#"{"OPENAI_API_KEY":null,"tokens":null}"#);
    let revoked = setup_token("gone");
    home.file(
        STORE,
        &store([
            ("anthropic:default", token("anthropic", &revoked, Some(home.after(days(200))))),
            (
                "openai-codex:default",
                json!({ "type": "oauth", "provider": "openai-codex", "access": "", "refresh": "" }),
            ),
        ]),
    );
    let body = r#"{"type":"error","error":{"type":"permission_error","message":"OAuth token has been revoked. Please obtain a new token."}}"#;
    home.says(CLAUDE_USAGE, &revoked, 403, body);
    let seen = home.ask().await;
    let paste =
        "claude setup-token && opensoul models auth paste-token --provider anthropic --profile-id anthropic:default";
    for (id, state, fix) in [
        ("claude-code:default", State::Missing, "claude auth login"),
        ("codex:default", State::Missing, "codex login"),
        ("opensoul:main/anthropic:default", State::Rejected, paste),
        ("opensoul:main/openai-codex:default", State::Missing, "opensoul models auth login --provider openai-codex"),
    ] {
        assert_eq!((seen.of(id).judgement.state, seen.fix(id).as_str()), (state, fix), "{id}");
    }
    // Ended early by the server: said so, with its own date beside it.
    let because = seen.because("opensoul:main/anthropic:default");
    assert!(because.contains("revoked") && !because.contains("it ended"), "{because}");
    assert!(home.letters().concat().contains(paste));
}

#[tokio::test]
async fn ask_31_the_end_is_a_metric() {
    let home = Home::new().await;
    let (gone, coming) = (home.ago(days(1)), home.after(days(9)));
    home.file(
        STORE,
        &store([
            ("anthropic:gone", token("anthropic", "t-1", Some(gone))),
            ("anthropic:coming", token("anthropic", "t-2", Some(coming))),
            ("openai:none", key("openai", "sk-proj-1")),
        ]),
    );
    let text = home.cycle().await.metrics();
    let name = "opensoul_credential_expiration_timestamp_seconds{";
    let value = |id: &str| {
        let of = format!("credential=\"opensoul:main/{id}\"");
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(&of))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let seconds = |time: opensoul::domain::Time| Some(time.timestamp() as f64);
    assert_eq!(value("anthropic:gone"), seconds(gone), "what has expired keeps its series");
    assert_eq!(value("anthropic:coming"), seconds(coming));
    assert_eq!(value("openai:none"), None, "unknown is left out");
}
