//! The keys in the settings of a LiteLLM proxy: those of its models, of its `credential_list`, and its own master key.
//!
//! Such a file has no usual place. It is read where `monitor.toml` names it (`[sources] litellm`) and where `CONFIG_FILE_PATH`
//! does, which LiteLLM documents; that name being anybody's, only a file that speaks of a `model_list` is taken for LiteLLM's.
//! What it includes (`include:`, beside it) is read with it. `os.environ/NAME` is looked up in the files' own
//! `environment_variables`, then here; the proxy's environment is not ours.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::login::{Format, LoginFile};
use super::models::{self, Key, Model};
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
            proxy(path, scene, harvest);
        }
    }
}

/// A file of a proxy, opened, with what is in it.
type Opened = (LoginFile, Option<Map<String, Value>>);

fn open(path: PathBuf, harvest: &mut Harvest) -> Opened {
    let fix = format!("Correct {}.", path.display());
    let mut file = LoginFile::new(NAME, NAME, path, fix).settings();
    let object = file.open(Format::Yaml, harvest);
    (file, object)
}

/// One proxy: its file, and what that includes. As in LiteLLM includes are relative to the file, and includes of includes are
/// not followed.
fn proxy(path: PathBuf, scene: &Scene<'_>, harvest: &mut Harvest) {
    let (file, mut object) = open(path.clone(), harvest);
    let include = object.as_mut().and_then(|object| object.remove("include"));
    let mut own_env = variables_of(file.path(), object.as_mut());
    models_of(&file, object, &own_env, scene, harvest);
    let dir = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut absent = Vec::new();
    let mut included: Vec<Opened> = Vec::new();
    for (_, name) in items(include) {
        let Some(path) = name.as_str().map(|name| dir.join(name)) else { continue };
        if path.symlink_metadata().is_err() {
            absent.push(path);
            continue;
        }
        let (included_file, mut object) = open(path, harvest);
        own_env.extend(variables_of(included_file.path(), object.as_mut()));
        included.push((included_file, object));
    }
    for path in absent {
        let what = format!("include names {}, which is not there: the proxy does not start", path.display());
        harvest.findings.push(file.damaged("include", &what));
    }
    file.close(harvest);
    for (file, object) in included {
        models_of(&file, object, &own_env, scene, harvest);
        file.close(harvest);
    }
}

/// What the files set for themselves: the value, and the file.
type Variables = std::collections::BTreeMap<String, (Secret, PathBuf)>;

fn variables_of(path: &Path, object: Option<&mut Map<String, Value>>) -> Variables {
    let Some(Value::Object(variables)) = object.and_then(|object| object.remove("environment_variables")) else {
        return Variables::new();
    };
    let text = |(name, value): (String, Value)| match value {
        Value::String(text) if !text.trim().is_empty() && !text.starts_with("os.environ/") => {
            Some((name, (Secret::new(text), path.to_owned())))
        }
        _ => None,
    };
    variables.into_iter().filter_map(text).collect()
}

fn models_of(
    file: &LoginFile,
    object: Option<Map<String, Value>>,
    own_env: &Variables,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let Some(object) = object else { return };
    let models = read(file, object, own_env, scene, harvest);
    models::credentials(file, models, scene, harvest);
}

