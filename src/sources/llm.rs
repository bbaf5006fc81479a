//! The keys of the `llm` command line: `keys.json`, a name and a key each. The usual names are those of providers; a person may
//! choose any other.

use std::path::PathBuf;

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::{Condition, Kind};
use crate::formats::provider_id;

/// See the module.
pub struct Llm;

const NAME: &str = "llm";
const DIRECTORY: &str = "io.datasette.llm";

impl Source for Llm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let looked: Vec<PathBuf> = match scene.env.get("LLM_USER_PATH") {
            Some(dir) => vec![scene.env.expand(dir)],
            None => {
                let mac = scene.env.home().join("Library/Application Support");
                vec![super::bases::config(scene.env).join(DIRECTORY), mac.join(DIRECTORY)]
            }
        };
        for dir in looked {
            let mut file = LoginFile::new(NAME, "unknown", dir.join("keys.json"), "llm keys set")
                .settings()
                .alive([dir.join("logs.db")]);
            let there = file.exists();
            if let Some(mut object) = file.open(Format::Json, harvest) {
                // The file begins with a remark to whoever opens it.
                let names: Vec<String> = object.keys().filter(|name| !name.starts_with("//")).cloned().collect();
                for name in names {
                    let entry = (name.as_str(), &*provider_id::of_tool(&name), Kind::ApiKey);
                    let found = file.key_in(entry, &mut object, (&name, ""), scene, harvest);
                    // An empty key is no key that somebody lost.
                    harvest.found.extend(found.filter(|found| found.credential.condition != Condition::Blanked).map(
                        |mut found| {
                            found.credential.fix = format!("llm keys set {}", super::shell_word(&name));
                            found
                        },
                    ));
                }
            }
            file.close(harvest);
            if there {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;

    const PLACE: &str = ".config/io.datasette.llm/keys.json";

    #[test]
    fn names_and_keys() {
        let text = r#"{"// Note":"This file stores secret API credentials. Do not share!","openai":"sk-1","gemini":"g","my key":"m","off":"","odd":7}"#;
        for (env, place) in [
            (None, PLACE),
            (None, "Library/Application Support/io.datasette.llm/keys.json"),
            (Some("~/own"), "own/keys.json"),
        ] {
            let mut home = Home::new();
            if let Some(dir) = env {
                home.env.set("LLM_USER_PATH", dir);
            }
            home.write(place, text);
            let harvest = home.read(&Llm);
            let list: Vec<_> = harvest
                .found
                .iter()
                .map(|found| {
                    (found.credential.id.as_str(), found.credential.provider.as_str(), found.credential.fix.as_str())
                })
                .collect();
            let expected = [
                ("llm:gemini", "google", "llm keys set gemini"),
                ("llm:my key", "my key", "llm keys set 'my key'"),
                ("llm:odd", "odd", "llm keys set odd"),
                ("llm:openai", "openai", "llm keys set openai"),
            ];
            assert_eq!(list, expected, "{place}");
            assert_eq!(harvest.found[2].credential.condition, Condition::Damaged("odd is not a text".to_owned()));
            assert_eq!(harvest.findings.len(), 1);
        }
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Llm, PLACE, &["", r#"{"openai":"tell-nobody"#, "[]"], false);
        assert!(Home::new().read(&Llm).found.is_empty());
    }
}
