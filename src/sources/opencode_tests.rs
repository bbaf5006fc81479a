//! The documented shapes and every way in which they break.

use super::super::testing::{Home, breaks, credentials, now, only};
use super::*;
use crate::domain::Span;

const PLACE: &str = ".local/share/opencode/auth.json";
const CONFIG: &str = ".config/opencode/opencode.json";

#[test]
fn all_three_types() {
    let home = Home::new();
    let past = (now() - Span::days(2)).timestamp_millis();
    home.write(
        PLACE,
        format!(
            r#"{{"anthropic":{{"type":"oauth","access":"sk-ant-oat01-a","refresh":"sk-ant-ort01-r","expires":{past}}},
            "github-copilot":{{"type":"oauth","access":"gho_x","refresh":"gho_x","expires":0}},
            "https://corp.example":{{"type":"wellknown","key":"CORP_TOKEN","token":"t"}},
            "moonshotai":{{"type":"api","key":"sk-m"}},
            "openai":{{"type":"oauth","access":"eyJ","refresh":"rt","expires":{past},"accountId":"acc"}},
            "z-ai":{{"type":"api","key":"z","baseURL":"https://proxy.example/v1"}}}}"#
        ),
    );
    let harvest = home.read(&Opencode);
    let found = credentials(&harvest);
    let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str(), c.kind, c.renewal)).collect();
    assert_eq!(
        facts,
        [
            ("opencode:anthropic", "anthropic", Kind::Oauth, Renewal::Auto),
            ("opencode:github-copilot", "github-copilot", Kind::Oauth, Renewal::None),
            ("opencode:https://corp.example", "wellknown", Kind::Token, Renewal::Manual),
            ("opencode:moonshotai", "moonshot", Kind::ApiKey, Renewal::None),
            ("opencode:openai", "openai-codex", Kind::Oauth, Renewal::Auto),
            ("opencode:z-ai", "zai", Kind::ApiKey, Renewal::None),
        ]
    );
    assert_eq!((found[1].clocks.access_expires, found[1].notes.len()), (None, 0), "zero is no date, and nothing odd");
    assert_eq!(found[0].clocks.access_expires, Some(now() - Span::days(2)));
    assert_eq!(found[4].account.as_deref(), Some("acc"));
    assert!(found[5].notes[0].contains("proxy.example"));
    let asked: Vec<bool> = harvest.found.iter().map(|found| found.secret.is_some()).collect();
    assert_eq!(asked, [true, true, false, true, true, false], "a key goes only to its own host");
    assert!(found.iter().all(|credential| credential.fix == "opencode auth login"));
    assert!(harvest.findings.is_empty() && harvest.reports[0].up);
}

#[test]
fn a_zero_date_beside_a_refresh_token_or_a_company() {
    let home = Home::new();
    home.write(
        PLACE,
        r#"{"anthropic":{"type":"oauth","access":"a","refresh":"r","expires":0},
            "github-copilot":{"type":"oauth","access":"x","refresh":"x","expires":0,"enterpriseUrl":"https://corp.ghe.com/"},
            "openai":{"type":"oauth","access":"","refresh":"","expires":0}}"#,
    );
    let harvest = home.read(&Opencode);
    let found = credentials(&harvest);
    assert_eq!((found[0].renewal, found[0].clocks.access_expires), (Renewal::Auto, None));
    assert!(found[1].notes[0].contains("corp.ghe.com") && harvest.found[1].secret.is_none());
    assert_eq!(found[2].condition, Condition::Blanked, "with nothing beside it, it is a logout");
}

