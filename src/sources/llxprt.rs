//! llxprt: `~/.llxprt/oauth/<provider>.json`, with more than one account `<provider>-<bucket>.json`.
//!
//! Newer versions keep their logins in the keyring (service `llxprt-code-oauth`), and no file says so: what lies here then is
//! left over, and counts as used only while its files change.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile, Shape, json_files};
use super::{Harvest, Scene, Source};
use crate::domain::Condition;
use crate::formats::dates::Unit;
use crate::formats::provider_id;

/// See the module.
pub struct Llxprt;

const NAME: &str = "llxprt";
const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expiry", Unit::Seconds)) };

impl Source for Llxprt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.home().join(".llxprt/oauth");
        for path in json_files(NAME, &dir, "Run `llxprt`, then /auth.", harvest) {
            let profile = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = profile.split('-').next().unwrap_or_default();
            let provider = provider(name);
            let fix = format!("Run `llxprt`, then /auth {name}.");
            let mut file = LoginFile::new(NAME, provider.clone(), path, fix).profile(&profile);
            if let Some(object) = file.open(Format::Json, harvest) {
                login(&file, (&profile, &provider), object, scene, harvest);
            }
            file.close(harvest);
        }
    }
}

fn login(
    file: &LoginFile,
    (profile, provider): (&str, &str),
    mut object: Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let found = file.oauth(profile, provider, &mut object, (&SHAPE, ""), scene, harvest);
    // A file without tokens is something else that happens to lie here.
    if !matches!(found.credential.condition, Condition::Absent(_)) {
        harvest.found.push(found);
    }
}

fn provider(name: &str) -> String {
    match name {
        "gemini" => super::gemini::LOGIN.to_owned(),
        "codex" => "openai-codex".to_owned(),
        _ => provider_id::normalize(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, now, only};
    use super::*;
    use crate::domain::Renewal;

    const PLACE: &str = ".llxprt/oauth/anthropic.json";

    #[test]
    fn a_file_for_each_provider_and_account() {
        let home = Home::new();
        let creds = r#"{"access_token":"a","refresh_token":"r","expiry":1799582400,"token_type":"Bearer"}"#;
        for name in ["anthropic", "codex", "gemini-work", "qwen"] {
            home.write(&format!(".llxprt/oauth/{name}.json"), creds);
        }
        home.write(".llxprt/oauth/locks/gemini.json", "not looked at");
        home.write(".llxprt/oauth/other.json", r#"{"pid":1}"#);
        let harvest = home.read(&Llxprt);
        let found = credentials(&harvest);
        let facts: Vec<_> = found.iter().map(|c| (c.id.as_str(), c.provider.as_str())).collect();
        assert_eq!(
            facts,
            [
                ("llxprt:anthropic", "anthropic"),
                ("llxprt:codex", "openai-codex"),
                ("llxprt:gemini-work", "google-gemini-cli"),
                ("llxprt:qwen", "qwen-portal"),
            ]
        );
        assert!(found.iter().all(|c| (c.clocks.access_expires, c.renewal) == (Some(now()), Renewal::Auto)));
        assert_eq!(found[2].fix, "Run `llxprt`, then /auth gemini.");
        assert!(harvest.findings.is_empty());
    }

    #[test]
    fn broken_files() {
        breaks(&Llxprt, PLACE, true);
        let home = Home::new();
        home.write(PLACE, r#"{"access_token":"","refresh_token":"","expiry":0}"#);
        assert_eq!(only(&home, &Llxprt).0.condition, Condition::Blanked);
        home.write(PLACE, r#"{"access_token":"a","refresh_token":"r","expiry":1799582400000}"#);
        assert!(only(&home, &Llxprt).0.notes[0].contains("milliseconds where seconds belong"));
    }
}
