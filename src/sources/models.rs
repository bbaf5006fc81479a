//! Lists of models that each say which key they use (Continue, LiteLLM): many models, few keys. One credential is made for each
//! key, named after the first model that uses it.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::LoginFile;
use super::{Found, Harvest, Scene};
use crate::domain::{Condition, CredentialId, Environment, Kind, Secret};
use crate::formats::provider_id;

/// A model's name, its provider and its key.
pub(super) struct Model {
    pub name: String,
    pub provider: String,
    pub key: Key,
}

/// Where the key of a model is.
pub(super) enum Key {
    /// In the settings themselves, at this key of the file.
    Written(Secret, String),
    /// In a variable of the environment.
    Variable(String, Secret),
    /// In a variable that another file sets.
    InFile(String, PathBuf, Secret),
    /// Not to be seen from here: why, and what to do.
    Missing(String, String),
}

/// The text of `name` in `object`; `None` if there is none. Anything else than a text is said.
pub(super) fn text(
    file: &LoginFile,
    object: &mut Map<String, Value>,
    (name, place): (&str, &str),
    harvest: &mut Harvest,
) -> Option<Secret> {
    match json::secret(object, name) {
        Field::Text(text) => Some(text),
        Field::Absent | Field::Blank => None,
        Field::Mistyped => {
            let what = format!("{place}.{name} is not a text");
            harvest.findings.push(file.damaged(&format!("{place}.{name}"), &what));
            None
        }
    }
}

/// The value of a variable.
pub(super) fn variable(name: &str, env: &Environment) -> Option<Key> {
    env.get(name).map(|value| Key::Variable(name.to_owned(), Secret::new(value.to_owned())))
}

/// `the variable NAME`, if that looks like a name and like nothing else: people also write keys where names belong.
pub(super) fn named(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        format!("the variable {name}")
    } else {
        "the variable it names".to_owned()
    }
}

/// Whose key it is, going by what the settings call the provider and where its requests go. Where every customer has a host of
/// his own (Azure, AWS, …) the name counts, otherwise the host.
pub(super) fn provider(name: &str, base_url: Option<&str>) -> String {
    const HOSTS_OF_THEIR_OWN: [&str; 8] = [
        "azure",
        "amazon-bedrock",
        "google-vertex",
        "databricks",
        "snowflake",
        "watsonx",
        "sagemaker",
        "cloudflare-workers-ai",
    ];
    let named = provider_id::of_tool(name);
    if HOSTS_OF_THEIR_OWN.contains(&named.as_str()) {
        return named;
    }
    match base_url.map(str::trim).filter(|url| !url.is_empty()) {
        // An address that is itself a reference: whose it is cannot be known.
        Some(url) => provider_id::of_url(url).unwrap_or_else(|| "custom".to_owned()),
        None => named,
    }
}

fn shown(file: &LoginFile, name: &str, provider: &str, key: Key, scene: &Scene<'_>) -> Found {
    let entry = (name, provider, Kind::ApiKey);
    let make = |place: String| format!("Make a new key at {provider}, then set {place}.");
    let of = |key: Secret, fix: String| {
        let mut found = file.key(entry.0, entry.1, entry.2, key, scene);
        found.credential.fix = fix;
        found
    };
    match key {
        Key::Written(key, place) => of(key, make(format!("{place} in {}", file.path().display()))),
        Key::InFile(name, path, key) => {
            let mut found = of(key, make(format!("{name} in {}", path.display())));
            // That is where it must be kept from others.
            found.credential.origin.path = Some(path.into());
            found
        }
        Key::Variable(name, key) => {
            let mut found = of(key, make(format!("{name} where this environment comes from"))).secondhand();
            found.credential.origin.path = None;
            found.credential.notes.push(format!("its value is that of {name} in the environment"));
            found
        }
        // A name that leads nowhere here may well lead somewhere where its tool runs: shown, and nobody is alarmed.
        Key::Missing(why, fix) => {
            let mut found = file.found(entry.0, entry.1, entry.2, Condition::Unresolved(why));
            found.credential.declared_in_use = Some(false);
            found.credential.fix = fix;
            found
        }
    }
}

/// Puts the credentials of `models` into `harvest`.
pub(super) fn credentials(file: &LoginFile, models: Vec<Model>, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut made: Vec<(Found, Vec<String>)> = Vec::new();
    for Model { name, provider, key } in models {
        let mut found = shown(file, &name, &provider, key, scene);
        let same = |(other, _): &&mut (Found, Vec<String>)| {
            let (one, other) = (&found.credential, &other.credential);
            (one.fingerprint, &one.provider, &one.condition) == (other.fingerprint, &other.provider, &other.condition)
        };
        if let Some((first, names)) = made.iter_mut().find(same) {
            // Several deployments of one model are one name to a person.
            if name != first.credential.profile && !names.contains(&name) {
                names.push(name);
            }
            continue;
        }
        let taken = |id: &CredentialId| {
            made.iter().map(|(found, _)| found).chain(&harvest.found).any(|found| found.credential.id == *id)
        };
        let id = found.credential.id.clone();
        let mut number = 2;
        while taken(&found.credential.id) {
            found.credential.id = CredentialId(format!("{id}#{number}"));
            number += 1;
        }
        made.push((found, Vec::new()));
    }
    harvest.found.extend(made.into_iter().map(|(mut found, others)| {
        const MANY: usize = 3;
        if !others.is_empty() {
            let more = if others.len() > MANY { format!(" and {} more", others.len() - MANY) } else { String::new() };
            let list = others.iter().take(MANY).map(String::as_str).collect::<Vec<_>>().join(", ");
            found.credential.notes.push(format!("also the key of {list}{more}"));
        }
        found
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_where_a_name_belongs_is_not_repeated() {
        let mut env = Environment::default();
        env.set("BLANK", " ");
        env.set("MY_KEY", " k ");
        assert!(matches!(variable("MY_KEY", &env), Some(Key::Variable(_, key)) if key.expose() == "k"));
        assert!(variable("BLANK", &env).is_none() && variable("GONE", &env).is_none());
        for (name, said) in [
            ("BLANK", "the variable BLANK"),
            ("gsk_secret", "the variable it names"),
            ("sk-ant", "the variable it names"),
        ] {
            assert_eq!(named(name), said);
        }
    }

    #[test]
    fn whose_key_it_is() {
        for (name, url, want) in [
            ("openai", None, "openai"),
            ("gemini", Some(" "), "google"),
            ("openai", Some("https://api.openai.com/v1"), "openai"),
            ("openai", Some("https://openrouter.ai/api/v1"), "openrouter"),
            ("openai", Some("https://llm.example/v1"), "llm.example"),
            ("openai", Some("os.environ/BASE"), "custom"),
            ("azure", Some("https://me.openai.azure.com"), "azure"),
            ("bedrock", Some("https://x.example"), "amazon-bedrock"),
        ] {
            assert_eq!(provider(name, url), want, "{name} {url:?}");
        }
    }
}
