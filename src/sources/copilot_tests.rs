//! The documented shapes and every way in which they break.

use super::super::testing::{Home, breaks, credentials, now, only};
use super::*;
use crate::domain::Time;

const APPS: &str = ".config/github-copilot/apps.json";
const HOSTS: &str = ".config/github-copilot/hosts.json";
const CONFIG: &str = ".copilot/config.json";

#[test]
fn apps_of_the_editors() {
    let home = Home::new();
    home.write(
        APPS,
        r#"{"github.com:Iv1.b507a08c87ecfe98":{"user":"octo","oauth_token":"ghu_x","githubAppId":"Iv1.b507a08c87ecfe98"},
            "corp.ghe.com:Iv1.b5":{"user":"me","oauth_token":"ghu_corp"}}"#,
    );
    home.write(HOSTS, r#"{"github.com":{"user":"octo","oauth_token":"ghu_x"}}"#);
    let harvest = home.read(&Copilot);
    let found = credentials(&harvest);
    let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["copilot:corp.ghe.com:Iv1.b5", "copilot:github.com:Iv1.b507a08c87ecfe98", "copilot:github.com"]);
    assert!(found.iter().all(|credential| (credential.kind, credential.renewal) == (Kind::Token, Renewal::Manual)));
    let providers: Vec<&str> = found.iter().map(|credential| credential.provider.as_str()).collect();
    assert_eq!(providers, ["github-copilot-enterprise", "github-copilot", "github-copilot"]);
    assert_eq!(found[1].account.as_deref(), Some("octo"));
    assert_eq!(found[1].fingerprint, found[2].fingerprint, "the older file holds a copy");
    assert_eq!(harvest.found[1].secret.as_ref().unwrap().expose(), "ghu_x");
    assert!(harvest.found[0].secret.is_none(), "a token goes only to its own host");
    assert!(found[0].notes[0].contains("corp.ghe.com") && found[1].notes.is_empty());
}

