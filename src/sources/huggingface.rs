//! Hugging Face's tokens: the active one (`token`), and those that were stored under a name (`stored_tokens`), which are no
//! more than spares. Where they end is known to the provider alone.

use std::path::PathBuf;

use serde_json::Value;

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::{Environment, Kind};

/// See the module.
pub struct HuggingFace;

const NAME: &str = "huggingface";
const FIX: &str = "hf auth login";

impl Source for HuggingFace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let (own, token) = token_path(scene.env);
        let stored = token.with_file_name("stored_tokens");
        let mut looked = vec![token];
        if !own {
            looked.push(scene.env.home().join(".huggingface/token"));
        }
        let before = harvest.found.len();
        for path in looked {
            let mut file = LoginFile::new(NAME, NAME, path, FIX);
            let there = file.exists();
            if let Some(mut object) = file.open(Format::Bare, harvest) {
                let found = file.key_in(("default", NAME, Kind::Token), &mut object, ("", ""), scene, harvest);
                harvest.found.extend(found);
            }
            file.close(harvest);
            // The old place counts only where the new one is empty.
            if there {
                break;
            }
        }
        let active = harvest.found[before..].first().and_then(|found| found.credential.fingerprint);
        let mut file = LoginFile::new(NAME, NAME, stored, FIX).settings();
        if let Some(object) = file.open(Format::Ini, harvest) {
            for (name, section) in object {
                let Value::Object(mut section) = section else { continue };
                // That word is the active token's.
                let profile = if name == "default" { "stored/default" } else { name.as_str() };
                let entry = (profile, NAME, Kind::Token);
                let Some(mut found) = file.key_in(entry, &mut section, ("hf_token", &name), scene, harvest) else {
                    continue;
                };
                if found.credential.fingerprint.is_some() && found.credential.fingerprint == active {
                    // The active token once more, under the name that it was given.
                    harvest.found[before].credential.notes.push(format!("it is stored under the name {name}"));
                    continue;
                }
                found.credential.declared_in_use = Some(false);
                found.credential.fix =
                    format!("hf auth login, then hf auth switch --token-name {}", super::shell_word(&name));
                harvest.found.push(found);
            }
        }
        file.close(harvest);
    }
}

/// Whether somebody chose the place, and the place.
fn token_path(env: &Environment) -> (bool, PathBuf) {
    match (env.get("HF_TOKEN_PATH"), env.get("HF_HOME")) {
        (Some(path), _) => (true, env.expand(path)),
        (None, Some(home)) => (true, env.expand(home).join("token")),
        (None, None) => (false, super::bases::cache(env).join("huggingface/token")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::{Condition, Renewal};

    const TOKEN: &str = ".cache/huggingface/token";
    const STORED: &str = ".cache/huggingface/stored_tokens";

    #[test]
    fn the_active_token_and_its_spares() {
        let home = Home::new();
        home.write(TOKEN, "hf_1\n");
        home.write(STORED, "[ci]\nhf_token = hf_2\n\n[mine]\nhf_token = hf_1\n\n[off]\nhf_token =\n\n[other]\nname = x\n[default]\nhf_token=hf_3\n");
        let harvest = home.read(&HuggingFace);
        let list: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                (found.credential.id.as_str(), found.credential.condition.clone(), found.credential.declared_in_use)
            })
            .collect();
        let expected = [
            ("huggingface:default", Condition::Present, None),
            ("huggingface:ci", Condition::Present, Some(false)),
            ("huggingface:stored/default", Condition::Present, Some(false)),
            ("huggingface:off", Condition::Blanked, Some(false)),
        ];
        assert_eq!(list, expected);
        let active = &harvest.found[0];
        assert_eq!(active.secret.as_ref().unwrap().expose(), "hf_1");
        assert_eq!((active.credential.kind, active.credential.renewal), (Kind::Token, Renewal::Manual));
        assert_eq!(active.credential.notes, ["it is stored under the name mine"]);
        assert!(harvest.findings.is_empty());
    }

    #[test]
    fn where_it_looks() {
        let table: [(&[(&str, &str)], &str); 5] = [
            (&[], TOKEN),
            (&[], ".huggingface/token"),
            (&[("HF_HOME", "~/hf")], "hf/token"),
            (&[("HF_HOME", "~/hf"), ("HF_TOKEN_PATH", "~/my/hf.txt")], "my/hf.txt"),
            (&[("XDG_CACHE_HOME", "relative is passed over")], TOKEN),
        ];
        for (env, place) in table {
            let mut home = Home::new();
            for (name, value) in env {
                home.env.set(*name, *value);
            }
            home.write(place, "hf_x");
            let found = home.read(&HuggingFace).found;
            assert_eq!(found[0].credential.origin.path, Some(home.path(place).into()));
        }
        let home = Home::new();
        home.write(TOKEN, " \n");
        home.write(".huggingface/token", "hf_old");
        let found = home.read(&HuggingFace).found;
        assert_eq!((found.len(), &found[0].credential.condition), (1, &Condition::Blanked));
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&HuggingFace, TOKEN, &[], true);
        every_broken_file(&HuggingFace, STORED, &[], false);
        assert!(Home::new().read(&HuggingFace).found.is_empty());
    }
}
