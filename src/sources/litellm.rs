//! The keys in the settings of a LiteLLM proxy: those of its models, of its `credential_list`, and its own master key.
//!
//! Such a file has no usual place. It is read where `monitor.toml` names it (`[sources] litellm`) and where `CONFIG_FILE_PATH`
//! does, which LiteLLM documents; that name being anybody's, only a file that speaks of a `model_list` is taken for LiteLLM's.
//! `os.environ/NAME` is looked up in the file's own `environment_variables`, then here; the proxy's environment is not ours.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::models::{self, Model};
use super::{Harvest, Scene, Source};
use crate::domain::Secret;
use crate::files;
use crate::formats::provider_env;

/// See the module.
pub struct LiteLlm;

const NAME: &str = "litellm";

impl Source for LiteLlm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let mut looked: Vec<PathBuf> = scene.litellm.to_vec();
        let own = scene.env.get("CONFIG_FILE_PATH").map(|path| scene.env.expand(path));
        let yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        looked.extend(own.filter(|path| yaml(path) && files::text(path).contains("model_list")));
        looked.dedup();
        for path in looked {
            let fix = format!("Make a new key, then set it in {} (or where that file says).", path.display());
            let mut file = LoginFile::new(NAME, NAME, path, fix.clone()).settings();
            if let Some(object) = file.open(Format::Yaml, harvest) {
                let models = read(&file, object, scene, harvest);
                models::credentials(&file, models, &fix, scene, harvest);
            }
            file.close(harvest);
        }
    }
}

fn read(file: &LoginFile, mut object: Map<String, Value>, scene: &Scene<'_>, harvest: &mut Harvest) -> Vec<Model> {
    let own_env = match object.remove("environment_variables") {
        Some(Value::Object(variables)) => variables,
        _ => Map::new(),
    };
    let resolve = |key: Secret| match key.expose().trim().strip_prefix("os.environ/") {
        None => Ok(key),
        Some(name) => match own_env.get(name).and_then(Value::as_str).filter(|value| !value.starts_with("os.environ/"))
        {
            Some(value) if !value.trim().is_empty() => Ok(Secret::new(value.to_owned())),
            _ => models::variable(name, scene.env)
                .map_err(|why| format!("{why}; the proxy's own environment may have it")),
        },
    };
    let mut models = Vec::new();
    for (at, entry) in items(object.remove("model_list")) {
        let place = format!("model_list[{at}].litellm_params");
        let Value::Object(mut entry) = entry else { continue };
        let Some(Value::Object(mut params)) = entry.remove("litellm_params") else { continue };
        let Some(key) = models::text(file, &mut params, ("api_key", &place), harvest) else { continue };
        let name = word(&entry, "model_name").unwrap_or(&place).to_owned();
        let provider =
            models::provider(&provider(&params, &key), word(&params, "api_base").or(word(&params, "base_url")));
        models.push(Model { name, provider, key: resolve(key) });
    }
    for (at, entry) in items(object.remove("credential_list")) {
        let place = format!("credential_list[{at}].credential_values");
        let Value::Object(mut entry) = entry else { continue };
        let Some(Value::Object(mut values)) = entry.remove("credential_values") else { continue };
        let Some(key) = models::text(file, &mut values, ("api_key", &place), harvest) else { continue };
        let info = entry.get("credential_info").and_then(Value::as_object);
        let vendor = info.and_then(|info| word(info, "custom_llm_provider")).map(str::to_owned);
        let vendor = vendor.unwrap_or_else(|| by_variable(&key).to_owned());
        let name = word(&entry, "credential_name").unwrap_or(&place).to_owned();
        models.push(Model { name, provider: models::provider(&vendor, word(&values, "api_base")), key: resolve(key) });
    }
    if let Some(Value::Object(mut general)) = object.remove("general_settings")
        && let Some(key) = models::text(file, &mut general, ("master_key", "general_settings"), harvest)
    {
        models.push(Model { name: "master_key".to_owned(), provider: NAME.to_owned(), key: resolve(key) });
    }
    models
}

/// `custom_llm_provider`, else what stands before the `/` of the model, else what the well-known models' names say, else whose
/// key the variable is.
fn provider(params: &Map<String, Value>, key: &Secret) -> String {
    let model = word(params, "model").unwrap_or_default();
    if let Some(name) = word(params, "custom_llm_provider") {
        return name.to_owned();
    }
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    match model.split_once('/') {
        Some((name, _)) if name != "os.environ" => name,
        None if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-"]) => "openai",
        None if begins(&["claude"]) => "anthropic",
        _ => by_variable(key),
    }
    .to_owned()
}

