//! The documented shapes, which file wins, and every way in which they break.

use super::super::testing::{Home, every_broken_file, now};
use super::*;
use crate::domain::{Owner, Renewal, Span};

const DATA: &str = ".local/share/crush/crush.json";
const CONFIG: &str = ".config/crush/crush.json";

fn only(home: &Home) -> crate::domain::Credential {
    let harvest = home.read(&Crush);
    assert_eq!(harvest.found.len(), 1, "{:?}", harvest.findings);
    *harvest.found[0].credential.clone()
}

#[test]
fn a_login_and_keys() {
    let mut home = Home::new();
    home.env.set("MY_KEY", "sk-3");
    let end = now() + Span::minutes(20);
    home.write(
        DATA,
        format!(
            r#"{{"models":{{}},"providers":{{
              "copilot":{{"api_key":"tid=1","oauth":{{"access_token":"tid=1","refresh_token":"ghu_1","expires_in":1500,"expires_at":{}}}}},
              "openai":{{"api_key":"sk-2"}}}}}}"#,
            end.timestamp()
        ),
    );
    home.write(
        CONFIG,
        r#"{"$schema":"x","providers":{"openai":{"api_key":"$NOT_LOOKED_AT"},"gemini":{"api_key":"$MY_KEY"},
          "anthropic":{"base_url":"https://proxy.example/v1","api_key":"k4","disable":true},"groq":{"models":[]},"xai":{"api_key":""},
          "vertexai":{"api_key":"$(gcloud auth print-access-token)"},"zai":{"api_key":"${GONE}"}}}"#,
    );
    let harvest = home.read(&Crush);
    let list: Vec<_> = harvest
        .found
        .iter()
        .map(|found| {
            let credential = &found.credential;
            let secret = found.secret.as_ref().map(|secret| secret.expose().to_owned());
            (credential.id.as_str(), credential.provider.as_str(), credential.kind, secret, credential.declared_in_use)
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    let expected = [
        ("crush:copilot", "github-copilot", Kind::Oauth, text("tid=1"), None),
        ("crush:openai", "openai", Kind::ApiKey, text("sk-2"), None),
        ("crush:anthropic", "proxy.example", Kind::ApiKey, text("k4"), Some(false)),
        ("crush:gemini", "google", Kind::ApiKey, text("sk-3"), None),
        ("crush:vertexai", "google-vertex", Kind::ApiKey, None, Some(false)),
        ("crush:zai", "zai", Kind::ApiKey, None, Some(false)),
    ];
    assert_eq!(list, expected);
    let login = &harvest.found[0].credential;
    assert_eq!((login.renewal, login.clocks.access_expires), (Renewal::Auto, Some(end)));
    assert_eq!((login.fix.as_str(), login.notes.as_slice()), ("crush login", [].as_slice()));
    assert!(matches!(&harvest.found[4].credential.condition, Condition::Unreadable(why) if why.contains("never run")));
    assert!(matches!(&harvest.found[5].credential.condition, Condition::Unresolved(why) if why.contains("GONE")));
    assert!(harvest.found[5].credential.fix.starts_with("Set GONE in the environment"));
    let referring = &harvest.found[3].credential;
    assert_eq!((referring.owner, &referring.origin.path), (Owner::Secondhand, &None));
    assert_eq!(referring.fix, "Make a new key at google, then set MY_KEY where this environment comes from.");
    let command = format!(
        "Run the command that {} has for vertexai in your own shell; if it prints no key, correct it there.",
        home.path(CONFIG).display()
    );
    assert_eq!(harvest.found[4].credential.fix, command);
    assert!(harvest.findings.is_empty() && harvest.reports[0].up);
    assert_eq!(harvest.reports[0].looked.len(), 2);

    home.env_is_source = false;
    let ids: Vec<_> = home.read(&Crush).found.iter().map(|found| found.credential.id.0.clone()).collect();
    assert_eq!(
        ids,
        ["crush:copilot", "crush:openai", "crush:anthropic", "crush:vertexai"],
        "whose environment it is, is not known"
    );
}

#[test]
fn its_own_directories() {
    let mut home = Home::new();
    home.env.set("CRUSH_GLOBAL_DATA", "~/d");
    home.env.set("CRUSH_GLOBAL_CONFIG", "~/c");
    home.write("d/crush.json", r#"{"providers":{"openai":{"api_key":"sk-1"}}}"#);
    home.write("c/crush.json", "{}");
    home.write(DATA, "not looked at");
    assert_eq!(
        only(&home).fix,
        format!(
            "Make a new key at openai, then set providers.openai.api_key in {}.",
            home.path("d/crush.json").display()
        )
    );
}

#[test]
fn the_systems_and_the_projects() {
    let mut home = Home::new();
    home.env.set("MY_KEY", "sk-of-this-person");
    home.machine = Some(home.path("machine"));
    home.write(
        "machine/etc/crush/crush.json",
        r#"{"providers":{"openai":{"api_key":"sk-etc"},"groq":{"api_key":"gsk"}}}"#,
    );
    home.write(CONFIG, r#"{"providers":{"openai":{"api_key":"sk-1"}}}"#);
    home.write("repo/.git/HEAD", "");
    home.write(
        "repo/crush.json",
        r#"{"providers":{"openai":{"api_key":"sk-repo"},"xai":{"api_key":"$MY_KEY"},"zai":{"api_key":"$(pass x)"}}}"#,
    );
    home.write("repo/sub/.crush.json", r#"{"providers":{"mine":{"base_url":"https://llm.example/v1","api_key":"k"}}}"#);
    home.cwd = Some(home.path("repo/sub"));
    let harvest = home.read(&Crush);
    let list: Vec<_> = harvest
        .found
        .iter()
        .map(|found| {
            let credential = &found.credential;
            (
                home.relative(credential.id.as_str()),
                credential.provider.as_str(),
                found.secret.as_ref().unwrap().expose(),
            )
        })
        .collect();
    let expected = [
        ("crush:openai", "openai", "sk-1"),
        ("crush:groq", "groq", "gsk"),
        ("crush:~/repo/sub/.crush.json#mine", "llm.example", "k"),
        ("crush:~/repo/crush.json#openai", "openai", "sk-repo"),
    ];
    assert_eq!(
        list,
        expected.map(|(id, provider, key)| (id.to_owned(), provider, key)),
        "a project refers to nothing here"
    );
    home.write("repo/crush.json", r#"{"providers":{"a":{"api_key":"tell-nobody"#);
    let harvest = home.read(&Crush);
    let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
    assert_eq!((finding.place.path.clone(), harvest.found.len()), (Some(home.path("repo/crush.json")), 3));
    home.cwd = None;
    assert_eq!(home.read(&Crush).found.len(), 2, "the monitor works nowhere");
}

#[test]
fn conditions_of_an_entry() {
    let oauth = |text: &str| format!(r#"{{"providers":{{"hyper":{{"oauth":{text}}}}}}}"#);
    let damaged = |what: &str| Condition::Damaged(what.to_owned());
    let table = [
        (oauth(r#"{"access_token":"","refresh_token":"","expires_at":0}"#), Condition::Blanked, 0),
        (oauth(r#"{}"#), Condition::Absent("the login has no access_token".to_owned()), 0),
        (oauth(r#"{"access_token":1}"#), damaged("providers.hyper.oauth.access_token is not a text"), 1),
        (oauth(r#"{"access_token":"a","refresh_token":"r","expires_at":true}"#), Condition::Present, 1),
        (oauth(r#"{"access_token":"a","refresh_token":"r","expires_at":1799582400000}"#), Condition::Present, 0),
        (r#"{"providers":{"a":{"api_key":[1]}}}"#.to_owned(), damaged("providers.a.api_key is not a text"), 1),
    ];
    for (text, condition, findings) in table {
        let home = Home::new();
        home.write(DATA, &text);
        let harvest = home.read(&Crush);
        assert_eq!(harvest.found[0].credential.condition, condition, "{text}");
        assert_eq!(harvest.findings.len(), findings, "{text}: {:?}", harvest.findings);
    }
    let home = Home::new();
    home.write(DATA, r#"{"providers":[]}"#);
    let harvest = home.read(&Crush);
    assert_eq!((harvest.found.len(), harvest.findings.len()), (0, 1));
}

#[test]
fn whatever_is_broken() {
    for place in [DATA, CONFIG] {
        every_broken_file(&Crush, place, &["", r#"{"providers":{"a":{"api_key":"tell-nobody"#, "[]"], false);
    }
    let harvest = Home::new().read(&Crush);
    assert!(harvest.found.is_empty() && harvest.findings.is_empty());
}