#[test]
fn places() {
    let mut home = Home::new();
    home.write("data/opencode/auth.json", r#"{"groq":{"type":"api","key":"xdg"}}"#);
    home.write("own/auth.json", r#"{"groq":{"type":"api","key":"own"}}"#);
    home.write(PLACE, "not looked at");
    home.env.set("XDG_DATA_HOME", home.path("data").to_str().unwrap());
    let secret = |home: &Home| only(home, &Opencode).1.found[0].secret.as_ref().unwrap().expose().to_owned();
    assert_eq!(secret(&home), "xdg");
    home.env.set("OPENCODE_DATA_DIR", "~/own");
    assert_eq!(secret(&home), "own");
    home.env.set("OPENCODE_AUTH_CONTENT", r#"{"groq":{"type":"api","key":"inline"}}"#);
    assert_eq!(secret(&home), "inline");
    let (inline, harvest) = only(&home, &Opencode);
    assert_eq!((inline.id.as_str(), inline.origin.path.clone()), ("opencode:groq", None));
    assert!(inline.notes[0].contains("OPENCODE_AUTH_CONTENT"));
    assert_eq!(harvest.reports[0].credentials, 1);
    home.env_is_source = false;
    assert_eq!(secret(&home), "own", "the monitor's environment is not opencode's");
    home.env_is_source = true;
    home.env.set("OPENCODE_AUTH_CONTENT", "{ broken");
    assert_eq!(secret(&home), "own", "as for its owner");
    home.env.set("OPENCODE_AUTH_CONTENT", "{}");
    assert!(home.read(&Opencode).found.is_empty(), "an empty one hides the file");
}

#[test]
fn keys_in_the_settings() {
    let mut home = Home::new();
    home.env.set("MISTRAL_API_KEY", "m");
    home.write(".config/opencode/keys/xai", "xai-x\n");
    home.write(".config/opencode/keys/empty", "\n");
    std::fs::create_dir_all(home.path(".config/opencode/keys/dir")).unwrap();
    home.write(
        CONFIG,
        r#"{ // mine
        "model": "x/y",
        "provider": {
            "anthropic": {"options": {"apiKey": "sk-ant-api03-x"}},
            "cohere": {"options": {"apiKey": "{file:keys/none}"}},
            "deepseek": {"options": {"apiKey": "{file:keys/empty}"}},
            "groq": {"options": {"apiKey": "{env:NOT_SET}"}},
            "local": {"options": {"apiKey": "", "baseURL": "http://127.0.0.1:1234/v1"}},
            "mine": {"options": {"apiKey": "k", "baseURL": "https://llm.example/v1"}},
            "mistral": {"options": {"apiKey": "{env:MISTRAL_API_KEY}"}},
            "openai": {"options": {"apiKey": 7}},
            "together": {"models": {}},
            "venice": {"options": {"apiKey": "{file:keys/dir}"}},
            "xai": {"options": {"apiKey": "{file:keys/xai}"}},
        }}"#,
    );
    home.write(".config/opencode/opencode.jsonc", r#"{"provider":{"anthropic":{"options":{"apiKey":"other"}}}}"#);
    let harvest = home.read(&Opencode);
    let dir = home.path(".config/opencode/keys");
    let unresolved = |what: String| Condition::Unresolved(what);
    let table = [
        ("anthropic", Condition::Present, true),
        ("cohere", unresolved(format!("{} is not there", dir.join("none").display())), false),
        ("deepseek", unresolved(format!("{} is empty", dir.join("empty").display())), false),
        ("groq", unresolved("NOT_SET is not set here".to_owned()), false),
        ("mine", Condition::Present, false),
        ("mistral", Condition::Present, true),
        ("openai", Condition::Damaged("provider.openai.options.apiKey is not a text".to_owned()), false),
        ("venice", Condition::Unreadable(format!("{} is a directory, not a file", dir.join("dir").display())), false),
        ("xai", Condition::Present, true),
    ];
    assert_eq!(harvest.found.len(), table.len(), "{:?}", credentials(&harvest));
    for (found, (name, condition, asked)) in harvest.found.iter().zip(table) {
        assert_eq!(found.credential.id.as_str(), format!("opencode:config/{name}"));
        assert_eq!((&found.credential.condition, found.secret.is_some()), (&condition, asked), "{name}");
        // The settings, or what they refer to: where the key is.
        let place = if name == "mistral" { "MISTRAL_API_KEY" } else { ".config/opencode/opencode.json" };
        assert!(found.credential.fix.contains(place), "{}", found.credential.fix);
        let may_be_set_elsewhere = name == "groq";
        assert_eq!(found.credential.declared_in_use == Some(false), may_be_set_elsewhere, "{name}");
        let elsewhere = ["cohere", "deepseek", "groq", "mistral", "venice", "xai"].contains(&name);
        assert_eq!(
            found.credential.origin.path.as_deref() != Some(&*home.path(CONFIG)),
            elsewhere || name == "anthropic"
        );
    }
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "other", "of two files the first counts");
    assert_eq!(harvest.found[8].secret.as_ref().unwrap().expose(), "xai-x");
    assert_eq!(harvest.findings.len(), 1);

    home.env.set("OPENCODE_CONFIG", "~/third.json");
    home.write("third.json", r#"{"provider":{"anthropic":{"options":{"apiKey":"third"}}}}"#);
    assert_eq!(home.read(&Opencode).found[0].secret.as_ref().unwrap().expose(), "third");
}

#[test]
fn kilo_is_the_same_elsewhere() {
    let home = Home::new();
    home.write(
        ".local/share/kilo/auth.json",
        r#"{"kilo":{"type":"oauth","access":"eyJ","refresh":"","expires":1799582400000},
            "openai-compatible":{"type":"api","key":"k","baseUrl":"http://127.0.0.1:9/v1"}}"#,
    );
    home.write(".config/kilo/kilo.jsonc", r#"{"provider":{"groq":{"options":{"apiKey":"g"}}}}"#);
    let harvest = home.read(&Kilo);
    let found = credentials(&harvest);
    let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["kilo:kilo", "kilo:openai-compatible", "kilo:config/groq"]);
    assert_eq!((found[0].renewal, found[0].clocks.access_expires), (Renewal::Manual, Some(now())));
    assert_eq!((found[0].fix.as_str(), found[0].provider.as_str()), ("kilo auth login", "kilo"));
    assert!(harvest.found[1].secret.is_none());
}

#[test]
fn nothing_there_and_broken_files() {
    for source in [&Opencode as &dyn Source, &Kilo] {
        let harvest = Home::new().read(source);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
    }
    breaks(&Opencode, PLACE, true);
    breaks(&Opencode, CONFIG, false);
    breaks(&Kilo, ".local/share/kilo/auth.json", true);
}
