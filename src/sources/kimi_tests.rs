//! The documented shapes and every way in which they break.

use super::super::testing::{Home, breaks, credentials, now, only};
use super::*;
use crate::domain::Renewal;

const PLACE: &str = ".kimi/credentials/kimi-code.json";
const CODE: &str = ".kimi-code/credentials/kimi-code.json";

fn creds(expires: &str) -> String {
    format!(
        r#"{{"access_token":"a","refresh_token":"r","expires_at":{expires},"scope":"kimi-code","token_type":"Bearer","expires_in":900.0}}"#
    )
}

#[test]
fn the_documented_shape_of_both() {
    let home = Home::new();
    home.write(PLACE, creds("1799582400.25"));
    home.write(CODE, creds("1799582400"));
    home.write(".kimi/credentials/kimi-code.lock", "");
    std::fs::create_dir_all(home.path(".kimi-code/credentials/mcp")).unwrap();
    let (cli, harvest) = only(&home, &KimiCli);
    assert_eq!((cli.id.as_str(), cli.provider.as_str()), ("kimi:kimi-code", "kimi-coding"));
    assert_eq!((cli.kind, cli.renewal), (Kind::Oauth, Renewal::Auto));
    let end = now() + Span::milliseconds(250);
    assert_eq!((cli.clocks.access_expires, cli.clocks.last_renewed), (Some(end), Some(end - Span::minutes(15))));
    assert!(cli.notes.is_empty() && harvest.findings.is_empty());
    assert_eq!(cli.fix, "Run `kimi`, then /login.");
    let looked = ["credentials", "credentials/kimi-code.json", "config.toml"].map(|name| home.path(".kimi").join(name));
    assert_eq!(harvest.reports[0].looked, looked);
    let (code, _) = only(&home, &KimiCode);
    assert_eq!((code.id.as_str(), code.clocks.access_expires), ("kimi-code:kimi-code", Some(now())));
}

#[test]
fn their_own_directories() {
    let mut home = Home::new();
    home.write("a/credentials/x.json", creds("1799582400"));
    home.write("b/credentials/y.json", creds("1799582400"));
    home.env.set("KIMI_SHARE_DIR", "~/a");
    home.env.set("KIMI_CODE_HOME", "~/b");
    let (cli, _) = only(&home, &KimiCli);
    assert_eq!((cli.id.as_str(), cli.fix.as_str()), ("kimi:x", "Run `KIMI_SHARE_DIR=~/a kimi`, then /login."));
    assert_eq!(only(&home, &KimiCode).0.id.as_str(), "kimi-code:y");
}

#[test]
fn keys_and_keyrings_of_the_settings() {
    let home = Home::new();
    home.write(
        ".kimi/config.toml",
        r#"
default_model = "x"
[providers."managed:kimi-code"]
type = "kimi"
base_url = "https://api.kimi.com/coding/v1"
api_key = ""
oauth = { storage = "keyring", key = "oauth/kimi-code" }
[providers.cn]
type = "kimi"
base_url = "https://api.moonshot.cn/v1"
api_key = "sk-cn"
[providers.odd]
type = "openai_legacy"
base_url = "https://llm.example/v1"
api_key = "sk-odd"
[providers.wrong]
type = "kimi"
api_key = 5
"#,
    );
    let harvest = home.read(&KimiCli);
    let found = credentials(&harvest);
    let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str())).collect();
    let login = ("kimi:kimi-code", "kimi-coding");
    let keys = [("kimi:config/cn", "moonshot-cn"), ("kimi:config/odd", "odd"), ("kimi:config/wrong", "kimi")];
    let mut sorted = facts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [keys[0], keys[1], keys[2], login]);
    for (found, (id, ..)) in harvest.found.iter().zip(&facts) {
        assert_eq!(found.secret.is_some(), *id == "kimi:config/cn", "{id}");
    }
    let hidden = found.iter().find(|credential| credential.id.as_str() == "kimi:kimi-code").unwrap();
    let why = "it is kept in the keyring (service kimi-code, account oauth/kimi-code)";
    assert_eq!((&hidden.condition, hidden.origin.path.is_none()), (&Condition::Unreadable(why.to_owned()), true));
    assert_eq!(harvest.findings.len(), 1);

    home.write(PLACE, creds("1799582400"));
    let again = credentials(&home.read(&KimiCli));
    assert_eq!(again.len(), 4, "a login in the file goes before the keyring");
    assert!(again.iter().all(|credential| !matches!(credential.condition, Condition::Unreadable(_))));
}

#[test]
fn broken_entries_and_files() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    for (text, condition, notes) in [
        (r#"{"access_token":"","refresh_token":"","expires_at":0.0}"#.to_owned(), Condition::Blanked, ""),
        ("{}".to_owned(), Condition::Blanked, ""),
        (r#"{"access_token":1}"#.to_owned(), damaged("access_token is not a text"), ""),
        (creds("1799582400000"), Condition::Present, "milliseconds where seconds belong"),
        (creds("null"), Condition::Present, ""),
    ] {
        let home = Home::new();
        home.write(PLACE, &text);
        let (credential, _) = only(&home, &KimiCli);
        assert_eq!(credential.condition, condition, "{text}");
        assert_eq!(credential.notes.is_empty(), notes.is_empty(), "{text}");
        assert!(credential.notes.iter().all(|note| note.contains(notes)), "{:?}", credential.notes);
    }
    breaks(&KimiCli, PLACE, true);
    breaks(&KimiCode, CODE, true);
    breaks(&KimiCli, ".kimi/config.toml", false);
    let home = Home::new();
    home.write(".kimi/credentials", "a file");
    let harvest = home.read(&KimiCli);
    assert!(harvest.found.is_empty() && harvest.findings.is_empty() && harvest.reports[0].up);
}
