//! The documented shape and every way in which it breaks.

use super::super::testing::{Home, now};
use super::*;
use crate::domain::{Clocks, Credential, Owner, Renewal, Span, Time};

const PLACE: &str = ".claude/.credentials.json";

fn login(more: &str) -> String {
    format!(
        r#"{{"claudeAiOauth":{{"accessToken":"sk-ant-oat01-a","refreshToken":"sk-ant-ort01-r"{more}}},"mcpOAuth":{{}}}}"#
    )
}

fn ms(time: Time) -> i64 {
    time.timestamp_millis()
}

fn only(home: &Home) -> (Credential, Harvest) {
    let harvest = home.read(&ClaudeCode);
    assert_eq!(harvest.found.len(), 1, "{:?}", harvest.findings);
    (*harvest.found[0].credential.clone(), harvest)
}

#[test]
fn the_documented_shape() {
    let home = Home::new();
    let (access, grant) = (now() + Span::hours(5), now() + Span::days(20));
    let dates =
        format!(r#","expiresAt":{},"refreshTokenExpiresAt":{},"scopes":["user:inference"]"#, ms(access), ms(grant));
    home.write(PLACE, login(&dates));
    home.write(".claude.json", r#"{"oauthAccount":{"emailAddress":"me@x.org"},"projects":{"/a":{}}}"#);
    let (credential, harvest) = only(&home);
    assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("claude-code:default", "anthropic"));
    assert_eq!((credential.owner, credential.renewal, credential.kind), (Owner::Tool, Renewal::Auto, Kind::Oauth));
    assert_eq!(credential.condition, Condition::Present);
    assert_eq!((credential.clocks.access_expires, credential.clocks.grant_expires), (Some(access), Some(grant)));
    assert_eq!(credential.clocks.grant_basis, Some(Basis::Declared));
    assert_eq!(credential.account.as_deref(), Some("me@x.org"));
    assert_eq!(credential.fix, "claude auth login");
    assert!(credential.fingerprint.is_some() && credential.refresh_fingerprint.is_some());
    assert!(credential.activity.owner_changed.is_some() && credential.notes.is_empty());
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "sk-ant-oat01-a");
    assert!(harvest.findings.is_empty());
    let report = &harvest.reports[0];
    let looked = [PLACE, ".claude/settings.json", ".config/claude-code/auth.json", ".claude.json"];
    let looked = looked.map(|place| home.path(place));
    assert_eq!((report.up, report.credentials, report.looked.as_slice()), (true, 1, looked.as_slice()));
}

