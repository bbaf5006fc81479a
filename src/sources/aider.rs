//! aider's keys: `~/.aider.conf.yml`, `~/.env`, and what its own sign-in to OpenRouter left in `~/.aider/oauth-keys.env`.
//!
//! All three set variables, and the first of them in this order wins. `~/.env` belongs to nobody in particular: it is read as
//! aider's only where aider has been.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source};
use crate::domain::{Kind, Secret};
use crate::formats::{provider_env, provider_id};

/// See the module.
pub struct Aider;

const NAME: &str = "aider";

impl Source for Aider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let home = scene.env.home();
        let own = home.join(".aider");
        let signs = || ["analytics.json", "caches"].map(|name| own.join(name));
        let mut seen = BTreeSet::new();
        for (path, format) in [
            (home.join(".aider.conf.yml"), Format::Yaml),
            (home.join(".env"), Format::Dotenv),
            (own.join("oauth-keys.env"), Format::Dotenv),
        ] {
            if path.ends_with(".env") && !own.exists() && !home.join(".aider.conf.yml").exists() {
                continue;
            }
            let fix = format!("Make a new key, then set it in {}.", path.display());
            let mut file = LoginFile::new(NAME, "unknown", path, fix).settings().alive(signs());
            if let Some(object) = file.open(format, harvest) {
                let keys = if format == Format::Yaml { of_settings(object) } else { of_variables(object) };
                for (name, provider, key) in keys {
                    if !key.is_blank() && seen.insert(name.clone()) {
                        harvest.found.push(file.key(&name, &provider, kind(&name), key, scene));
                    }
                }
            }
            file.close(harvest);
        }
    }
}

fn kind(name: &str) -> Kind {
    provider_env::provider_of(name).map_or(Kind::ApiKey, |_| provider_env::kind_of(name))
}

/// Name of the variable, provider, key.
type Key = (String, String, Secret);

fn of_variables(object: Map<String, Value>) -> Vec<Key> {
    object.into_iter().filter_map(|(name, value)| known(&name, text(value)?)).collect()
}

fn known(name: &str, value: String) -> Option<Key> {
    Some((name.to_owned(), provider_env::provider_of(name)?.to_owned(), Secret::new(value)))
}

/// `openai-api-key`, `anthropic-api-key`, `api-key: [provider=key]`, `set-env: [NAME=value]`. A list may also be one text.
fn of_settings(mut object: Map<String, Value>) -> Vec<Key> {
    let mut keys = Vec::new();
    for (field, name) in [("openai-api-key", "OPENAI_API_KEY"), ("anthropic-api-key", "ANTHROPIC_API_KEY")] {
        keys.extend(object.remove(field).and_then(text).and_then(|value| known(name, value)));
    }
    for pair in pairs(object.remove("api-key")) {
        let Some((provider, key)) = pair.split_once('=') else { continue };
        // aider sets PROVIDER_API_KEY; a provider of that name that nobody knows is its own.
        let name = format!("{}_API_KEY", provider.trim().to_uppercase());
        let id = provider_env::provider_of(&name).map_or_else(|| provider_id::of_tool(provider), str::to_owned);
        keys.push((name, id, Secret::new(key.trim().to_owned())));
    }
    for pair in pairs(object.remove("set-env")) {
        let Some((name, value)) = pair.split_once('=') else { continue };
        keys.extend(known(name.trim(), value.trim().to_owned()));
    }
    keys
}

fn pairs(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.into_iter().filter_map(text).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::Renewal;

    const SETTINGS: &str = ".aider.conf.yml";
    const SIGNED_IN: &str = ".aider/oauth-keys.env";

    #[test]
    fn three_files_one_variable_each() {
        let home = Home::new();
        home.write(SETTINGS, "model: x\nopenai-api-key: sk-1\nanthropic-api-key:\napi-key:\n- gemini=g-1\n- mine=m-1\n- rubbish\nset-env: DEEPSEEK_API_KEY=d-1\n");
        home.write(".env", "GEMINI_API_KEY=not this one\nGROQ_API_KEY=gsk\nPATH=/x\nXAI_API_KEY=\n");
        home.write(SIGNED_IN, "OPENROUTER_API_KEY=\"or-1\"\nGROQ_API_KEY=nor this\n");
        let harvest = home.read(&Aider);
        let list: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                let credential = &found.credential;
                (credential.id.as_str(), credential.provider.as_str(), found.secret.as_ref().unwrap().expose())
            })
            .collect();
        let expected = [
            ("aider:OPENAI_API_KEY", "openai", "sk-1"),
            ("aider:GEMINI_API_KEY", "google", "g-1"),
            ("aider:MINE_API_KEY", "mine", "m-1"),
            ("aider:DEEPSEEK_API_KEY", "deepseek", "d-1"),
            ("aider:GROQ_API_KEY", "groq", "gsk"),
            ("aider:OPENROUTER_API_KEY", "openrouter", "or-1"),
        ];
        assert_eq!(list, expected);
        let credential = &harvest.found[0].credential;
        assert_eq!((credential.kind, credential.renewal), (Kind::ApiKey, Renewal::None));
        assert!(harvest.findings.is_empty() && credential.fix.contains(".aider.conf.yml"));
    }

    #[test]
    fn nobodys_variables_are_left_alone() {
        let home = Home::new();
        home.write(".env", "OPENAI_API_KEY=sk-1\n");
        assert!(home.read(&Aider).found.is_empty());
        home.write(".aider/analytics.json", "{}");
        assert_eq!(home.read(&Aider).found.len(), 1);
        home.write(SETTINGS, "api-key: openai=sk-2\nopenai-api-key: [7]\n");
        assert_eq!(home.read(&Aider).found[0].secret.as_ref().unwrap().expose(), "sk-2");
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Aider, SETTINGS, &["openai-api-key: [tell-nobody", "- tell-nobody\n"], false);
        every_broken_file(&Aider, SIGNED_IN, &[], false);
    }
}
