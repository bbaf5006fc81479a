//! aider's keys: `~/.aider.conf.yml`, `~/.env`, and what its own sign-in to OpenRouter left in `~/.aider/oauth-keys.env`; for
//! interactive commands also the settings of the project, and the `.env` at the root of its repository.
//!
//! All of them set variables, and the first of them in this order wins, the project's before those of the home. A `.env`
//! belongs to nobody in particular: it is read as aider's only where aider has been. (The one in the working directory is read
//! as such.)

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::{Harvest, Scene, Source, project};
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
        let been = own.exists() || home.join(SETTINGS).exists();
        let roots = project::roots(scene);
        let mut looked: Vec<(PathBuf, Format, bool)> =
            roots.iter().map(|root| (root.join(SETTINGS), Format::Yaml, true)).collect();
        looked.push((home.join(SETTINGS), Format::Yaml, false));
        // The first root is the working directory, whose `.env` is read as nobody's.
        let dotenv = roots.iter().skip(1).filter(|root| been || worked_in(root));
        looked.extend(dotenv.map(|root| (root.join(".env"), Format::Dotenv, true)));
        if been {
            looked.extend([home.join(".env"), own.join("oauth-keys.env")].map(|path| (path, Format::Dotenv, false)));
        }
        let mut seen = BTreeSet::new();
        for (path, format, of_project) in looked {
            let fix = format!("Make a new key, then set it in {}.", path.display());
            let mut file = LoginFile::new(NAME, "unknown", path, fix)
                .settings()
                .alive(["analytics.json", "caches"].map(|name| own.join(name)));
            if of_project {
                file = file.of_project();
            }
            if let Some(object) = file.open(format, harvest) {
                let keys = if format == Format::Yaml { of_settings(object) } else { of_variables(object) };
                for (name, provider, key) in keys {
                    if !key.is_blank() && seen.insert((of_project, name.clone())) {
                        harvest.found.push(file.key(&name, &provider, kind(&name), key, scene));
                    }
                }
            }
            file.close(harvest);
        }
    }
}

const SETTINGS: &str = ".aider.conf.yml";

/// It leaves its history and its map of the code where it works.
fn worked_in(root: &Path) -> bool {
    [SETTINGS, ".aider.chat.history.md", ".aider.input.history"].iter().any(|name| root.join(name).exists())
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
    fn a_project_and_its_repository() {
        let mut home = Home::new();
        home.write(SETTINGS, "openai-api-key: sk-home\n");
        home.write("repo/.git/HEAD", "");
        home.write("repo/.env", "GROQ_API_KEY=gsk\nOPENAI_BASE_URL=https://evil.example\n");
        home.write("repo/.aider.conf.yml", "openai-api-key: sk-repo\napi-key: gemini=g-repo\n");
        home.write("repo/sub/.aider.conf.yml", "openai-api-key: sk-sub\n");
        home.write("repo/sub/.env", "XAI_API_KEY=read as nobody's\n");
        assert_eq!(home.read(&Aider).found.len(), 1, "the monitor works nowhere");
        home.cwd = Some(home.path("repo/sub"));
        let harvest = home.read(&Aider);
        let list: Vec<_> = harvest
            .found
            .iter()
            .map(|found| (home.relative(found.credential.id.as_str()), found.secret.as_ref().unwrap().expose()))
            .collect();
        let expected = [
            ("aider:~/repo/sub/.aider.conf.yml#OPENAI_API_KEY", "sk-sub"),
            ("aider:~/repo/.aider.conf.yml#GEMINI_API_KEY", "g-repo"),
            ("aider:OPENAI_API_KEY", "sk-home"),
            ("aider:~/repo/.env#GROQ_API_KEY", "gsk"),
        ];
        assert_eq!(list, expected.map(|(id, key)| (id.to_owned(), key)));
        // A broken one is said, and nothing is lost with it.
        home.write("repo/sub/.aider.conf.yml", "openai-api-key: [tell-nobody");
        let harvest = home.read(&Aider);
        assert_eq!((harvest.findings.len(), harvest.found.len()), (1, 4));
        assert!(!harvest.findings[0].message.contains("tell-nobody"));
        // Where aider has never been a repository's variables are nobody's.
        std::fs::remove_file(home.path(SETTINGS)).unwrap();
        std::fs::remove_file(home.path("repo/.aider.conf.yml")).unwrap();
        home.write("repo/sub/.aider.conf.yml", "");
        assert!(home.read(&Aider).found.is_empty());
        home.write("repo/.aider.chat.history.md", "");
        assert_eq!(home.read(&Aider).found.len(), 1);
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Aider, SETTINGS, &["openai-api-key: [tell-nobody", "- tell-nobody\n"], false);
        every_broken_file(&Aider, SIGNED_IN, &[], false);
    }
}