#[test]
fn its_own_directory() {
    let mut home = Home::new();
    home.write("my claude/.credentials.json", login(""));
    home.write("my claude/.claude.json", r#"{"oauthAccount":{"emailAddress":"work@x.org"}}"#);
    home.write(PLACE, "not looked at");
    home.env.set("CLAUDE_CONFIG_DIR", "~/my claude");
    let (credential, harvest) = only(&home);
    assert_eq!(credential.fix, "CLAUDE_CONFIG_DIR='~/my claude' claude auth login");
    assert_eq!(credential.account.as_deref(), Some("work@x.org"));
    assert!(harvest.findings.is_empty());
}

#[test]
fn nothing_there() {
    let home = Home::new();
    let registered = r#"{"mcpOAuth":{"server|1":{"serverName":"server","accessToken":"","expiresAt":0}}}"#;
    for content in [None, Some(registered), Some(r#"{"claudeAiOauth":null,"mcpOAuth":7}"#)] {
        if let Some(content) = content {
            home.write(PLACE, content);
        }
        let harvest = home.read(&ClaudeCode);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
        assert_eq!((harvest.reports[0].up, harvest.reports[0].credentials), (true, 0));
    }
}

#[test]
fn conditions_of_a_login() {
    let of = |text: &str| format!(r#"{{"claudeAiOauth":{text}}}"#);
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        (of(r#"{"accessToken":"","refreshToken":"","expiresAt":0,"scopes":[]}"#), Condition::Blanked),
        (of(r#"{"accessToken":"  ","expiresAt":0}"#), Condition::Blanked),
        (of(r#"{"scopes":[]}"#), Condition::Absent("the login has no accessToken".to_owned())),
        (of(r#"{"accessToken":"","refreshToken":"r"}"#), Condition::Present),
        (of(r#"{"accessToken":7,"refreshToken":"r"}"#), damaged("claudeAiOauth.accessToken is not a text")),
        (of(r#"{"accessToken":"a","refreshToken":[]}"#), damaged("claudeAiOauth.refreshToken is not a text")),
        (of(r#""text""#), damaged("claudeAiOauth is not an object")),
    ];
    for (text, condition) in table {
        let home = Home::new();
        home.write(PLACE, &text);
        let (credential, harvest) = only(&home);
        assert_eq!(credential.condition, condition, "{text}");
        assert_eq!(credential.clocks, Clocks::default(), "a logout's zeros are no dates");
        let said: Vec<_> = harvest.findings.iter().map(|finding| finding.id.as_str()).collect();
        let expected: &[&str] =
            if matches!(condition, Condition::Damaged(_)) { &["store.damaged-profile"] } else { &[] };
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn without_a_refresh_token_a_person_must() {
    let home = Home::new();
    home.write(PLACE, format!(r#"{{"claudeAiOauth":{{"accessToken":"a","expiresAt":{}}}}}"#, ms(now())));
    let (credential, _) = only(&home);
    assert_eq!((credential.renewal, credential.clocks.access_expires), (Renewal::Manual, Some(now())));
}

#[test]
fn odd_dates_are_said() {
    let table = [
        ("1799582400", Some(now() - Span::zero()), "in seconds where milliseconds belong", 0),
        ("\"1799582400000\"", Some(now()), "is a number in quotes", 0),
        ("0", None, "is zero or blank", 0),
        ("true", None, "not a date", 1),
        ("-5", None, "negative", 1),
        ("\"soon\"", None, "is no date", 1),
    ];
    for (value, at, words, findings) in table {
        let home = Home::new();
        home.write(PLACE, login(&format!(r#","refreshTokenExpiresAt":{value}"#)));
        let (credential, harvest) = only(&home);
        assert_eq!(credential.clocks.grant_expires.is_some(), at.is_some(), "{value}");
        assert!(credential.notes.iter().any(|note| note.contains(words)), "{value}: {:?}", credential.notes);
        assert_eq!(harvest.findings.len(), findings, "{value}");
        if let Some(finding) = harvest.findings.first() {
            let place = home.relative(&finding.place.to_string());
            assert_eq!(place, format!("~/{PLACE}:1:106 claudeAiOauth.refreshTokenExpiresAt"));
        }
    }
}

#[test]
fn broken_files() {
    type Make = fn(&Home);
    let table: [(&str, Make, &str, &str); 8] = [
        ("truncated", |home| home.write(PLACE, "{\"claudeAiOauth\":\n {\"acc"), "store.unparsable", ":2:6"),
        ("not JSON", |home| home.write(PLACE, "sk-ant-oat01-secret"), "store.unparsable", ":1:1"),
        ("empty", |home| home.write(PLACE, ""), "store.unparsable", ":1:1"),
        ("binary", |home| home.write(PLACE, [b'{', 0xff, 0]), "store.unparsable", ":1:2"),
        ("a list", |home| home.write(PLACE, "[]"), "store.unparsable", ":1:1"),
        ("huge", |home| home.write(PLACE, vec![b' '; 9 << 20]), "store.unreadable", ""),
        ("directory", |home| std::fs::create_dir_all(home.path(PLACE)).unwrap(), "store.unreadable", ""),
        (
            "loop",
            |home| {
                home.write(".claude/x", "");
                std::os::unix::fs::symlink(home.path(PLACE), home.path(PLACE)).unwrap();
            },
            "store.unreadable",
            "",
        ),
    ];
    for (name, make, id, position) in table {
        let home = Home::new();
        make(&home);
        let (credential, harvest) = only(&home);
        let [finding] = harvest.findings.as_slice() else { panic!("{name}: {:?}", harvest.findings) };
        assert_eq!(finding.id, id, "{name}");
        assert_eq!(home.relative(&finding.place.to_string()), format!("~/{PLACE}{position}"), "{name}");
        assert!(!finding.message.contains("secret") && !finding.fix.is_empty());
        let unreadable = matches!(credential.condition, Condition::Unreadable(_));
        assert_eq!(unreadable, id == "store.unreadable", "{name}: {:?}", credential.condition);
        assert!(!harvest.reports[0].up);
    }
}

#[test]
fn a_helper_is_said_and_not_run() {
    let home = Home::new();
    home.write(PLACE, login(""));
    home.write(".claude/settings.json", format!(r#"{{"apiKeyHelper":"touch {}"}}"#, home.path("ran").display()));
    let (credential, _) = only(&home);
    assert!(credential.notes[0].contains("apiKeyHelper"));
    assert!(!home.path("ran").exists());
}

#[test]
fn keys_in_its_settings() {
    let home = Home::new();
    home.write(PLACE, login(""));
    home.write(
        ".claude/settings.json",
        r#"{"env":{"ANTHROPIC_API_KEY":"sk-ant-api03-s","OPENAI_API_KEY":"","ANTHROPIC_MODEL":"m","FOO":"x"},"model":"opus"}"#,
    );
    home.write(".claude.json", r#"{"primaryApiKey":"sk-ant-api03-c","oauthAccount":null}"#);
    let harvest = home.read(&ClaudeCode);
    let facts: Vec<_> = harvest
        .found
        .iter()
        .map(|found| (found.credential.id.as_str(), found.secret.as_ref().map(Secret::expose)))
        .collect();
    let expected = [
        ("claude-code:api-key", Some("sk-ant-api03-c")),
        ("claude-code:default", Some("sk-ant-oat01-a")),
        ("claude-code:settings/ANTHROPIC_API_KEY", Some("sk-ant-api03-s")),
    ];
    assert_eq!(facts, expected);
    assert_eq!(
        harvest.found[1].credential.notes,
        ["settings.json sets ANTHROPIC_API_KEY, which goes before this login"]
    );
    assert_eq!(
        home.relative(&harvest.found[2].credential.fix),
        "Make a new key at anthropic, then set ANTHROPIC_API_KEY in ~/.claude/settings.json."
    );
    home.write(
        ".claude/settings.json",
        r#"{"env":{"ANTHROPIC_AUTH_TOKEN":"t","ANTHROPIC_BASE_URL":"https://proxy.example"}}"#,
    );
    let proxied = home.read(&ClaudeCode).found.remove(2);
    assert!(proxied.secret.is_none() && proxied.credential.notes[0].contains("proxy.example, which is not asked"));
    super::super::testing::breaks(&ClaudeCode, ".claude/settings.json", false);
}

#[test]
fn what_versions_of_long_ago_left() {
    const OLD: &str = ".config/claude-code/auth.json";
    let home = Home::new();
    let end = now() + Span::hours(5);
    for text in [
        login(&format!(r#","expiresAt":{}"#, ms(end))),
        format!(r#"{{"accessToken":"a","refreshToken":"r","expiresAt":{}}}"#, ms(end)),
    ] {
        home.write(OLD, text);
        let (credential, harvest) = only(&home);
        assert_eq!((credential.id.as_str(), credential.declared_in_use), ("claude-code:legacy", Some(false)));
        assert_eq!((credential.clocks.access_expires, harvest.findings.len()), (Some(end), 0));
    }
    home.write(OLD, r#"{"other":1}"#);
    assert!(home.read(&ClaudeCode).found.is_empty());
    super::super::testing::breaks(&ClaudeCode, OLD, false);
}

/// A keychain that knows these services (and no others), checking how it is asked.
fn mac(home: &mut Home, services: &[(&str, &str)]) {
    let cases: String = services.iter().map(|(service, answer)| format!("'{service}') {answer};;\n")).collect();
    let script = format!(
        "[ \"$1 $2 $4 $#\" = 'find-generic-password -s -w 4' ] || exit 9\ncase \"$3\" in\n{cases}*) exit 44;; esac"
    );
    keyring::tests::stand_in(home, "security", &script);
    std::fs::create_dir_all(home.path(".claude")).unwrap();
}

fn on_mac(home: &Home) -> Harvest {
    home.with_scene(|scene, harvest| read_on(Platform::Mac, scene, harvest))
}

#[test]
fn on_a_mac_the_keychain_goes_before_the_file() {
    let mut home = Home::new();
    home.write(PLACE, login(r#","expiresAt":1"#));
    let blob = format!("echo '{}'", login(&format!(r#","expiresAt":{}"#, ms(now()))));
    mac(&mut home, &[("Claude Code-credentials", &blob), ("Claude Code", "echo sk-ant-api03-k")]);
    let harvest = on_mac(&home);
    let ids: Vec<&str> = harvest.found.iter().map(|found| found.credential.id.as_str()).collect();
    assert_eq!(ids, ["claude-code:api-key", "claude-code:default"]);
    let credential = &harvest.found[1].credential;
    assert_eq!((credential.clocks.access_expires, &credential.origin.path), (Some(now()), &None));
    assert_eq!(harvest.found[1].secret.as_ref().unwrap().expose(), "sk-ant-oat01-a");
    assert_eq!(harvest.found[0].credential.kind, Kind::ApiKey);
    assert!(harvest.findings.is_empty() && harvest.reports[0].up);
    assert!(harvest.reports[0].looked.contains(&"keyring item Claude Code-credentials".into()));
    // Elsewhere the keychain does not exist.
    assert_eq!(only(&home).0.origin.path, Some(home.path(PLACE).into()));
}

#[test]
fn on_a_mac_without_an_item_the_file_counts() {
    let mut home = Home::new();
    mac(&mut home, &[]);
    assert!(on_mac(&home).found.is_empty());
    home.write(PLACE, login(""));
    assert_eq!(on_mac(&home).found[0].credential.origin.path, Some(home.path(PLACE).into()));
    mac(&mut home, &[("Claude Code-credentials", "exit 36")]);
    let credential = on_mac(&home).found.remove(0).credential;
    assert!(credential.notes.iter().any(|note| note.contains("over ssh")), "{:?}", credential.notes);
    std::fs::remove_file(home.path(PLACE)).unwrap();
    let harvest = on_mac(&home);
    let credential = &harvest.found[0].credential;
    assert!(matches!(&credential.condition, Condition::Unreadable(why) if why.contains("over ssh")));
    assert_eq!(credential.declared_in_use, Some(false), "it alarms nobody");
    assert_eq!((credential.id.as_str(), harvest.reports[0].up), ("claude-code:default", true));
}

#[test]
fn the_name_of_the_item_follows_the_directory_as_it_is_written() {
    let table: [(&[(&str, &str)], &str); 5] = [
        (&[], "Claude Code-credentials"),
        (&[("CLAUDE_CONFIG_DIR", "/x/y")], "Claude Code-credentials-62b0ea75"),
        (&[("CLAUDE_CONFIG_DIR", "/x/y/")], "Claude Code-credentials-36a73724"),
        (&[("CLAUDE_CONFIG_DIR", "/x/y"), ("CLAUDE_SECURESTORAGE_CONFIG_DIR", "")], "Claude Code-credentials"),
        (
            &[("CLAUDE_CONFIG_DIR", "/z"), ("CLAUDE_SECURESTORAGE_CONFIG_DIR", "/x/y")],
            "Claude Code-credentials-62b0ea75",
        ),
    ];
    for (variables, expected) in table {
        let mut env = Environment::default();
        variables.iter().for_each(|(name, value)| env.set(*name, *value));
        assert_eq!(format!("Claude Code-credentials{}", suffix(&env)), expected, "{variables:?}");
    }
}

#[test]
fn broken_items() {
    for (answer, condition) in [
        ("echo nonsense", Condition::Damaged("keyring item Claude Code-credentials is not JSON".to_owned())),
        (r#"echo '{"claudeAiOauth":{"accessToken":"","refreshToken":"","expiresAt":0}}'"#, Condition::Blanked),
        (r#"echo '{"claudeAiOauth":7}'"#, Condition::Damaged("claudeAiOauth is not an object".to_owned())),
        ("true", Condition::Damaged("keyring item Claude Code-credentials is empty".to_owned())),
    ] {
        let mut home = Home::new();
        mac(&mut home, &[("Claude Code-credentials", answer)]);
        let harvest = on_mac(&home);
        assert_eq!(harvest.found[0].credential.condition, condition, "{answer}");
        assert_eq!(harvest.found[0].credential.origin.path, None);
    }
    let mut home = Home::new();
    mac(&mut home, &[("Claude Code-credentials", r#"echo '{"mcpOAuth":{}}'"#)]);
    assert!(on_mac(&home).found.is_empty());
    // Where it was never used nothing is asked.
    std::fs::remove_dir_all(home.path(".claude")).unwrap();
    mac(&mut home, &[("Claude Code-credentials", ": >\"$HOME/asked\"")]);
    std::fs::remove_dir_all(home.path(".claude")).unwrap();
    assert!(on_mac(&home).found.is_empty() && !home.path("asked").exists());
}

#[test]
fn logins_of_mcp_servers() {
    let home = Home::new();
    home.write(
        PLACE,
        r#"{"mcpOAuth":{
            "linear|1":{"serverName":"linear","serverUrl":"https://mcp.linear.app/sse","clientId":"c","accessToken":"at-linear","refreshToken":"rt-linear","expiresAt":1795000000000,"scope":""},
            "linear|2":{"serverName":"linear","serverUrl":"https://other.example.org/mcp","accessToken":"at-other","expiresAt":1895000000000},
            "plugin:sentry:sentry|3":{"serverName":"plugin:sentry:sentry","accessToken":"","expiresAt":0},
            "odd|4":{"serverName":"odd","accessToken":7},
            "nothing":null}}"#,
    );
    let harvest = home.read(&ClaudeCode);
    let ids: Vec<_> = harvest.found.iter().map(|one| one.credential.id.as_str()).collect();
    assert_eq!(ids, ["claude-code:mcp/linear", "claude-code:mcp/linear|2", "claude-code:mcp/odd"]);
    let [linear, other, odd] = [0, 1, 2].map(|n| &harvest.found[n].credential);
    assert_eq!((linear.provider.as_str(), other.provider.as_str()), ("mcp:mcp.linear.app", "mcp:other.example.org"));
    assert_eq!((linear.renewal, other.renewal), (Renewal::Auto, Renewal::Manual));
    assert!(linear.refresh_fingerprint.is_some() && linear.fix.contains("/mcp"), "{linear:?}");
    assert!(matches!(odd.condition, Condition::Damaged(_)), "{odd:?}");
    for one in &harvest.found {
        assert!(one.secret.is_none(), "its token goes nowhere");
        assert_eq!(one.credential.declared_in_use, Some(false));
    }
}

#[test]
fn whoever_has_another_way_needs_no_login() {
    const BLANKED: &str = r#"{"claudeAiOauth":{"accessToken":"","refreshToken":"","expiresAt":0}}"#;
    let used = |settings: &str, variable: Option<(&str, &str)>, text: &str| {
        let mut home = Home::new();
        home.write(PLACE, text);
        home.write(".claude/settings.json", settings);
        if let Some((name, value)) = variable {
            home.env.set(name, value);
        }
        let harvest = home.read(&ClaudeCode);
        let login = harvest.found.iter().find(|found| found.credential.id.as_str() == "claude-code:default");
        login.expect("the login").credential.declared_in_use
    };
    assert_eq!(used("{}", None, BLANKED), None);
    for settings in [
        r#"{"apiKeyHelper":"/bin/x"}"#,
        r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"1"}}"#,
        r#"{"env":{"CLAUDE_CODE_USE_VERTEX":true}}"#,
        r#"{"env":{"ANTHROPIC_API_KEY":"sk-ant-api03-a"}}"#,
    ] {
        assert_eq!(used(settings, None, BLANKED), Some(false), "{settings}");
        assert_eq!(used(settings, None, &login("")), Some(false), "{settings}");
    }
    assert_eq!(used(r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"0"}}"#, None, BLANKED), None);
    for variable in ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_FOUNDRY"]
    {
        assert_eq!(used("{}", Some((variable, "1")), BLANKED), Some(false), "{variable}");
        assert_eq!(used("{}", Some((variable, "1")), &login("")), None, "{variable}: another shell may need the login");
    }
}

#[test]
fn an_account_file_that_cannot_be_read_is_said_and_alarms_nobody() {
    let huge = vec![b' '; 9 << 20];
    for content in [&b"{\"oauthAccount\""[..], &huge] {
        let home = Home::new();
        home.write(".claude.json", content);
        let harvest = home.read(&ClaudeCode);
        let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
        assert_eq!((finding.severity, finding.place.path.clone()), (Severity::Info, Some(home.path(".claude.json"))));
        assert!(harvest.found.is_empty() && harvest.reports[0].up);
    }
    let looked = Home::new();
    let places = &looked.read(&ClaudeCode).reports[0].looked;
    for place in [".claude.json", ".config/claude-code/auth.json"] {
        assert!(places.contains(&looked.path(place)), "it may appear: {place}");
    }
}
