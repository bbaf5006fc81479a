//! Qwen Code: its login in `~/.qwen/oauth_creds.json`, whose service has ended ([`super::retired`]), and the keys that its users
//! went over to, in `~/.qwen/.env` and `settings.json`.
//!
//! It deletes the login when a refresh is refused. Keys of others (`OPENAI_API_KEY`) go to whatever server its settings name,
//! so nobody is asked about them.

use std::path::Path;

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source, gemini, json, variables};

/// See the module.
pub struct Qwen;

const NAME: &str = "qwen-code";
const LOGIN: &str = "qwen-portal";
const FIX: &str = "qwen auth";

impl Source for Qwen {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = scene.env.home().join(".qwen");
        // No other sign of life counts for the login: the tool lives on with keys.
        let mut file = LoginFile::new(NAME, LOGIN, dir.join("oauth_creds.json"), FIX);
        if let Some(mut object) = file.open(Format::Json, harvest) {
            let mut found = file.oauth("default", LOGIN, &mut object, (&gemini::SHAPE, ""), scene, harvest);
            if let Some(chosen) = chosen(&dir).filter(|chosen| chosen != "qwen-oauth") {
                found.credential.declared_in_use = Some(false);
                let note = format!("settings.json chose {chosen}: Qwen Code does not use this login");
                found.credential.notes.push(note);
            }
            harvest.found.push(found);
        }
        file.close(harvest);

        let signs = || ["projects", "tmp", "logs", "history"].map(|name| dir.join(name));
        let mut file = LoginFile::new(NAME, NAME, dir.join(".env"), FIX).settings().alive(signs());
        if let Some(object) = file.open(Format::Dotenv, harvest) {
            variables::of_tool(&file, object, ("", ""), scene, harvest);
        }
        file.close(harvest);
        let mut file = LoginFile::new(NAME, NAME, dir.join("settings.json"), FIX).settings().alive(signs());
        if let Some(mut object) = file.open(Format::Json5, harvest)
            && let Some(Value::Object(env)) = object.remove("env")
        {
            variables::of_tool(&file, env, ("settings/", "env"), scene, harvest);
        }
        file.close(harvest);
    }
}

fn chosen(dir: &Path) -> Option<String> {
    let settings: Map<String, Value> = json::aside(&dir.join("settings.json"));
    json::text(&settings, &["security", "auth", "selectedType"]).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, credentials, now, only};
    use super::*;
    use crate::domain::{Condition, Kind, Time};

    const PLACE: &str = ".qwen/oauth_creds.json";
    const CREDS: &str = r#"{"access_token":"a","refresh_token":"r","token_type":"Bearer","resource_url":"portal.qwen.ai","expiry_date":1799582400000}"#;

    #[test]
    fn its_login_is_retired_and_nobody_is_asked() {
        let home = Home::new();
        home.write(PLACE, CREDS);
        let (credential, mut harvest) = only(&home, &Qwen);
        assert_eq!((credential.id.as_str(), credential.provider.as_str()), ("qwen-code:default", "qwen-portal"));
        assert_eq!(credential.clocks.access_expires, Some(now()));
        let before: Time = "2026-04-14T12:00:00Z".parse().unwrap();
        let mut found = harvest.found.remove(0);
        super::super::retired::mark(&mut found, before);
        assert_eq!((found.credential.condition.clone(), found.secret.is_some()), (Condition::Present, true));
        super::super::retired::mark(&mut found, now());
        assert!(matches!(&found.credential.condition, Condition::Retired(why) if why.contains("2026-04-15")));
        assert!(found.secret.is_none() && found.credential.fix.contains("Coding Plan"));
        assert_eq!(found.credential.declared_in_use, None);
    }

    #[test]
    fn a_logout_or_another_choice_is_no_news() {
        let home = Home::new();
        home.write(PLACE, r#"{"access_token":"","refresh_token":"","expiry_date":0}"#);
        let mut found = only(&home, &Qwen).1.found.remove(0);
        super::super::retired::mark(&mut found, now());
        assert!(matches!(found.credential.condition, Condition::Retired(_)));
        assert_eq!(found.credential.declared_in_use, Some(false));
        home.write(PLACE, CREDS);
        home.write(".qwen/settings.json", r#"{"security":{"auth":{"selectedType":"openai"}}}"#);
        let (credential, _) = only(&home, &Qwen);
        assert_eq!(credential.declared_in_use, Some(false));
        assert!(credential.notes[0].contains("chose openai"));
        home.write(".qwen/settings.json", r#"{"security":{"auth":{"selectedType":"qwen-oauth"}}}"#);
        assert_eq!(only(&home, &Qwen).0.declared_in_use, None);
    }

    #[test]
    fn keys_beside_it() {
        let home = Home::new();
        home.write(
            ".qwen/.env",
            "OPENAI_API_KEY=sk-x\nOPENAI_BASE_URL=https://coding.example/v1\nDASHSCOPE_API_KEY=sk-d\nGROQ_API_KEY=\n",
        );
        home.write(".qwen/settings.json", r#"{"env":{"OPENAI_API_KEY":"sk-y","OTHER":"x","XAI_API_KEY":7}, }"#);
        let harvest = home.read(&Qwen);
        let found = credentials(&harvest);
        let ids: Vec<&str> = found.iter().map(|credential| credential.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "qwen-code:DASHSCOPE_API_KEY",
                "qwen-code:OPENAI_API_KEY",
                "qwen-code:settings/OPENAI_API_KEY",
                "qwen-code:settings/XAI_API_KEY"
            ]
        );
        assert!(found[1].notes[0].contains("coding.example"), "{:?}", found[1].notes);
        assert_eq!((found[0].provider.as_str(), found[0].kind), ("alibaba", Kind::ApiKey));
        let asked: Vec<bool> = harvest.found.iter().map(|found| found.secret.is_some()).collect();
        assert_eq!(asked, [true, false, false, false]);
        assert_eq!(harvest.findings.len(), 1);
        assert!(found[0].fix.contains(".qwen/.env"), "{}", found[0].fix);
    }

    #[test]
    fn broken_files() {
        breaks(&Qwen, PLACE, true);
        breaks(&Qwen, ".qwen/settings.json", false);
        assert!(Home::new().read(&Qwen).found.is_empty());
    }
}
