//! goose's keys: `secrets.yaml` beside its `config.yaml` where the keyring is switched off or absent, else the keyring; and the
//! logins of providers that it signs in to itself, each in a file of its own below that directory. (Copilot's there is the
//! session token of half an hour, which means nothing.)
//!
//! Names are those of environment variables, and a variable of that name wins. Only names that stand for providers are taken:
//! extensions keep their own secrets in the same file.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::keyring::{self, Answer, Item, Writer};
use super::login::{Format, LoginFile, Shape, json_files};
use super::{Harvest, Scene, Source, gemini};
use crate::domain::{Environment, Kind, Secret};
use crate::formats::dates::Unit;
use crate::formats::{provider_env, provider_id};

/// See the module.
pub struct Goose;

const NAME: &str = "goose";
const FIX: &str = "goose configure";

impl Source for Goose {
    fn name(&self) -> &'static str {
        NAME
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let dir = directory(scene.env);
        let signs = || ["config.yaml", "permission.yaml"].map(|name| dir.join(name));
        let before = harvest.found.len();
        let mut secrets = LoginFile::new(NAME, "unknown", dir.join("secrets.yaml"), FIX).settings().alive(signs());
        if let Some(mut object) = secrets.open(Format::Yaml, harvest) {
            let names: Vec<String> = object.keys().cloned().collect();
            for name in names {
                let Some(provider) = provider_env::provider_of(&name) else { continue };
                let entry = (name.as_str(), provider, provider_env::kind_of(&name));
                let found = secrets.key_in(entry, &mut object, (&name, ""), scene, harvest);
                harvest.found.extend(found);
            }
        }
        let written: Vec<String> =
            harvest.found[before..].iter().map(|found| found.credential.provider.clone()).collect();
        let without_keyring = secrets.exists();
        secrets.close(harvest);

        let mut config = LoginFile::new(NAME, "unknown", dir.join("config.yaml"), FIX).settings().alive(signs());
        if let Some(object) = config.open(Format::Yaml, harvest)
            && !without_keyring
            && !disables_keyring(&object, scene.env)
            && let Some(provider) = keyed_provider(&object, scene.env)
            && !written.contains(&provider)
        {
            from_keyring(&config, &provider, scene, harvest);
        }
        config.close(harvest);
        logins(&dir, scene, harvest);
    }
}

const SHAPE: Shape =
    Shape { access: "access_token", refresh: "refresh_token", expires: Some(("expires_at", Unit::Text)) };
/// Where a provider's login is, and the provider.
const LOGINS: [(&str, &str); 5] = [
    ("chatgpt_codex/tokens.json", "openai-codex"),
    ("gemini_oauth/tokens.json", gemini::LOGIN),
    ("huggingface/oauth/tokens.json", "huggingface"),
    ("kimicode/token.json", "kimi-coding"),
    ("xai_oauth/tokens.json", "xai"),
];

fn logins(dir: &Path, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut files: Vec<(PathBuf, String, &str)> = LOGINS
        .iter()
        .map(|(path, provider)| (dir.join(path), path.split('/').next().unwrap_or_default().to_owned(), *provider))
        .collect();
    let databricks = dir.join("databricks/oauth");
    if databricks.is_dir() {
        // Named by a hash of the workspace.
        for path in json_files(NAME, &databricks, FIX, harvest) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().chars().take(8).collect::<String>();
            files.push((path, format!("databricks/{stem}"), "databricks"));
        }
    }
    for (path, profile, provider) in files {
        let mut file = LoginFile::new(NAME, provider, path, FIX).profile(&profile);
        if let Some(mut object) = file.open(Format::Json, harvest) {
            // Google's stands one level down.
            let prefix = match object.remove("token") {
                Some(Value::Object(inner)) => {
                    object = inner;
                    "token"
                }
                _ => "",
            };
            let found = file.oauth(&profile, provider, &mut object, (&SHAPE, prefix), scene, harvest);
            harvest.found.push(found);
        }
        file.close(harvest);
    }
}

