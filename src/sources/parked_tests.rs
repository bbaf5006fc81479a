//! The vaults in the shapes that their owners write, and every way in which they break.

use std::os::unix::fs::symlink;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::super::testing::{Home, credentials, every_broken_file, jwt, now};
use super::*;
use crate::domain::{Condition, Credential, Renewal, Span, Time};

const VAULT: &str = ".local/share/caam/vault";
const SWAPPED: &str = ".local/share/claude-swap/credentials";

fn claude_login(token: &str, expires: Time) -> String {
    let (access, grant) = (expires.timestamp_millis(), (now() + Span::days(20)).timestamp_millis());
    format!(
        r#"{{"claudeAiOauth":{{"accessToken":"{token}","refreshToken":"r-{token}","expiresAt":{access},"refreshTokenExpiresAt":{grant}}},"mcpOAuth":{{}}}}"#
    )
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn assert_parked(one: &Credential) {
    assert_eq!((one.owner, one.declared_in_use), (Owner::Secondhand, Some(false)), "{}", one.id);
    assert!(one.notes.iter().any(|note| note == NOTE), "{}", one.id);
}

#[test]
fn copies_of_the_tools_own_files() {
    let home = Home::new();
    let put = |place: &str, text: &str| home.write(&format!("{VAULT}/{place}"), text);
    let passed = now() - Span::days(3);
    put("claude/me@x.org/.credentials.json", &claude_login("a", passed));
    put("claude/me@x.org/meta.json", r#"{"tool":"claude"}"#);
    put("claude/_original/.credentials.json", r#"{"mcpOAuth":{}}"#);
    put("claude/.caam-quarantine/.credentials.json", &claude_login("q", passed));
    let token = jwt(&format!(r#"{{"exp":{}}}"#, passed.timestamp()));
    put(
        "codex/office/auth.json",
        &format!(r#"{{"OPENAI_API_KEY":"sk-1","tokens":{{"access_token":"{token}","refresh_token":"r"}}}}"#),
    );
    put("gemini/g/oauth_creds.json", r#"{"access_token":"ya29","refresh_token":"1//r","expiry_date":1799582400000}"#);
    put("agy/g/antigravity-oauth-token", r#"{"access_token":"ya29","refresh_token":"1//r"}"#);
    put("opencode/o/auth.json", r#"{"anthropic":{"type":"oauth","access":"a","refresh":"r","expires":1799582400000}}"#);
    put("cursor/c/cli-config.json", &format!(r#"{{"authInfo":{{"accessToken":"{token}","refreshToken":"r"}}}}"#));
    put("cursor/named-only/cli-config.json", r#"{"authInfo":{"email":"me@x.org"}}"#);
    put("unknown/u/auth.json", "not looked at");
    let harvest = home.read(&Caam);
    let found = credentials(&harvest);
    let facts: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.provider.as_str(), one.renewal)).collect();
    let expected = [
        ("caam:agy/g", "google-antigravity", Renewal::Auto),
        ("caam:claude/me@x.org", "anthropic", Renewal::Auto),
        ("caam:codex/office/OPENAI_API_KEY", "openai", Renewal::None),
        ("caam:codex/office", "openai-codex", Renewal::Auto),
        ("caam:cursor/c", "cursor", Renewal::Auto),
        ("caam:gemini/g", "google-gemini-cli", Renewal::Auto),
        ("caam:opencode/o/anthropic", "anthropic", Renewal::Auto),
    ];
    assert_eq!(facts, expected);
    found.iter().for_each(assert_parked);
    assert!(harvest.found.iter().all(|found| found.secret.is_none()), "nobody is asked about them");
    let claude = &found[1];
    assert_eq!(
        (claude.clocks.access_expires, claude.clocks.grant_expires),
        (Some(passed), Some(now() + Span::days(20)))
    );
    assert_eq!(claude.fix, "Log in to it again, then: caam backup claude me@x.org");
    assert!(claude.fingerprint.is_some() && claude.refresh_fingerprint.is_some());
    assert!(harvest.findings.is_empty(), "{:?}", harvest.findings);
    assert!(harvest.reports[0].up && harvest.reports[0].looked.contains(&home.path(VAULT)));
}

#[test]
fn its_own_home() {
    let mut home = Home::new();
    home.env.set("CAAM_HOME", "~/c");
    home.write("c/data/vault/claude/a/.credentials.json", claude_login("a", now()));
    home.write(&format!("{VAULT}/claude/b/.credentials.json"), "not looked at");
    let found = credentials(&home.read(&Caam));
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["caam:claude/a"]);
}

#[test]
fn the_one_in_use_is_a_copy_of_the_tools_own() {
    let home = Home::new();
    home.write(".claude/.credentials.json", claude_login("a", now()));
    home.write(&format!("{VAULT}/claude/me/.credentials.json"), claude_login("a", now()));
    let found = credentials(&home.everything());
    let [live, parked] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((live.id.as_str(), parked.id.as_str()), ("claude-code:default", "caam:claude/me"));
    assert_eq!((live.fingerprint, live.refresh_fingerprint), (parked.fingerprint, parked.refresh_fingerprint));
    assert!(live.owner < parked.owner, "the tool's own place is the one that people are told of");
}

#[test]
fn conditions_of_a_parked_login() {
    let place = format!("{VAULT}/claude/me/.credentials.json");
    let of = |text: &str| format!(r#"{{"claudeAiOauth":{text}}}"#);
    for (text, condition, findings) in [
        (of(r#"{"accessToken":"","refreshToken":"","expiresAt":0}"#), Condition::Blanked, 0),
        (of(r#"{"accessToken":7}"#), Condition::Damaged("claudeAiOauth.accessToken is not a text".to_owned()), 1),
        (of(r#"{"accessToken":"a","refreshToken":"r","expiresAt":1799582400}"#), Condition::Present, 0),
        (of(r#"{"accessToken":"a","refreshToken":"r","expiresAt":"soon"}"#), Condition::Present, 1),
    ] {
        let home = Home::new();
        home.write(&place, &text);
        let harvest = home.read(&Caam);
        assert_eq!(harvest.found[0].credential.condition, condition, "{text}");
        assert_parked(&harvest.found[0].credential);
        assert_eq!(harvest.findings.len(), findings, "{text}");
        assert!(harvest.findings.iter().all(|finding| finding.severity == Severity::Info), "nothing stops with it");
    }
}

#[test]
fn files_in_base64() {
    let home = Home::new();
    let passed = now() - Span::days(3);
    let put = |name: &str, text: &str| home.write(&format!("{SWAPPED}/{name}"), text);
    put(".creds-1-me@x.org.enc", &encoded(&claude_login("a", passed)));
    put(".creds-1-me@x.org.enc.prev", "not looked at");
    put(".creds-2-key@x.org.enc", &format!("{}\n", encoded("sk-ant-api03-k")));
    put("notes.txt", "not looked at");
    home.write(".claude-swap-backup/credentials/.creds-3-old@x.org.enc", encoded(&claude_login("o", passed)));
    let harvest = home.read(&ClaudeSwap);
    let found = credentials(&harvest);
    let facts: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.kind, one.clocks.access_expires)).collect();
    let expected = [
        ("claude-swap:1-me@x.org", Kind::Oauth, Some(passed)),
        ("claude-swap:2-key@x.org", Kind::ApiKey, None),
        ("claude-swap:3-old@x.org", Kind::Oauth, Some(passed)),
    ];
    assert_eq!(facts, expected);
    found.iter().for_each(assert_parked);
    assert!(harvest.found.iter().all(|found| found.secret.is_none()));
    assert!(harvest.findings.is_empty(), "{:?}", harvest.findings);
}

#[test]
fn on_a_mac_they_are_in_the_keychain() {
    let mut home = Home::new();
    home.write(
        ".claude-swap-backup/sequence.json",
        r#"{"accounts":{"1":{"email":"a@x.org"},"2":{"email":"b@x.org"},"3":{"email":"c@x.org"},"4":{}},"sequence":[1,2,3]}"#,
    );
    home.write(".claude-swap-backup/credentials/.creds-3-c@x.org.enc", encoded(&claude_login("c", now())));
    let script = format!(
        "[ \"$1 $2 $3 $4 $6\" = 'find-generic-password -s claude-swap -a -w' ] || exit 9\ncase \"$5\" in\naccount-1-a@x.org) echo '{}';;\naccount-2-b@x.org) exit 36;;\n*) exit 9;; esac",
        claude_login("a", now())
    );
    keyring::tests::stand_in(&mut home, "security", &script);
    let harvest = home.with_scene(|scene, harvest| swapped(Platform::Mac, scene, harvest));
    let found = credentials(&harvest);
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["claude-swap:3-c@x.org", "claude-swap:1-a@x.org", "claude-swap:2-b@x.org"]);
    assert!(matches!(&found[2].condition, Condition::Unreadable(why) if why.contains("over ssh")));
    found.iter().for_each(assert_parked);
}

#[test]
fn whatever_is_broken() {
    for (place, contents) in [
        (
            format!("{VAULT}/claude/me/.credentials.json"),
            &["", "{\"claudeAiOauth\":{\"accessToken\":\"tell-nobody", "[]"][..],
        ),
        (format!("{VAULT}/codex/me/auth.json"), &["", "{\"tokens\":\"tell-nobody", "[]"]),
    ] {
        every_broken_file(&Caam, &place, contents, true);
    }
    let cut = encoded(&claude_login("tell-nobody", now()));
    let contents =
        ["", &cut[..cut.len() / 4 * 4 - 3], "tell-nobody!", &encoded("tell-nobody"), &encoded("{\"a\":\"tell-nobody")];
    every_broken_file(&ClaudeSwap, &format!("{SWAPPED}/.creds-1-a.enc"), &contents, true);
    for source in [&Caam as &dyn Source, &ClaudeSwap] {
        let harvest = Home::new().read(source);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
    }
}

#[test]
fn a_vault_that_is_a_link() {
    let home = Home::new();
    home.write("elsewhere/claude/me/.credentials.json", claude_login("a", now()));
    home.write("elsewhere2/claude/you/.credentials.json", claude_login("b", now()));
    std::fs::create_dir_all(home.path(".local/share/caam")).unwrap();
    let lead = |to: &str| {
        let new = home.path("new");
        symlink(home.path(to), &new).unwrap();
        std::fs::rename(&new, home.path(VAULT)).unwrap();
    };
    for (to, id) in [("elsewhere", "caam:claude/me"), ("elsewhere2", "caam:claude/you")] {
        lead(to);
        assert_eq!(credentials(&home.read(&Caam))[0].id.as_str(), id);
    }
}
