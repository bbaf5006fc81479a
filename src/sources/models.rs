//! Lists of models that each say which key they use (Continue, LiteLLM): many models, few keys. One credential is made for each
//! key, named after the first model that uses it.

use serde_json::{Map, Value};

use super::json::{self, Field};
use super::login::LoginFile;
use super::{Found, Harvest, Scene};
use crate::domain::{CredentialId, Environment, Kind, Secret};
use crate::formats::provider_id;

/// A model's name, its provider and its key, or why there is none.
pub(super) struct Model {
    pub name: String,
    pub provider: String,
    pub key: Result<Secret, String>,
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

/// The value of a variable, or why there is none.
pub(super) fn variable(name: &str, env: &Environment) -> Result<Secret, String> {
    match env.get(name) {
        Some(value) => Ok(Secret::new(value.to_owned())),
        None => Err(format!("{} is not set in this environment", named(name))),
    }
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

/// Puts the credentials of `models` into `harvest`. `fix` is what a person does about one that stands in `file`.
pub(super) fn credentials(file: &LoginFile, models: Vec<Model>, fix: &str, scene: &Scene<'_>, harvest: &mut Harvest) {
    let mut made: Vec<(Found, Vec<String>)> = Vec::new();
    for Model { name, provider, key } in models {
        let mut found = file.referred((&name, &provider, Kind::ApiKey), key, scene);
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
        if found.secret.is_some() {
            found.credential.fix = fix.to_owned();
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
        assert_eq!(variable("MY_KEY", &env).map(|key| key.expose().to_owned()), Ok("k".to_owned()));
        for (name, said) in [
            ("BLANK", "the variable BLANK"),
            ("gsk_secret", "the variable it names"),
            ("sk-ant", "the variable it names"),
        ] {
            let why = variable(name, &env).err();
            assert_eq!(why, Some(format!("{said} is not set in this environment")), "{name}");
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
