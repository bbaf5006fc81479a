//! The documented shapes and every way in which they break.

use super::super::testing::{Home, breaks, credentials, only};
use super::*;
use crate::domain::{Renewal, Time};

const PLACE: &str = ".config/gh/hosts.yml";

#[test]
fn several_hosts_and_users() {
    let home = Home::new();
    home.write(
        PLACE,
        "github.com:\n    git_protocol: https\n    users:\n        octo:\n            oauth_token: gho_a\n        two:\n            oauth_token: github_pat_b\n    user: octo\n    oauth_token: gho_a\nghe.example.com:\n    user: me\n    oauth_token: gho_corp\n",
    );
    let harvest = home.read(&Gh);
    let found = credentials(&harvest);
    let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["gh:ghe.example.com/me", "gh:github.com/octo", "gh:github.com/two"]);
    let [corp, octo, two] = found.as_slice() else { panic!() };
    assert_eq!((octo.kind, octo.renewal, octo.provider.as_str()), (Kind::Token, Renewal::Manual, "github"));
    assert_eq!(corp.provider, "github-enterprise", "it does not stand in for github.com");
    assert_eq!((octo.account.as_deref(), octo.fix.as_str()), (Some("octo"), "gh auth login --hostname github.com"));
    assert_eq!((octo.declared_in_use, two.declared_in_use, corp.declared_in_use), (None, Some(false), None));
    assert!(two.notes[0].contains("another user") && octo.notes.is_empty());
    assert!(harvest.found[0].secret.is_none(), "the token of a company's host never goes to github.com");
    assert_eq!(harvest.found[1].secret.as_ref().unwrap().expose(), "gho_a");
    assert!(harvest.findings.is_empty());
}

#[test]
fn places_and_the_environment() {
    let mut home = Home::new();
    home.write("a/gh/hosts.yml", "github.com: {user: a, oauth_token: x}");
    home.write("b/hosts.yml", "github.com: {user: b, oauth_token: x}");
    home.env.set("XDG_CONFIG_HOME", home.path("a").to_str().unwrap());
    home.env.set("GITHUB_TOKEN", "ghp_x");
    let (a, _) = only(&home, &Gh);
    assert_eq!(a.id.as_str(), "gh:github.com/a");
    assert!(a.notes[0].contains("GITHUB_TOKEN is set"));
    home.env.set("GH_CONFIG_DIR", "~/b");
    assert_eq!(only(&home, &Gh).0.id.as_str(), "gh:github.com/b");
    home.env_is_source = false;
    assert!(only(&home, &Gh).0.notes.is_empty());
}

#[test]
fn shapes_of_an_entry() {
    let keyring = |user: &str| {
        let why = "and there is no session to ask it in (DBUS_SESSION_BUS_ADDRESS is not set)";
        Condition::Unreadable(format!("it is kept in the keyring (service gh:github.com, account {user}), {why}"))
    };
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        ("github.com: {user: o, users: {o: {}}}", "gh:github.com/o", keyring("o")),
        ("github.com: {user: o, users: {o: null}}", "gh:github.com/o", keyring("o")),
        ("github.com: {user: o, git_protocol: ssh}", "gh:github.com/o", keyring("o")),
        ("github.com: {oauth_token: gho_x}", "gh:github.com", Condition::Present),
        ("github.com: {user: o, oauth_token: ''}", "gh:github.com/o", Condition::Blanked),
        (
            "github.com: {user: o, oauth_token: [secret]}",
            "gh:github.com/o",
            damaged("the oauth_token of github.com/o is not a text"),
        ),
        ("github.com: secret", "gh:github.com", damaged("github.com is not a table of names")),
    ];
    for (text, id, condition) in table {
        let home = Home::new();
        home.write(PLACE, text);
        let (credential, harvest) = only(&home, &Gh);
        assert_eq!((credential.id.as_str(), &credential.condition), (id, &condition), "{text}");
        assert_eq!(harvest.findings.len(), usize::from(matches!(condition, Condition::Damaged(_))), "{text}");
        assert_eq!(credential.origin.path.is_none(), matches!(condition, Condition::Unreadable(_)), "{text}");
    }
    for empty in ["", "# nothing\n", "github.com:\n", "github.com: {git_protocol: https}"] {
        let home = Home::new();
        home.write(PLACE, empty);
        let harvest = home.read(&Gh);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty(), "{empty:?}");
    }
}

#[test]
fn broken_files() {
    breaks(&Gh, PLACE, true);
}

#[test]
fn the_tools_own_traces_say_that_it_is_used() {
    let home = Home::new();
    home.write(PLACE, "github.com: {user: o, oauth_token: x}");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options().append(true).open(home.path(PLACE)).unwrap().set_modified(old).unwrap();
    let changed = |home: &Home| only(home, &Gh).0.activity.owner_changed.unwrap();
    assert_eq!(changed(&home), Time::from(old));
    home.write(".local/state/gh/state.yml", "");
    assert!(changed(&home) > Time::from(old));
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_in_the_keyring() {
    let mut home = Home::new();
    home.write(PLACE, "github.com: {user: o, users: {o: {}}}");
    let question = "service gh:github.com username o";
    super::super::keyring::tests::holds(&mut home, question, "go-keyring-base64:Z2hvX3g=");
    let (credential, harvest) = only(&home, &Gh);
    assert_eq!((&credential.condition, credential.origin.path.clone()), (&Condition::Present, None));
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "gho_x");
    assert_eq!((credential.renewal, credential.declared_in_use), (Renewal::Manual, None));
    super::super::keyring::tests::holds(&mut home, question, "");
    let (locked, _) = only(&home, &Gh);
    assert!(matches!(&locked.condition, Condition::Unreadable(why) if why.contains("locked")));
    assert!(locked.fix.contains("unlocked") && locked.declared_in_use == Some(false));
    super::super::keyring::tests::holds(&mut home, "service other", "x");
    assert!(matches!(&only(&home, &Gh).0.condition, Condition::Unreadable(why) if why.contains("has no service")));
}