fn by_variable(key: &Secret) -> &'static str {
    key.expose().trim().strip_prefix("os.environ/").and_then(provider_env::provider_of).unwrap_or("unknown")
}

fn items(value: Option<Value>) -> impl Iterator<Item = (usize, Value)> {
    let items = match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    items.into_iter().enumerate()
}

fn word<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, every_broken_file};
    use super::*;
    use crate::domain::Condition;

    const PLACE: &str = "proxy/config.yaml";
    const TEXT: &str = r#"
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-x, api_key: os.environ/OPENAI_API_KEY, rpm: 6}
  - model_name: gpt
    litellm_params: {model: gpt-y, api_key: os.environ/OPENAI_API_KEY}
  - model_name: gpt-too
    litellm_params: {model: gpt-y, api_key: os.environ/OPENAI_API_KEY}
  - model_name: azure-gpt
    litellm_params: {model: azure/x, api_base: "https://me.openai.azure.com", api_key: az-1}
  - model_name: sonnet
    litellm_params: {model: anthropic/claude-x, api_key: os.environ/GONE}
  - model_name: own
    litellm_params: {model: openai/mine, api_base: "http://localhost:8000/v1", api_key: local}
  - model_name: own
    litellm_params: {model: openai/mine, api_base: "http://localhost:8001/v1", api_key: other}
  - model_name: groq
    litellm_params: {model: os.environ/MODEL, api_key: os.environ/GROQ_API_KEY}
  - model_name: aws
    litellm_params: {model: bedrock/x}
  - model_name: odd
    litellm_params: {model: openai/x, api_key: [7]}
credential_list:
  - credential_name: shared
    credential_values: {api_key: g-1}
    credential_info: {custom_llm_provider: gemini}
environment_variables:
  GROQ_API_KEY: gsk
general_settings:
  master_key: sk-master
"#;

    #[test]
    fn models_credentials_and_the_master_key() {
        let mut home = Home::new();
        home.env.set("OPENAI_API_KEY", "sk-1");
        home.write(PLACE, TEXT);
        home.litellm = vec![home.path(PLACE)];
        let harvest = home.read(&LiteLlm);
        let list: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                let credential = &found.credential;
                (credential.id.as_str(), credential.provider.as_str(), found.secret.as_ref().map(Secret::expose))
            })
            .collect();
        let expected = [
            ("litellm:gpt", "openai", Some("sk-1")),
            ("litellm:azure-gpt", "azure", Some("az-1")),
            ("litellm:sonnet", "anthropic", None),
            ("litellm:own", "localhost", Some("local")),
            ("litellm:own#2", "localhost", Some("other")),
            ("litellm:groq", "groq", Some("gsk")),
            ("litellm:shared", "google", Some("g-1")),
            ("litellm:master_key", "litellm", Some("sk-master")),
        ];
        assert_eq!(list, expected);
        assert_eq!(harvest.found[0].credential.notes, ["also the key of gpt-too"]);
        let gone = &harvest.found[2].credential;
        assert!(matches!(&gone.condition, Condition::Unresolved(why) if why.contains("the variable GONE")));
        assert_eq!(gone.declared_in_use, Some(false));
        assert_eq!(harvest.findings.len(), 1, "{:?}", harvest.findings);
    }

    #[test]
    fn where_it_looks() {
        let mut home = Home::new();
        assert!(home.read(&LiteLlm).reports.is_empty(), "nowhere of itself");
        for (text, found) in [(TEXT, 8), ("other: things\n", 0), ("other: [", 0)] {
            home.write(PLACE, text);
            home.env.set("CONFIG_FILE_PATH", home.path(PLACE).to_str().unwrap());
            let harvest = home.read(&LiteLlm);
            assert_eq!(harvest.found.len(), found, "{text}");
            assert!(found > 0 || harvest.findings.is_empty(), "somebody else's file is no news");
        }
        home.write("proxy/config.json", TEXT);
        home.env.set("CONFIG_FILE_PATH", home.path("proxy/config.json").to_str().unwrap());
        assert!(home.read(&LiteLlm).found.is_empty());
    }

    #[test]
    fn whatever_is_broken() {
        struct At;
        impl Source for At {
            fn name(&self) -> &'static str {
                NAME
            }
            fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
                let litellm = [scene.env.home().join(PLACE)];
                LiteLlm.read(&Scene { litellm: &litellm, ..*scene }, harvest);
            }
        }
        every_broken_file(&At, PLACE, &["model_list: [tell-nobody", "- tell-nobody\n"], false);
    }
}
