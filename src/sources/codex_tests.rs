//! The documented shape and every way in which it breaks.

use super::super::testing::{Home, jwt, now};
use super::*;
use crate::domain::{Basis, Credential, Renewal, Span, Time};

const PLACE: &str = ".codex/auth.json";

fn file(access: &str, refresh: &str, more: &str) -> String {
    let id = jwt(r#"{"email":"me@x.org"}"#);
    format!(
        r#"{{"OPENAI_API_KEY":null,"tokens":{{"id_token":"{id}","access_token":"{access}","refresh_token":"{refresh}","account_id":"acc"}}{more}}}"#
    )
}

fn access(at: Time) -> String {
    jwt(&format!(r#"{{"exp":{}}}"#, at.timestamp()))
}

fn read(home: &Home) -> (Vec<Credential>, Harvest) {
    let harvest = home.read(&Codex);
    (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
}

#[test]
fn the_documented_shape() {
    let home = Home::new();
    let end = now() + Span::days(9);
    home.write(PLACE, file(&access(end), "rt_x", r#","last_refresh":"2027-01-09T12:00:00.123Z""#));
    let (credentials, harvest) = read(&home);
    let [credential] = credentials.as_slice() else { panic!("{credentials:?}") };
    assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("codex:default", "openai-codex"));
    assert_eq!((credential.renewal, credential.kind), (Renewal::Auto, Kind::Oauth));
    assert_eq!((credential.clocks.access_expires, credential.clocks.grant_expires), (Some(end), None));
    assert_eq!(credential.clocks.last_renewed, "2027-01-09T12:00:00.123Z".parse().ok());
    assert_eq!(credential.account.as_deref(), Some("me@x.org"));
    assert_eq!(credential.fix, "codex login");
    assert!(credential.notes.is_empty() && harvest.findings.is_empty());
    assert_eq!(harvest.reports[0].looked, [".codex/.credentials.json", PLACE].map(|place| home.path(place)));
}

#[test]
fn homes() {
    let mut home = Home::new();
    home.write(".config/codex/auth.json", file(&access(now()), "rt_legacy", ""));
    let (legacy, _) = read(&home);
    assert_eq!(legacy[0].origin.path, Some(home.path(".config/codex/auth.json").into()));
    home.write(PLACE, file(&access(now()), "rt_new", ""));
    let (new, _) = read(&home);
    assert_eq!((new.len(), new[0].origin.path.clone()), (1, Some(home.path(PLACE).into())));
    home.env.set("CODEX_HOME", home.path("elsewhere").to_str().unwrap().to_owned());
    let (none, harvest) = read(&home);
    assert!(none.is_empty());
    let looked = ["elsewhere/.credentials.json", "elsewhere/auth.json"].map(|place| home.path(place));
    assert_eq!(harvest.reports[0].looked, looked);
    home.write("elsewhere/auth.json", file(&access(now()), "rt_else", ""));
    assert!(read(&home).0[0].fix.starts_with("CODEX_HOME=/"));
}

#[test]
fn api_key_and_other_modes() {
    type Expected = (&'static str, &'static str, Kind, Renewal);
    let table: [(&str, &[Expected]); 6] = [
        (
            r#"{"auth_mode":"ApiKey","OPENAI_API_KEY":"sk-proj-x","tokens":null}"#,
            &[("codex:OPENAI_API_KEY", "openai", Kind::ApiKey, Renewal::None)],
        ),
        (
            r#"{"personal_access_token":"pat"}"#,
            &[("codex:personal_access_token", "openai-codex", Kind::Token, Renewal::Manual)],
        ),
        (
            r#"{"OPENAI_API_KEY":"sk-x","tokens":{"access_token":"opaque","refresh_token":"r"}}"#,
            &[
                ("codex:OPENAI_API_KEY", "openai", Kind::ApiKey, Renewal::None),
                ("codex:default", "openai-codex", Kind::Oauth, Renewal::Auto),
            ],
        ),
        (r#"{"tokens":{"access_token":"opaque"}}"#, &[("codex:default", "openai-codex", Kind::Oauth, Renewal::Manual)]),
        (r#"{"agent_identity":{}}"#, &[]),
        (r#"{"agent_identity":"opaque"}"#, &[("codex:agent_identity", "openai-codex", Kind::Token, Renewal::Manual)]),
    ];
    for (text, expected) in table {
        let home = Home::new();
        home.write(PLACE, text);
        let (credentials, harvest) = read(&home);
        let found: Vec<_> =
            credentials.iter().map(|c| (c.id.as_str(), c.provider.as_str(), c.kind, c.renewal)).collect();
        assert_eq!(found, expected, "{text}");
        assert!(harvest.findings.is_empty());
    }
}

#[test]
fn empty_tokens_beside_a_key_are_none() {
    let home = Home::new();
    home.write(
        PLACE,
        r#"{"OPENAI_API_KEY":"sk-proj-x","tokens":{"access_token":"","refresh_token":"","id_token":""}}"#,
    );
    let (credentials, _) = read(&home);
    let used: Vec<_> = credentials.iter().map(|one| (one.id.as_str(), one.declared_in_use)).collect();
    assert_eq!(used, [("codex:OPENAI_API_KEY", None), ("codex:default", Some(false))]);
}

#[test]
fn a_personal_token_that_is_a_jwt_says_when_it_ends() {
    let home = Home::new();
    home.write(PLACE, format!(r#"{{"personal_access_token":"{}"}}"#, access(now())));
    let credential = read(&home).0.remove(0);
    assert_eq!((credential.clocks.grant_expires, credential.clocks.grant_basis), (Some(now()), Some(Basis::Decoded)));
}

#[test]
fn conditions_of_a_login() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        (r#"{"OPENAI_API_KEY":null,"tokens":null}"#, Condition::Blanked),
        (r#"{}"#, Condition::Blanked),
        (r#"{"tokens":{"access_token":"","refresh_token":""}}"#, Condition::Blanked),
        (r#"{"tokens":{"access_token":1}}"#, damaged("tokens.access_token is not a text")),
        (r#"{"tokens":{"access_token":"a","refresh_token":{}}}"#, damaged("tokens.refresh_token is not a text")),
        (r#"{"tokens":[]}"#, damaged("tokens is not an object")),
    ];
    for (text, condition) in table {
        let home = Home::new();
        home.write(PLACE, text);
        let (credentials, harvest) = read(&home);
        assert_eq!(credentials[0].condition, condition, "{text}");
        assert_eq!(harvest.findings.len(), usize::from(matches!(condition, Condition::Damaged(_))), "{text}");
    }
}

#[test]
fn odd_dates_are_said() {
    let with = |token: &str, more: &str| {
        let home = Home::new();
        home.write(PLACE, file(token, "rt", more));
        let (mut credentials, harvest) = read(&home);
        (credentials.remove(0), harvest.findings.len())
    };
    let (opaque, _) = with("opaque", "");
    assert!(opaque.notes[0].contains("no JWT") && opaque.clocks.access_expires.is_none());
    let (silent, _) = with(&jwt("{}"), "");
    assert!(silent.notes[0].contains("does not say when it ends"));
    let (milliseconds, _) = with(&jwt(&format!(r#"{{"exp":{}}}"#, now().timestamp_millis())), "");
    assert_eq!(milliseconds.clocks.access_expires, Some(now()));
    assert!(milliseconds.notes[0].contains("in milliseconds where seconds belong"));
    let (number, _) = with(&access(now()), r#","last_refresh":1799582400"#);
    assert_eq!(number.clocks.last_renewed, Some(now()));
    let (broken, findings) = with(&access(now()), r#","last_refresh":"yesterday""#);
    assert_eq!((broken.clocks.last_renewed, findings), (None, 1));
}

#[test]
fn broken_files() {
    type Make = fn(&Home);
    let table: [(&str, Make, &str, &str); 5] = [
        ("truncated", |home| home.write(PLACE, "{\n\n\"tokens\":{"), "store.unparsable", ":3:10"),
        ("not JSON", |home| home.write(PLACE, "rt_secret"), "store.unparsable", ":1:1"),
        ("binary", |home| home.write(PLACE, [0xfe, 0xff]), "store.unparsable", ":1:1"),
        ("huge", |home| home.write(PLACE, vec![b'['; 9 << 20]), "store.unreadable", ""),
        ("directory", |home| std::fs::create_dir_all(home.path(PLACE)).unwrap(), "store.unreadable", ""),
    ];
    for (name, make, id, position) in table {
        let home = Home::new();
        make(&home);
        let (credentials, harvest) = read(&home);
        let [finding] = harvest.findings.as_slice() else { panic!("{name}: {:?}", harvest.findings) };
        assert_eq!(finding.id, id, "{name}");
        assert_eq!(home.relative(&finding.place.to_string()), format!("~/{PLACE}{position}"), "{name}");
        assert!(!finding.message.contains("secret"));
        assert_eq!((credentials.len(), harvest.reports[0].up), (1, false), "{name}");
    }
}

/// A home that keeps its login as `store` says, and a keyring that gives this answer to the one right question.
fn kept(store: &str, answer: &str) -> Home {
    let mut home = Home::new();
    home.write(".codex/config.toml", format!("model = \"x\"\ncli_auth_credentials_store = \"{store}\"\n[a]\nb = 1\n"));
    let real = home.path(".codex").canonicalize().unwrap();
    let account = keyring::short_hash(real.to_str().unwrap(), 16);
    let script = format!("[ \"$*\" = 'search service Codex Auth username cli|{account}' ] || exit 9\n{answer}");
    keyring::tests::stand_in(&mut home, "secret-tool", &script);
    home
}

fn on_linux(home: &Home) -> (Vec<Credential>, Harvest) {
    let harvest = home.with_scene(|scene, harvest| read_on(Platform::Linux, scene, harvest));
    (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
}

fn item(text: &str) -> String {
    format!("printf '%s\\n' '[/x/1]' 'label = l' 'secret = {text}' 'created = 2026-11-02'")
}

#[test]
fn a_login_in_the_keyring() {
    for store in ["keyring", "auto"] {
        let end = now() + Span::days(9);
        let home = kept(store, &item(&file(&access(end), "rt_x", "")));
        let (credentials, harvest) = on_linux(&home);
        let [credential] = credentials.as_slice() else { panic!("{store}: {credentials:?}") };
        assert_eq!((credential.id.as_str(), credential.clocks.access_expires), ("codex:default", Some(end)));
        assert_eq!((&credential.origin.path, credential.condition.clone()), (&None, Condition::Present));
        assert!(harvest.findings.is_empty() && harvest.reports[0].up && harvest.found[0].secret.is_some());
    }
}

#[test]
fn a_keyring_that_does_not_give_it() {
    let locked = on_linux(&kept("keyring", &item("")));
    assert!(matches!(&locked.0[0].condition, Condition::Unreadable(why) if why.contains("locked")), "{:?}", locked.0);
    assert!(locked.1.reports[0].up && locked.0[0].declared_in_use == Some(false), "it alarms nobody");
    assert!(on_linux(&kept("keyring", "")).0.is_empty(), "logged out");
    assert!(on_linux(&kept("auto", "")).0.is_empty());
    let broken = on_linux(&kept("keyring", &item("rt_secret")));
    assert_eq!(broken.0[0].condition, Condition::Damaged("keyring item Codex Auth is not JSON".to_owned()));
    let encrypted = kept("keyring", "");
    encrypted.write(".codex/secrets/codex_auth.age", "age");
    assert!(
        matches!(&on_linux(&encrypted).0[0].condition, Condition::Unreadable(why) if why.contains("codex_auth.age"))
    );
    let mut nobody = kept("keyring", &item("{}"));
    nobody.env.set("DBUS_SESSION_BUS_ADDRESS", "");
    assert!(matches!(&on_linux(&nobody).0[0].condition, Condition::Unreadable(why) if why.contains("no session")));
}

#[test]
fn the_file_counts_by_where_logins_are_kept() {
    let text = file(&access(now()), "rt_file", "");
    let asked = ": >\"$HOME/asked\"";
    for (store, used, asks) in [
        ("file", None, false),
        ("auto", None, false),
        ("nonsense", None, false),
        ("ephemeral", Some(false), false),
        ("keyring", Some(false), true),
    ] {
        let home = kept(store, asked);
        home.write(PLACE, &text);
        let (credentials, _) = on_linux(&home);
        assert_eq!((credentials.len(), credentials[0].declared_in_use), (1, used), "{store}");
        let id = if used.is_none() { "codex:default" } else { "codex:auth.json/default" };
        assert_eq!(credentials[0].id.as_str(), id, "{store}: the keyring may have one of that name");
        assert_eq!(home.path("asked").exists(), asks, "{store}");
    }
    let plain = Home::new();
    plain.write(".codex/config.toml", "[broken");
    plain.write(PLACE, &text);
    assert_eq!(on_linux(&plain).0[0].declared_in_use, None);
}

#[test]
fn logins_of_mcp_servers() {
    let home = Home::new();
    let text = r#"{"asana|3f9a":{"server_name":"asana","server_url":"https://mcp.asana.com/sse","client_id":"c",
        "access_token":"at","expires_at":1895000000000,"refresh_token":"rt","scopes":["openid"]}}"#;
    home.write(".codex/.credentials.json", text);
    let harvest = home.read(&Codex);
    let [found] = &harvest.found[..] else { panic!("{}", harvest.found.len()) };
    let credential = &found.credential;
    assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("codex:mcp/asana", "mcp:mcp.asana.com"));
    assert_eq!((credential.fix.as_str(), credential.declared_in_use), ("codex mcp login asana", Some(false)));
    assert!(found.secret.is_none() && credential.refresh_fingerprint.is_some());
    // A broken one is said, and is no login of Codex's own.
    home.write(".codex/.credentials.json", "{\"asana");
    let harvest = home.read(&Codex);
    assert!(harvest.found.is_empty() && harvest.findings.len() == 1);
}