#[test]
fn its_place_follows_xdg() {
    let mut home = Home::new();
    home.env.set("XDG_CONFIG_HOME", home.path("conf").to_str().unwrap());
    home.write("conf/github-copilot/apps.json", r#"{"github.com:Iv1.x":{"oauth_token":"gho_x"}}"#);
    home.write(APPS, "not looked at");
    assert_eq!(only(&home, &Copilot).0.condition, Condition::Present);
}

#[test]
fn broken_entries() {
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    for (entry, condition) in [
        (r#"{"oauth_token":""}"#, Condition::Blanked),
        (r#"{"user":"octo"}"#, Condition::Absent("the entry has no oauth_token".to_owned())),
        (r#"{"oauth_token":5}"#, damaged("oauth_token is not a text")),
        (r#""ghu_secret""#, damaged("the entry of a host is not an object")),
    ] {
        let home = Home::new();
        home.write(APPS, format!(r#"{{"github.com:Iv1.x":{entry}}}"#));
        let (credential, harvest) = only(&home, &Copilot);
        assert_eq!(credential.condition, condition, "{entry}");
        assert_eq!(harvest.findings.len(), usize::from(matches!(condition, Condition::Damaged(_))), "{entry}");
        assert!(harvest.findings.iter().all(|finding| !finding.message.contains("secret")));
    }
    let home = Home::new();
    home.write(APPS, "{}");
    assert!(home.read(&Copilot).found.is_empty());
    home.write(HOSTS, "broken");
    let harvest = home.read(&Copilot);
    assert_eq!((harvest.found.len(), harvest.findings.len()), (0, 1), "a broken leftover is only a finding");
}

#[test]
fn broken_files() {
    breaks(&Copilot, APPS, true);
    breaks(&Copilot, HOSTS, true);
    breaks(&CopilotCli, CONFIG, false);
}

#[test]
fn a_session_token_is_no_credential() {
    let home = Home::new();
    home.write(
        ".openclaw/credentials/github-copilot.token.json",
        r#"{"token":"tid=1;exp=1","expiresAt":1,"expires_at":1}"#,
    );
    for source in super::super::all() {
        let found = credentials(&home.read(source.as_ref()));
        assert!(found.is_empty(), "{}: {found:?}", source.name());
    }
}

#[test]
fn the_command_line() {
    let mut home = Home::new();
    home.write(
        CONFIG,
        r#"// User settings belong in settings.json.
// This file is managed automatically.
{
  "copilotTokens": {"https://github.com:octo": "gho_x", "https://ghe.example:main": "gho_corp"},
  "loggedInUsers": [{"host": "https://github.com", "login": "octo"}, {"host": "https://github.com/", "login": "two"}],
}"#,
    );
    let harvest = home.read(&CopilotCli);
    let found = credentials(&harvest);
    let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
    let octo = "copilot-cli:https://github.com:octo";
    assert_eq!(ids, ["copilot-cli:https://ghe.example:main", octo, "copilot-cli:https://github.com:two"]);
    assert_eq!((found[1].account.as_deref(), &found[1].condition), (Some("octo"), &Condition::Present));
    assert_eq!(found[1].fix, "Run `copilot`, then /login.");
    assert!(harvest.found[0].secret.is_none() && harvest.found[1].secret.is_some());
    let keyring = "it is kept in the keyring (service copilot-cli, account https://github.com:two), and ";
    assert!(matches!(&found[2].condition, Condition::Unreadable(why) if why.starts_with(keyring)));
    assert!(found[2].origin.path.is_none() && found[1].notes.is_empty());

    home.env.set("GH_TOKEN", "ghp_x");
    assert!(credentials(&home.read(&CopilotCli))[1].notes[0].contains("GH_TOKEN is set"));
    home.env.set("COPILOT_HOME", "~/other");
    home.write("other/config.json", r#"{"copilotTokens":{"https://github.com:o":""}}"#);
    let (blank, _) = only(&home, &CopilotCli);
    assert_eq!(
        (blank.condition, blank.fix.as_str()),
        (Condition::Blanked, "Run `COPILOT_HOME=~/other copilot`, then /login.")
    );
}

#[test]
fn the_command_lines_odd_shapes() {
    let read = |text: &str| {
        let home = Home::new();
        home.write(CONFIG, text);
        home.read(&CopilotCli)
    };
    let dated = read(
        r#"{"copilotTokens":{"github.com":{"token":"gho_x","expiresAt":"2027-01-10T12:00:00Z"}},"loggedInUsers":["github.com"]}"#,
    );
    let [found] = dated.found.as_slice() else { panic!("{:?}", dated.findings) };
    let end: Time = now();
    assert_eq!(
        (found.credential.clocks.access_expires, found.credential.id.as_str()),
        (Some(end), "copilot-cli:github.com")
    );
    for (text, found, findings) in [
        (r#"{"copilotTokens":[]}"#, 0, 1),
        (r#"{"copilotTokens":{"https://github.com:o":1}}"#, 1, 1),
        (r#"{"copilotTokens":{"https://github.com:o":{"token":[]}}}"#, 1, 1),
        (r#"{"copilotTokens":{"https://github.com:o":null},"loggedInUsers":{}}"#, 0, 0),
        (r#"{"banner":"never"}"#, 0, 0),
    ] {
        let harvest = read(text);
        assert_eq!((harvest.found.len(), harvest.findings.len()), (found, findings), "{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_in_the_keyring() {
    let mut home = Home::new();
    home.write(".copilot/config.json", r#"{"loggedInUsers":[{"host":"https://github.com","login":"me"}]}"#);
    let question = "service copilot-cli account https://github.com:me";
    keyring::tests::holds(&mut home, question, "gho_x");
    let harvest = home.read(&CopilotCli);
    let [found] = harvest.found.as_slice() else { panic!("{}", harvest.found.len()) };
    assert_eq!(found.secret.as_ref().map(crate::domain::Secret::expose), Some("gho_x"));
    assert_eq!((found.credential.kind, found.credential.account.as_deref()), (Kind::Token, Some("me")));
    assert_eq!(found.credential.origin.path, None);
}
