//! 39 to 42: what the file says is not what the server says. And dates in the wrong unit, and wrong clocks.

use opensoul::domain::{Severity, State, VerdictKind};
use serde_json::json;

use super::files::*;
use super::home::*;

#[tokio::test]
async fn ask_39_a_date_in_ninety_days_does_not_help_a_revoked_token() {
    let home = Home::new().await;
    let (id, ends) = ("opensoul:main/anthropic:default", home.after(days(90)));
    home.file(STORE, &store([("anthropic:default", token("anthropic", &setup_token("a"), Some(ends)))]));
    home.says(CLAUDE_USAGE, &setup_token("a"), 200, CLAUDE_YES);
    home.ask().await.is(id, State::Ok, Severity::None);
    let no = r#"{"error":{"type":"authentication_error","message":"Invalid bearer token"}}"#;
    home.says(CLAUDE_USAGE, &setup_token("a"), 401, no);
    let seen = home.later(hours(2)).ask().await;
    seen.is(id, State::Rejected, Severity::Critical);
    assert_eq!((seen.exit(), at(seen.json_of(id)["grantExpiresAt"].as_str().unwrap())), (1, ends));
    assert!(seen.because(id).contains("89 d before its own date"), "{}", seen.because(id));
    assert_eq!(home.told(), [format!("critical CredentialRejected {id}")]);
    // Said again without a question: it stays so until there is another token.
    home.later(hours(1)).cycle().await.is(id, State::Rejected, Severity::Critical);
    home.file(
        STORE,
        &store([("anthropic:default", token("anthropic", &setup_token("b"), Some(home.after(days(365)))))]),
    );
    home.cycle().await.is(id, State::Ok, Severity::None);
}

#[tokio::test]
async fn ask_40_the_end_in_a_token_is_an_upper_bound() {
    let home = Home::new().await;
    let ends = home.after(days(10));
    home.file(CODEX, &codex("a", ends, home.now()));
    home.says(CODEX_USAGE, &jwt("a", ends), 200, CODEX_YES);
    home.ask().await.is("codex:default", State::Ok, Severity::None);
    let no = r#"{"error":{"message":"Provided authentication token is expired.","code":"token_expired"}}"#;
    home.says(CODEX_USAGE, &jwt("a", ends), 401, no);
    let seen = home.later(days(3)).ask().await;
    seen.is("codex:default", State::Expired, Severity::Critical);
    assert!(
        seen.because("codex:default").contains("that was 7 d before its own date"),
        "{}",
        seen.because("codex:default")
    );
    assert_eq!(seen.exit(), 1);
    // A refusal without a word of its own (a challenge, a header) proves nothing.
    let other = home.later(hours(1)).after(days(9));
    home.file(CODEX, &codex("b", other, home.now()));
    home.says(CODEX_USAGE, &jwt("b", other), 403, "{}");
    let seen = home.later(hours(2)).ask().await;
    assert!(seen.of("codex:default").judgement.state.is_usable(), "{}", seen.because("codex:default"));
}

#[tokio::test]
async fn ask_41_three_refusals_with_one_number_are_three_things() {
    let home = Home::new().await;
    let id = "claude-code:default";
    for (name, status, message, state, kind) in [
        (
            "revoked",
            403,
            "OAuth token has been revoked. Please obtain a new token.",
            State::Rejected,
            VerdictKind::Revoked,
        ),
        ("disabled", 403, "This organization has been disabled.", State::Forbidden, VerdictKind::Forbidden),
        ("older", 401, "This organization has been disabled.", State::Forbidden, VerdictKind::Forbidden),
        ("scope", 403, "OAuth token does not meet scope requirement user:profile", State::Ok, VerdictKind::Accepted),
    ] {
        home.file(CLAUDE, &claude(name, home.after(hours(8)), Some(home.after(days(25)))));
        let body = json!({ "type": "error", "error": { "type": "permission_error", "message": message } });
        home.says(CLAUDE_USAGE, &setup_token(name), status, &body.to_string());
        let seen = home.later(hours(2)).ask().await;
        let severity = if state == State::Ok { Severity::None } else { Severity::Critical };
        seen.is(id, state, severity);
        assert_eq!(seen.of(id).verdict.as_ref().unwrap().kind, kind, "{name}");
        assert_eq!(seen.exit(), u8::from(state != State::Ok), "{name}");
    }
    assert!(home.told().last().unwrap().starts_with("over"), "the one that only lacks a scope works");
}

#[tokio::test]
async fn ask_42_for_claude_code_only_is_forbidden_and_says_what_to_use() {
    let home = Home::new().await;
    let id = "opensoul:main/anthropic:default";
    home.file(GATEWAY, &models("anthropic/claude-sonnet-4-5", &[]));
    home.file(
        STORE,
        &store([("anthropic:default", token("anthropic", &setup_token("a"), Some(home.after(days(300)))))]),
    );
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#;
    home.says(CLAUDE_USAGE, &setup_token("a"), 400, body);
    let seen = home.ask().await;
    seen.is(id, State::Forbidden, Severity::Critical);
    let because = seen.because(id);
    assert!(because.contains("use an Anthropic API key"), "{because}");
    assert!(!because.contains("ended") && !because.contains("revoked"), "{because}");
    assert_eq!(seen.exit(), 1);
    assert_eq!(home.told(), [format!("critical CredentialForbidden {id}")]);
}

#[tokio::test]
async fn a_date_in_the_wrong_unit_is_read_and_said() {
    let home = Home::new().await;
    let id = "opensoul:main/anthropic:default";
    let mut seconds = token("anthropic", "t-1", None);
    seconds["expires"] = home.after(days(200)).timestamp().into();
    home.file(STORE, &store([("anthropic:default", seconds)]));
    let seen = home.cycle().await;
    seen.is(id, State::Ok, Severity::None);
    assert_eq!(seen.of(id).judgement.expires.unwrap().timestamp(), home.after(days(200)).timestamp(), "never 1970");
    assert!(seen.because(id).contains("is in seconds"), "{}", seen.because(id));
    let mut nonsense = token("anthropic", "t-1", None);
    nonsense["expires"] = 5e17.into();
    home.file(STORE, &store([("anthropic:default", nonsense)]));
    assert_eq!(home.cycle().await.of(id).judgement.state, State::Unknown);
}

#[tokio::test]
async fn a_wrong_clock_is_one_alarm_and_says_nothing_about_dates() {
    let home = Home::new().await;
    let id = "opensoul:main/anthropic:default";
    home.file(
        STORE,
        &store([
            ("anthropic:default", token("anthropic", "t-1", Some(home.after(days(20))))),
            ("openai:default", key("openai", "sk-proj-Zq7Wv8-1")),
        ]),
    );
    home.says_with(OPENAI_MODELS, "sk-proj-Zq7Wv8-1", 200, &[("date", "Fri, 25 Dec 2026 12:00:00 GMT")], LIST);
    let seen = home.ask().await;
    seen.is(id, State::Unknown, Severity::None);
    assert!(seen.snapshot.clock_problem.as_ref().unwrap().contains("behind"));
    assert_eq!(home.told().len(), 1);
}