fn read(
    file: &LoginFile,
    mut object: Map<String, Value>,
    own_env: &Variables,
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) -> Vec<Model> {
    let resolve = |key: Secret, place: String| match key.expose().trim().strip_prefix("os.environ/") {
        None => Key::Written(key, place),
        Some(name) => match own_env.get(name) {
            Some((value, path)) => {
                let name = format!("environment_variables.{name}");
                Key::InFile(name, path.clone(), value.share())
            }
            None => models::variable(name, scene.env).unwrap_or_else(|| {
                let named = models::named(name);
                Key::Missing(
                    format!("{named} is not set in this environment; the proxy's own environment may have it"),
                    format!(
                        "Set {named} where the proxy starts, or write the key to {place} in {}.",
                        file.path().display()
                    ),
                )
            }),
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
        models.push(Model { name, provider, key: resolve(key, format!("{place}.api_key")) });
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
        let provider = models::provider(&vendor, word(&values, "api_base"));
        models.push(Model { name, provider, key: resolve(key, format!("{place}.api_key")) });
    }
    if let Some(Value::Object(mut general)) = object.remove("general_settings")
        && let Some(key) = models::text(file, &mut general, ("master_key", "general_settings"), harvest)
    {
        let key = resolve(key, "general_settings.master_key".to_owned());
        models.push(Model { name: "master_key".to_owned(), provider: NAME.to_owned(), key });
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
    use crate::domain::{Condition, Owner};

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
        let referring = &harvest.found[0].credential;
        let notes = ["its value is that of OPENAI_API_KEY in the environment", "also the key of gpt-too"];
        assert_eq!(
            (referring.owner, referring.notes.as_slice()),
            (Owner::Secondhand, notes.map(str::to_owned).as_slice())
        );
        let fixes = [0, 1, 2, 5, 7].map(|at| home.relative(&harvest.found[at].credential.fix));
        let expected = [
            "Make a new key at openai, then set OPENAI_API_KEY where this environment comes from.",
            "Make a new key at azure, then set model_list[3].litellm_params.api_key in ~/proxy/config.yaml.",
            "Set the variable GONE where the proxy starts, or write the key to model_list[4].litellm_params.api_key in \
             ~/proxy/config.yaml.",
            "Make a new key at groq, then set environment_variables.GROQ_API_KEY in ~/proxy/config.yaml.",
            "Make a new key at litellm, then set general_settings.master_key in ~/proxy/config.yaml.",
        ];
        assert_eq!(fixes, expected);
        let gone = &harvest.found[2].credential;
        assert!(matches!(&gone.condition, Condition::Unresolved(why) if why.contains("the variable GONE")));
        assert_eq!(gone.declared_in_use, Some(false));
        assert_eq!(harvest.findings.len(), 1, "{:?}", harvest.findings);
    }

    #[test]
    fn what_it_includes() {
        let mut home = Home::new();
        home.write(PLACE, "include: [models.yaml, more/env.yaml, gone.yaml, 7]\nmodel_list: []\n");
        let model = |name: &str, key: &str| {
            format!("- model_name: {name}\n  litellm_params: {{model: openai/x, api_key: {key}}}\n")
        };
        let list = model("here", "sk-1") + &model("there", "os.environ/THEIRS");
        home.write("proxy/models.yaml", format!("include: [nested.yaml]\nmodel_list:\n{list}"));
        home.write("proxy/more/env.yaml", "environment_variables: {THEIRS: sk-2}\n");
        home.write("proxy/nested.yaml", format!("model_list:\n{}", model("never", "sk-3")));
        home.litellm = vec![home.path(PLACE)];
        let harvest = home.read(&LiteLlm);
        let places: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                let credential = &found.credential;
                let path = credential.origin.path.as_ref().unwrap().display().to_string();
                (credential.id.as_str(), home.relative(&path), found.secret.as_ref().unwrap().expose())
            })
            .collect();
        let expected = [
            ("litellm:here", "~/proxy/models.yaml".to_owned(), "sk-1"),
            ("litellm:there", "~/proxy/more/env.yaml".to_owned(), "sk-2"),
        ];
        assert_eq!(places, expected);
        let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
        assert!(finding.message.contains("gone.yaml, which is not there"), "{}", finding.message);
        home.write("proxy/models.yaml", "model_list: [tell-nobody");
        home.write(PLACE, "include: [models.yaml]\n");
        let harvest = home.read(&LiteLlm);
        let [finding] = harvest.findings.as_slice() else { panic!("{:?}", harvest.findings) };
        assert_eq!(finding.place.path, Some(home.path("proxy/models.yaml")));
        assert!(harvest.found.is_empty() && !harvest.reports[0].up && !finding.message.contains("tell-nobody"));
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
