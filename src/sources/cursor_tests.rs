//! Both logins in their documented shapes, and broken.

use super::super::testing::{Home, database, every_broken_file, every_database, jwt, now};
use super::*;
use crate::domain::{Renewal, Span, Time};

const AUTH: &str = ".config/cursor/auth.json";
const CONFIG: &str = ".cursor/cli-config.json";
const STATE: &str = ".config/Cursor/User/globalStorage/state.vscdb";

fn end() -> Time {
    now() + Span::days(40)
}

fn token() -> String {
    jwt(&format!(r#"{{"exp":{}}}"#, end().timestamp()))
}

fn login() -> String {
    format!(r#"{{"accessToken":"{}","refreshToken":"r"}}"#, token())
}

#[test]
fn the_command_lines_file() {
    for place in [AUTH, ".cursor/auth.json"] {
        let home = Home::new();
        home.write(place, login());
        home.write(CONFIG, r#"{"version":1,"authInfo":{"email":"me@x.org","authId":"a"}}"#);
        let harvest = home.read(&CursorCli);
        let [found] = harvest.found.as_slice() else { panic!("{place}: {:?}", harvest.findings) };
        let credential = &found.credential;
        assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("cursor:default", "cursor"));
        assert_eq!((credential.renewal, credential.clocks.access_expires), (Renewal::Auto, Some(end())));
        assert_eq!((credential.account.as_deref(), credential.fix.as_str()), (Some("me@x.org"), "cursor-agent login"));
    }
}

#[test]
fn its_own_directory_comes_first() {
    let mut home = Home::new();
    home.env.set("CURSOR_CONFIG_DIR", "~/own");
    home.write(AUTH, login());
    assert_eq!(home.read(&CursorCli).found[0].credential.origin.path, Some(home.path(AUTH).into()));
    home.write("own/auth.json", login());
    let harvest = home.read(&CursorCli);
    assert_eq!(
        (harvest.found.len(), harvest.found[0].credential.origin.path.clone()),
        (1, Some(home.path("own/auth.json").into()))
    );
}

#[test]
fn an_account_with_and_without_its_tokens() {
    let home = Home::new();
    home.write(CONFIG, format!(r#"{{"authInfo":{{"email":"me@x.org",{}}}"#, &login()[1..]));
    let found = home.read(&CursorCli).found;
    assert_eq!((found[0].credential.clocks.access_expires, found[0].secret.is_some()), (Some(end()), true));

    home.write(CONFIG, r#"{"authInfo":{"email":"me@x.org"}}"#);
    let found = home.read(&CursorCli).found;
    assert!(
        matches!(&found[0].credential.condition, Condition::Unreadable(why) if why.contains("cursor-access-token"))
    );
    assert_eq!(found[0].credential.account.as_deref(), Some("me@x.org"));

    for nothing in ["{}", r#"{"authInfo":null}"#, r#"{"authInfo":[]}"#] {
        home.write(CONFIG, nothing);
        assert!(home.read(&CursorCli).found.is_empty(), "{nothing}");
    }
}

#[test]
fn conditions_of_the_command_lines_login() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        (r#"{"accessToken":"","refreshToken":""}"#, Condition::Blanked),
        ("{}", Condition::Absent("the login has no accessToken".to_owned())),
        (r#"{"accessToken":{}}"#, damaged("accessToken is not a text")),
        (r#"{"accessToken":"opaque","refreshToken":"r"}"#, Condition::Present),
    ];
    for (text, condition) in table {
        let home = Home::new();
        home.write(AUTH, text);
        assert_eq!(home.read(&CursorCli).found[0].credential.condition, condition, "{text}");
    }
}

#[test]
fn the_applications_database() {
    let quoted = format!("\"{}\"", token());
    for (text, wal) in [(token(), false), (quoted, false), (token(), true)] {
        let home = Home::new();
        let rows = [
            ("cursorAuth/accessToken", text.as_str()),
            ("cursorAuth/refreshToken", "r"),
            ("cursorAuth/cachedEmail", "me@x.org"),
        ];
        drop(database(
            &home,
            STATE,
            wal,
            "CREATE TABLE ItemTable(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)",
            ("ItemTable", &rows),
        ));
        let before = home.tree();
        let harvest = home.read(&CursorApp);
        assert_eq!(home.tree(), before, "reading leaves no trace");
        let [found] = harvest.found.as_slice() else { panic!("{:?}", harvest.findings) };
        let credential = &found.credential;
        assert_eq!((credential.id.as_str(), credential.clocks.access_expires), ("cursor-app:default", Some(end())));
        assert_eq!(credential.account.as_deref(), Some("me@x.org"));
        assert_eq!(found.secret.as_ref().unwrap().expose(), token());
        assert!(credential.activity.owner_changed.is_some() && credential.origin.modified.is_some());
    }
}

#[test]
fn the_application_in_use_signed_out_or_never_signed_in() {
    let state = |rows: &[(&str, &str)]| {
        let home = Home::new();
        let open = database(&home, STATE, true, "CREATE TABLE ItemTable(key TEXT, value BLOB)", ("ItemTable", rows));
        let harvest = home.read(&CursorApp);
        assert!(harvest.findings.is_empty(), "{:?}", harvest.findings);
        drop(open);
        harvest.found.into_iter().map(|found| found.credential.condition).collect::<Vec<_>>()
    };
    assert_eq!(state(&[("cursorAuth/accessToken", "a"), ("cursorAuth/refreshToken", "r")]), [Condition::Present]);
    assert_eq!(state(&[("cursorAuth/accessToken", ""), ("cursorAuth/refreshToken", "")]), [Condition::Blanked]);
    assert_eq!(state(&[("other", "x")]), []);
    let home = Home::new();
    drop(database(&home, STATE, false, "CREATE TABLE other(key TEXT, value TEXT)", ("other", &[])));
    let harvest = home.read(&CursorApp);
    assert!(harvest.found.is_empty() && harvest.findings.is_empty());
}

#[test]
fn in_whatever_state_a_database_is() {
    let schema = "CREATE TABLE ItemTable(key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)";
    let rows = [("cursorAuth/accessToken", "a"), ("cursorAuth/refreshToken", "r")];
    every_database(&CursorApp, STATE, |home, place, wal| database(home, place, wal, schema, ("ItemTable", &rows)));
}

#[test]
fn whatever_is_broken() {
    every_broken_file(&CursorCli, AUTH, &["", r#"{"accessToken":"tell-nobody"#, "[]"], true);
    every_broken_file(&CursorCli, CONFIG, &["", "{", "[]"], false);
    let text = "SQLite format 3\0".to_owned() + &"tell-nobody".repeat(200);
    every_broken_file(&CursorApp, STATE, &["", "cut", &text], false);
    for source in [&CursorCli as &dyn Source, &CursorApp] {
        let harvest = Home::new().read(source);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
    }
}

#[test]
fn on_a_mac_the_tokens_are_in_the_keychain() {
    let read = |home: &Home| home.with_scene(|scene, harvest| read_on(Platform::Mac, scene, harvest));
    let mut home = Home::new();
    let check = "[ \"$*\" = 'find-generic-password -s cursor-access-token -a cursor-user' ] || exit 9";
    keyring::tests::stand_in(&mut home, "security", &format!("{check}\necho keychain"));
    assert!(read(&home).found.is_empty(), "never used here: nothing is asked");
    home.write(CONFIG, r#"{"authInfo":{"email":"me@x.org"}}"#);
    let harvest = read(&home);
    let [found] = harvest.found.as_slice() else { panic!("{}", harvest.found.len()) };
    let credential = &found.credential;
    assert!(matches!(&credential.condition, Condition::Unreadable(why) if why.contains("its own tool only")));
    assert_eq!((credential.account.as_deref(), credential.declared_in_use), (Some("me@x.org"), Some(false)));
    assert!(harvest.findings.is_empty());
    // With its tokens in a file it is not asked; nor where it is told to use one.
    home.write(".cursor/auth.json", login());
    assert!(read(&home).found[0].secret.is_some());
    std::fs::remove_file(home.path(".cursor/auth.json")).unwrap();
    std::fs::remove_file(home.path(CONFIG)).unwrap();
    home.env.set("AGENT_CLI_CREDENTIAL_STORE", "file");
    assert!(read(&home).found.is_empty());
    home.env.set("AGENT_CLI_CREDENTIAL_STORE", "keychain");
    assert_eq!(read(&home).found.len(), 1);
    keyring::tests::stand_in(&mut home, "security", "exit 44");
    assert!(read(&home).found.is_empty());
}

#[test]
fn kept_in_memory_no_file_is_read() {
    let mut home = Home::new();
    home.write(AUTH, login());
    home.env.set("AGENT_CLI_CREDENTIAL_STORE", "memory");
    let credential = home.read(&CursorCli).found.remove(0).credential;
    assert_eq!(credential.declared_in_use, Some(false));
    assert!(credential.notes[0].contains("memory"));
}
