//! Continue's keys: the models of `config.yaml` (before it, `config.json`), in `$CONTINUE_GLOBAL_DIR` or `~/.continue`.
//!
//! `${{ secrets.NAME }}` is looked up in the `.env` beside it, then in the environment. It may also be kept in an account of
//! Continue, which only Continue can see.

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::models::{self, Model};
use super::{Harvest, Scene, Source};
use crate::domain::Secret;

/// See the module.
pub struct Continue;

const NAME: &str = "continue";

impl Source for Continue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let own_dir = scene.env.get("CONTINUE_GLOBAL_DIR");
        let dir = own_dir.map_or_else(|| scene.env.home().join(".continue"), |dir| scene.env.expand(dir));
        let mut dotenv =
            LoginFile::new(NAME, "unknown", dir.join(".env"), "Write NAME=value, one to a line.").settings();
        let secrets = dotenv.open(Format::Dotenv, harvest).unwrap_or_default();
        dotenv.close(harvest);
        for (name, format) in [("config.yaml", Format::Yaml), ("config.json", Format::Json5)] {
            let path = dir.join(name);
            let fix = format!("Make a new key, then set the model's apiKey in {}.", path.display());
            let signs = ["sessions", "index", "logs"].map(|name| dir.join(name));
            let mut file = LoginFile::new(NAME, "unknown", path, fix.clone()).settings().alive(signs);
            let there = file.exists();
            if let Some(object) = file.open(format, harvest) {
                let models = read(&file, object, &secrets, scene, harvest);
                models::credentials(&file, models, &fix, scene, harvest);
            }
            file.close(harvest);
            // The older file counts only where the newer one is not.
            if there {
                break;
            }
        }
    }
}

fn read(
    file: &LoginFile,
    mut object: Map<String, Value>,
    secrets: &Map<String, Value>,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Vec<Model> {
    let mut entries = Vec::new();
    for field in ["models", "tabAutocompleteModel", "embeddingsProvider", "reranker"] {
        match object.remove(field) {
            Some(Value::Array(items)) => {
                entries.extend(items.into_iter().enumerate().map(|(at, item)| (format!("{field}[{at}]"), item)));
            }
            Some(item @ Value::Object(_)) => entries.push((field.to_owned(), item)),
            _ => {}
        }
    }
    let mut models = Vec::new();
    for (place, entry) in entries {
        let Value::Object(mut entry) = entry else { continue };
        let Some(key) = models::text(file, &mut entry, ("apiKey", &place), harvest) else { continue };
        let word = |name: &str| entry.get(name).and_then(Value::as_str).map(str::trim).filter(|word| !word.is_empty());
        let name = word("name").or(word("title")).or(word("model")).unwrap_or(&place).to_owned();
        let provider = models::provider(word("provider").unwrap_or("unknown"), word("apiBase"));
        models.push(Model { name, provider, key: look_up(key, secrets, scene) });
    }
    models
}

fn look_up(key: Secret, secrets: &Map<String, Value>, scene: &Scene<'_>) -> Result<Secret, String> {
    let text = key.expose().trim();
    if !text.contains("${{") {
        return Ok(key);
    }
    let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let name = inner.and_then(|inner| inner.strip_prefix("secrets.").or_else(|| inner.strip_prefix("inputs.")));
    let Some(name) = name.filter(|name| !name.contains("${{")) else {
        return Err("it is put together of several parts; only ${{ secrets.NAME }} is looked up here".to_owned());
    };
    match secrets.get(name).and_then(Value::as_str).filter(|value| !value.trim().is_empty()) {
        Some(value) => Ok(Secret::new(value.to_owned())),
        None => models::variable(name, scene.env).map_err(|_| {
            format!(
                "{} is neither in .env nor in this environment; Continue may keep it in its account",
                models::named(name)
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::Condition;

    const YAML: &str = ".continue/config.yaml";
    const JSON: &str = ".continue/config.json";

    fn list(harvest: &Harvest) -> Vec<(&str, &str, Option<&str>)> {
        harvest
            .found
            .iter()
            .map(|found| {
                let credential = &found.credential;
                (credential.id.as_str(), credential.provider.as_str(), found.secret.as_ref().map(Secret::expose))
            })
            .collect()
    }

    #[test]
    fn the_newer_file() {
        let mut home = Home::new();
        home.env.set("MISTRAL_API_KEY", "m-1");
        home.write(".continue/.env", "ANTHROPIC_API_KEY=\"a-1\"\nMISTRAL_API_KEY=\n");
        home.write(
            YAML,
            r#"name: mine
schema: v1
models:
  - name: Claude
    provider: anthropic
    model: claude-x
    apiKey: ${{ secrets.ANTHROPIC_API_KEY }}
  - name: Claude small
    provider: anthropic
    apiKey: a-1
  - name: Codestral
    provider: mistral
    apiKey: ${{secrets.MISTRAL_API_KEY}}
  - name: Proxy
    provider: openai
    apiBase: https://llm.example/v1
    apiKey: p-1
  - name: Hub
    provider: openai
    apiKey: ${{ secrets.OPENAI_API_KEY }}
  - name: Odd
    provider: openai
    apiKey: a${{ secrets.X }}
  - {name: Number, provider: openai, apiKey: 7}
  - {name: Local, provider: ollama, model: x}
  - uses: anthropic/claude
"#,
        );
        home.write(JSON, "not looked at");
        let harvest = home.read(&Continue);
        let expected = [
            ("continue:Claude", "anthropic", Some("a-1")),
            ("continue:Codestral", "mistral", Some("m-1")),
            ("continue:Proxy", "llm.example", Some("p-1")),
            ("continue:Hub", "openai", None),
            ("continue:Odd", "openai", None),
        ];
        assert_eq!(list(&harvest), expected);
        assert_eq!(harvest.found[0].credential.notes, ["also the key of Claude small"]);
        let hub = &harvest.found[3].credential;
        assert!(
            matches!(&hub.condition, Condition::Unresolved(why) if why.contains("OPENAI_API_KEY") && why.contains("account"))
        );
        assert_eq!(hub.declared_in_use, Some(false));
        assert_eq!(harvest.findings.len(), 1, "{:?}", harvest.findings);
    }

    #[test]
    fn the_older_file() {
        let mut home = Home::new();
        home.env.set("CONTINUE_GLOBAL_DIR", "~/c");
        home.write(
            "c/config.json",
            r#"{ // words
              "models":[{"title":"GPT","provider":"openai","apiKey":"sk-1"},{"title":"GPT","provider":"openai","apiKey":"sk-2"}],
              "tabAutocompleteModel":{"title":"Tab","provider":"deepseek","apiKey":"d-1"},
              "embeddingsProvider":{"provider":"voyage","apiKey":""}, }"#,
        );
        let harvest = home.read(&Continue);
        let expected = [
            ("continue:GPT", "openai", Some("sk-1")),
            ("continue:GPT#2", "openai", Some("sk-2")),
            ("continue:Tab", "deepseek", Some("d-1")),
        ];
        assert_eq!(list(&harvest), expected);
        assert!(harvest.findings.is_empty(), "{:?}", harvest.findings);
    }

    #[test]
    fn whatever_is_broken() {
        every_broken_file(&Continue, YAML, &["models: [tell-nobody", "- tell-nobody\n"], false);
        every_broken_file(&Continue, JSON, &["", "{\"models\":[{\"apiKey\":\"tell-nobody", "[]"], false);
        every_broken_file(&Continue, ".continue/.env", &[], false);
        assert!(Home::new().read(&Continue).found.is_empty());
    }
}