/// One item holds all names, as an object.
fn from_keyring(config: &LoginFile, provider: &str, scene: &Scene<'_>, harvest: &mut Harvest) {
    let item = Item { service: "goose", account: Some("secrets"), writer: Writer::Rust };
    match keyring::ask(&item, scene.env) {
        Answer::Found(secret) => match super::json::object(secret.expose()) {
            Ok(object) => {
                for (name, value) in object {
                    let (Some(provider), Value::String(value)) = (provider_env::provider_of(&name), value) else {
                        continue;
                    };
                    let key = Secret::new(value);
                    if !key.is_blank() {
                        let mut found = config.key(&name, provider, provider_env::kind_of(&name), key, scene);
                        found.credential.origin.path = None;
                        harvest.found.push(found);
                    }
                }
            }
            Err(_) => {
                let why = "the item goose of the keyring is not what goose writes";
                harvest.found.push(config.sealed("keyring", provider, why));
            }
        },
        // It has no key there; it may have one in its own environment.
        Answer::Absent => {}
        Answer::Locked(why) | Answer::Unreadable(why) => {
            let mut found = config.locked("keyring", provider, why);
            found.credential.kind = Kind::ApiKey;
            harvest.found.push(found);
        }
    }
}

/// `GOOSE_PATH_ROOT` counts only if absolute, as in goose.
fn directory(env: &Environment) -> PathBuf {
    match env.get("GOOSE_PATH_ROOT").map(PathBuf::from).filter(|root| root.is_absolute()) {
        Some(root) => root.join("config"),
        None => super::bases::config(env).join("goose"),
    }
}

fn disables_keyring(config: &Map<String, Value>, env: &Environment) -> bool {
    const SWITCH: &str = "GOOSE_DISABLE_KEYRING";
    let written = config.get(SWITCH).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    written || env.raw(SWITCH).is_some()
}

