//! Which addresses are asked for, and what is shown of the answers.

use super::super::testing::{Home, every_broken_file};
use super::*;
use crate::domain::Condition;

const PLACE: &str = ".config/zed/settings.json";
const SETTINGS: &str = r#"{
  // words
  "agent": {"default_model": {"provider": "anthropic", "model": "claude-x"}},
  "language_models": {
    "openai": {"api_url": "https://llm.example/v1"},
    "openai_compatible": {"Mine": {"api_url": "https://mine.example/v1"}},
    "ollama": {"api_url": "http://localhost:11434"},
  },
}"#;

fn on(platform: Platform, home: &Home) -> Harvest {
    home.with_scene(|scene, harvest| read_on(platform, scene, harvest))
}

fn ids(harvest: &Harvest) -> Vec<(&str, &str, bool)> {
    let facts = harvest
        .found
        .iter()
        .map(|found| (found.credential.id.as_str(), found.credential.provider.as_str(), found.secret.is_some()));
    facts.collect()
}

#[test]
fn keys_under_the_addresses_that_the_settings_name() {
    let mut home = Home::new();
    home.write(PLACE, SETTINGS);
    let answer = "printf '%s\\n' '[/1]' 'label = x' \"secret = key of $3\" 'created = 2026-11-02 10:00:00'";
    let script = format!(
        "[ \"$1 $2 $#\" = 'search url 3' ] || exit 9\ncase \"$3\" in\nhttps://api.anthropic.com|https://llm.example/v1) {answer};;\nhttps://mine.example/v1) printf '%s\\n' '[/2]' 'label = locked';;\n*) exit 9;; esac"
    );
    keyring::tests::stand_in(&mut home, "secret-tool", &script);
    let harvest = on(Platform::Linux, &home);
    let expected = [
        ("zed:anthropic", "anthropic", true),
        ("zed:openai", "llm.example", true),
        ("zed:Mine", "mine.example", false),
    ];
    assert_eq!(ids(&harvest), expected);
    assert_eq!(harvest.found[0].secret.as_ref().unwrap().expose(), "key of https://api.anthropic.com");
    assert!(matches!(&harvest.found[2].credential.condition, Condition::Unreadable(why) if why.contains("locked")));
    assert_eq!(harvest.found[2].credential.declared_in_use, Some(false));
    assert!(harvest.found.iter().all(|found| found.credential.origin.path.is_none()));
    home.env.set("ANTHROPIC_API_KEY", "sk");
    assert_eq!(ids(&on(Platform::Linux, &home)).len(), 2, "the variable goes before the keyring, which is not asked");
}

#[test]
fn where_the_keyring_does_not_answer() {
    let home = Home::new();
    home.write(PLACE, SETTINGS);
    assert_eq!(ids(&on(Platform::Linux, &home)), [("zed:anthropic", "anthropic", false)], "of the others nobody knows");
    for text in
        ["{}", r#"{"agent":{"default_model":{"provider":"zed.dev"}}}"#, r#"{"language_models":{"ollama":{}}}"#, ""]
    {
        home.write(PLACE, text);
        assert!(on(Platform::Linux, &home).found.is_empty(), "{text}");
    }
}

#[test]
fn on_a_mac_only_its_being_there_is_asked() {
    let mut home = Home::new();
    home.write(PLACE, r#"{"agent":{"default_model":{"provider":"openai"}},"language_models":{"google":{}}}"#);
    let check = "[ \"$1 $2 $#\" = 'find-internet-password -s 3' ] || exit 9";
    let script = format!("{check}\n[ \"$3\" = https://api.openai.com/v1 ] || exit 44\necho keychain");
    keyring::tests::stand_in(&mut home, "security", &script);
    assert_eq!(ids(&on(Platform::Mac, &home)), [("zed:openai", "openai", false)]);
}

#[test]
fn whatever_is_broken() {
    every_broken_file(&Zed, PLACE, &["{\"agent\": tell-nobody", "[\"tell-nobody\"]"], false);
    assert!(Home::new().read(&Zed).found.is_empty());
}
