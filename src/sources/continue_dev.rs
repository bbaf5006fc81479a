//! Continue's keys: the models of `config.yaml` (before it, `config.json`), in `$CONTINUE_GLOBAL_DIR` or `~/.continue`.
//!
//! `${{ secrets.NAME }}` is looked up in the `.env` beside it, for interactive commands in `.continue/.env` of the project (keys
//! of known names only), then in the environment. It may also be kept in an account of Continue, which only Continue can see.
//! A known name in such a file that no model here asks for is shown as well: it may be for a model that the account names.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::models::{self, Key, Model};
use super::{Harvest, Scene, Source, project};
use crate::domain::Secret;
use crate::formats::provider_env;

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
        let fix = "Write NAME=value, one to a line.";
        let mut dotenvs =
            vec![Dotenv::open(LoginFile::new(NAME, "unknown", dir.join(".env"), fix).settings(), harvest)];
        for root in project::roots(scene) {
            let file = LoginFile::new(NAME, "unknown", root.join(".continue/.env"), fix).of_project();
            let mut dotenv = Dotenv::open(file, harvest);
            dotenv.before = "";
            dotenv.values.retain(|name, _| provider_env::provider_of(name).is_some());
            dotenvs.push(dotenv);
        }
        for (name, format) in [("config.yaml", Format::Yaml), ("config.json", Format::Json5)] {
            let path = dir.join(name);
            let fix = format!("Correct {}.", path.display());
            let signs = ["sessions", "index", "logs"].map(|name| dir.join(name));
            let mut file = LoginFile::new(NAME, "unknown", path, fix).settings().alive(signs);
            let there = file.exists();
            if let Some(object) = file.open(format, harvest) {
                let models = read(&file, object, &mut dotenvs, scene, harvest);
                models::credentials(&file, models, scene, harvest);
            }
            file.close(harvest);
            // The older file counts only where the newer one is not.
            if there {
                break;
            }
        }
        dotenvs.into_iter().for_each(|dotenv| dotenv.rest(scene, harvest));
    }
}

/// A file of secrets for models.
struct Dotenv {
    file: LoginFile,
    values: Map<String, Value>,
    /// The names that a model asked for.
    asked: Vec<String>,
    /// What goes before the names of the others.
    before: &'static str,
}

impl Dotenv {
    fn open(mut file: LoginFile, harvest: &mut Harvest) -> Self {
        let values = file.open(Format::Dotenv, harvest).unwrap_or_default();
        Self { file, values, asked: Vec::new(), before: ".env/" }
    }

    fn find(&mut self, name: &str) -> Option<(PathBuf, Secret)> {
        let value = self.values.get(name)?.as_str().filter(|value| !value.trim().is_empty())?;
        self.asked.push(name.to_owned());
        Some((self.file.path().to_owned(), Secret::new(value.to_owned())))
    }

    /// Shows what nobody asked for, and ends with the file.
    fn rest(mut self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let path = self.file.path().display().to_string();
        let before = harvest.found.len();
        for (name, value) in std::mem::take(&mut self.values) {
            let (Some(provider), Value::String(value)) = (provider_env::provider_of(&name), value) else { continue };
            let key = Secret::new(value);
            if key.is_blank() || self.asked.contains(&name) {
                continue;
            }
            let profile = format!("{}{name}", self.before);
            let mut found = self.file.key(&profile, provider, provider_env::kind_of(&name), key, scene);
            let credential = &mut found.credential;
            credential.declared_in_use = Some(false);
            credential.notes.push("no model in Continue's settings asks for it".to_owned());
            credential.fix = format!("Make a new key at {provider}, then set {name} in {path}.");
            harvest.found.push(found);
        }
        self.file.close_since(before, harvest);
    }
}

fn read(
    file: &LoginFile,
    mut object: Map<String, Value>,
    dotenvs: &mut [Dotenv],
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
        let key = look_up(key, format!("{place}.apiKey"), dotenvs, (scene, file));
        models.push(Model { name, provider, key });
    }
    models
}

fn look_up(key: Secret, place: String, dotenvs: &mut [Dotenv], (scene, file): (&Scene<'_>, &LoginFile)) -> Key {
    let text = key.expose().trim();
    if !text.contains("${{") {
        return Key::Written(key, place);
    }
    let settings = file.path().display();
    let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let name = inner.and_then(|inner| inner.strip_prefix("secrets.").or_else(|| inner.strip_prefix("inputs.")));
    let Some(name) = name.filter(|name| !name.contains("${{")) else {
        return Key::Missing(
            "it is put together of several parts; only ${{ secrets.NAME }} is looked up here".to_owned(),
            format!("See what {place} in {settings} is put together of: each part must be set in Continue."),
        );
    };
    if let Some((path, key)) = dotenvs.iter_mut().find_map(|dotenv| dotenv.find(name)) {
        return Key::InFile(name.to_owned(), path, key);
    }
    models::variable(name, scene.env).unwrap_or_else(|| {
        let (named, dotenv) = (models::named(name), file.path().with_file_name(".env"));
        Key::Missing(
            format!("{named} is neither in .env nor in this environment; Continue may keep it in its account"),
            format!("Set {named} in {}, unless Continue's account has it.", dotenv.display()),
        )
    })
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
    fn secrets_of_a_project_and_those_that_nobody_asks_for() {
        let mut home = Home::new();
        let model =
            |name: &str| format!("  - {{name: {name}, provider: mistral, apiKey: \"${{{{ secrets.{name} }}}}\"}}\n");
        home.write(YAML, format!("models:\n{}{}", model("MISTRAL_API_KEY"), model("MY_OWN")));
        home.write(".continue/.env", "MISTRAL_API_KEY=\nGROQ_API_KEY=gsk\n");
        home.write("repo/.git/HEAD", "");
        home.write(
            "repo/.continue/.env",
            "MISTRAL_API_KEY=m-repo\nMY_OWN=not a name that we know\nXAI_API_KEY=x-repo\n",
        );
        assert!(home.read(&Continue).found[0].secret.is_none());
        home.cwd = Some(home.path("repo/src"));
        std::fs::create_dir_all(home.path("repo/src")).unwrap();
        let harvest = home.read(&Continue);
        let facts: Vec<_> = harvest
            .found
            .iter()
            .map(|found| (home.relative(found.credential.id.as_str()), found.secret.as_ref().map(Secret::expose)))
            .collect();
        let expected = [
            ("continue:MISTRAL_API_KEY", Some("m-repo")),
            ("continue:MY_OWN", None),
            ("continue:.env/GROQ_API_KEY", Some("gsk")),
            ("continue:~/repo/.continue/.env#XAI_API_KEY", Some("x-repo")),
        ];
        assert_eq!(facts, expected.map(|(id, key)| (id.to_owned(), key)));
        let of = &harvest.found[0].credential;
        assert_eq!(
            of.origin.path.as_deref(),
            Some(home.path("repo/.continue/.env").as_path()),
            "there it must be kept from others"
        );
        assert_eq!(
            home.relative(&of.fix),
            "Make a new key at mistral, then set MISTRAL_API_KEY in ~/repo/.continue/.env."
        );
        assert_eq!(harvest.found[2].credential.declared_in_use, Some(false));
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