/// The provider in use, if it is one that has a key and the key is not in the environment.
fn keyed_provider(config: &Map<String, Value>, env: &Environment) -> Option<String> {
    let chosen = env.get("GOOSE_PROVIDER").or_else(|| config.get("GOOSE_PROVIDER")?.as_str())?;
    let provider = provider_id::of_tool(chosen);
    let row = provider_env::TABLE.iter().find(|row| row.provider == provider)?;
    // It runs on this machine, and has no key.
    let local = matches!(provider.as_str(), "ollama" | "lmstudio");
    (!local && row.names().all(|name| env.get(name).is_none())).then_some(provider)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Home, breaks, every_broken_file, now};
    use super::*;
    use crate::domain::{Condition, Renewal, Span};

    const SECRETS: &str = ".config/goose/secrets.yaml";
    const CONFIG: &str = ".config/goose/config.yaml";

    #[test]
    fn the_file_without_a_keyring() {
        let mut home = Home::new();
        let text = "OPENAI_API_KEY: sk-1\nDATABRICKS_TOKEN: 'dapi'\nANTHROPIC_API_KEY: ''\nGROQ_API_KEY: 7\nGITHUB_PERSONAL_ACCESS_TOKEN: x\n";
        home.write(SECRETS, text);
        home.write(CONFIG, "GOOSE_PROVIDER: openai\nextensions: {}\n");
        let harvest = home.read(&Goose);
        let mut list: Vec<_> = harvest.found.iter().map(|found| &found.credential).collect();
        list.sort_by_key(|credential| credential.id.clone());
        let ids: Vec<_> = list.iter().map(|credential| credential.id.as_str()).collect();
        let expected =
            ["goose:ANTHROPIC_API_KEY", "goose:DATABRICKS_TOKEN", "goose:GROQ_API_KEY", "goose:OPENAI_API_KEY"];
        assert_eq!(ids, expected);
        assert_eq!(list[0].condition, Condition::Blanked);
        assert_eq!((list[1].kind, list[1].renewal), (Kind::Token, Renewal::Manual));
        assert!(matches!(list[2].condition, Condition::Damaged(_)));
        assert_eq!((list[3].provider.as_str(), list[3].renewal, list[3].fix.as_str()), ("openai", Renewal::None, FIX));
        assert_eq!(harvest.findings.len(), 1);

        home.env.set("GOOSE_PATH_ROOT", home.path("root").to_str().unwrap());
        assert!(home.read(&Goose).found.is_empty());
        home.write("root/config/secrets.yaml", text);
        assert_eq!(home.read(&Goose).found.len(), 4);
    }

    #[test]
    fn the_keyring_is_said_and_only_where_it_matters() {
        let keyring = |config: &str, env: &[(&str, &str)]| {
            let mut home = Home::new();
            home.write(CONFIG, config);
            for (name, value) in env {
                home.env.set(*name, *value);
            }
            let found = home.read(&Goose).found;
            assert!(found.len() <= 1);
            found.into_iter().next().map(|found| {
                let Condition::Unreadable(why) = &found.credential.condition else { panic!() };
                assert!(why.contains("service goose") && found.credential.origin.path.is_none());
                assert_eq!(found.credential.declared_in_use, Some(false), "nobody is alarmed by it");
                found.credential.provider
            })
        };
        let openai = "GOOSE_PROVIDER: openai\n";
        assert_eq!(keyring(openai, &[]).as_deref(), Some("openai"));
        assert_eq!(
            keyring("GOOSE_PROVIDER: gcp_vertex_ai\n", &[("GOOSE_PROVIDER", "openrouter")]).as_deref(),
            Some("openrouter")
        );
        assert_eq!(keyring(openai, &[("OPENAI_API_KEY", "sk")]), None, "the variable wins");
        assert_eq!(keyring(openai, &[("GOOSE_DISABLE_KEYRING", "")]), None);
        assert_eq!(keyring("GOOSE_PROVIDER: openai\nGOOSE_DISABLE_KEYRING: true\n", &[]), None);
        for config in
            ["", "# nothing\n", "GOOSE_PROVIDER: ollama\n", "GOOSE_PROVIDER: claude-code\n", "GOOSE_PROVIDER: [a]\n"]
        {
            assert_eq!(keyring(config, &[]), None, "{config}");
        }
    }

    #[test]
    fn logins_of_its_own() {
        let home = Home::new();
        let end = now() + Span::minutes(40);
        let tokens = |expires: &str| format!(r#"{{"access_token":"a","refresh_token":"r","expires_at":"{expires}"}}"#);
        home.write(".config/goose/chatgpt_codex/tokens.json", tokens("2027-01-10T12:40:00Z"));
        home.write(
            ".config/goose/gemini_oauth/tokens.json",
            format!(r#"{{"project_id":"p","token":{}}}"#, tokens("2027-01-10T12:40:00Z")),
        );
        home.write(".config/goose/kimicode/token.json", r#"{"access_token":"","refresh_token":""}"#);
        home.write(".config/goose/xai_oauth/tokens.json", tokens("soon"));
        home.write(".config/goose/databricks/oauth/0123456789abcdef.json", r#"{"access_token":"d","expires_at":null}"#);
        home.write(".config/goose/githubcopilot/info.json", r#"{"expires_at":"2027-01-10T12:20:00Z"}"#);
        let harvest = home.read(&Goose);
        let facts: Vec<_> = harvest
            .found
            .iter()
            .map(|found| {
                let one = &found.credential;
                (one.id.as_str(), one.provider.as_str(), one.renewal, one.clocks.access_expires)
            })
            .collect();
        let expected = [
            ("goose:chatgpt_codex", "openai-codex", Renewal::Auto, Some(end)),
            ("goose:gemini_oauth", "google-gemini-cli", Renewal::Auto, Some(end)),
            ("goose:kimicode", "kimi-coding", Renewal::Auto, None),
            ("goose:xai_oauth", "xai", Renewal::Auto, None),
            ("goose:databricks/01234567", "databricks", Renewal::Manual, None),
        ];
        assert_eq!(facts, expected);
        assert_eq!(harvest.found[2].credential.condition, Condition::Blanked);
        assert_eq!(harvest.findings.len(), 1, "a date that is none: {:?}", harvest.findings);
        for place in ["chatgpt_codex/tokens.json", "databricks/oauth/x.json"] {
            breaks(&Goose, &format!(".config/goose/{place}"), true);
        }
    }

    #[test]
    fn whatever_is_broken() {
        for place in [SECRETS, CONFIG] {
            every_broken_file(&Goose, place, &["OPENAI_API_KEY: [tell-nobody", "- tell-nobody\n"], false);
        }
        let harvest = Home::new().read(&Goose);
        assert!(harvest.found.is_empty() && harvest.findings.is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_item_of_the_keyring() {
        use super::super::keyring::tests::holds;
        let question = "service goose username secrets";
        let shown = |secret: &str, question: &str| {
            let mut home = Home::new();
            home.write(CONFIG, "GOOSE_PROVIDER: openai\n");
            holds(&mut home, question, secret);
            let harvest = home.read(&Goose);
            let shown = harvest.found.iter().map(|found| {
                assert_eq!(found.credential.origin.path, None);
                (found.credential.id.to_string(), found.secret.as_ref().map(|secret| secret.expose().to_owned()))
            });
            shown.collect::<Vec<_>>()
        };
        let item = r#"{"OPENAI_API_KEY":"sk-1","GROQ_API_KEY":"","OTHER":"x","XAI_API_KEY":7}"#;
        let expected = [("goose:OPENAI_API_KEY".to_owned(), Some("sk-1".to_owned()))];
        assert_eq!(shown(item, question), expected);
        assert_eq!(shown("", question), [("goose:keyring".to_owned(), None)], "locked");
        assert_eq!(shown("nonsense", question), [("goose:keyring".to_owned(), None)]);
        assert!(shown(item, "service other").is_empty());
    }
}
