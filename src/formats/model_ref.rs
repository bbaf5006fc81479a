//! Model references (`provider/model`, aliases) as the gateway resolves them.

use super::javascript::trim;
use super::provider_id::normalize;

/// What the gateway uses when its config names no model.
pub const DEFAULT_PROVIDER: &str = "openai";
/// Its model.
pub const DEFAULT_MODEL: &str = "gpt-5.2";

/// Aliases that the gateway adds for known targets that have none.
pub const BUILT_IN_ALIASES: &[(&str, &str)] = &[
    ("opus", "anthropic/claude-opus-4-6"),
    ("sonnet", "anthropic/claude-sonnet-4-5"),
    ("gpt", "openai/gpt-5.2"),
    ("gpt-mini", "openai/gpt-5-mini"),
    ("gemini", "google/gemini-3-pro-preview"),
    ("gemini-flash", "google/gemini-3-flash-preview"),
];

/// A provider and one of its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Provider, normalised.
    pub provider: String,
    /// Model id.
    pub model: String,
}

impl std::fmt::Display for ModelRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// `provider/model`; without a slash the default provider's. `None` if a part is blank.
#[must_use]
pub fn parse(raw: &str) -> Option<ModelRef> {
    let raw = trim(raw);
    let (provider, model) = match raw.split_once('/') {
        None => (DEFAULT_PROVIDER.to_owned(), raw),
        Some((provider, model)) => (normalize(provider), trim(model)),
    };
    if provider.is_empty() || model.is_empty() {
        return None;
    }
    let model = if provider == "anthropic" { anthropic_model(model) } else { model.to_owned() };
    Some(ModelRef { provider, model })
}

fn anthropic_model(model: &str) -> String {
    match model.to_lowercase().as_str() {
        "opus-4.6" => "claude-opus-4-6".to_owned(),
        "opus-4.5" => "claude-opus-4-5".to_owned(),
        "sonnet-4.5" => "claude-sonnet-4-5".to_owned(),
        _ => model.to_owned(),
    }
}

/// Alias → key of `agents.defaults.models`, in the order of the config, with the built-in ones filled in.
#[must_use]
pub fn aliases(models: &[(String, Option<String>)]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (key, alias) in models {
        let built_in = || BUILT_IN_ALIASES.iter().find(|(_, target)| target == key).map(|(alias, _)| *alias);
        let alias = match alias {
            Some(alias) => trim(alias),
            None => built_in().unwrap_or_default(),
        };
        if alias.is_empty() {
            continue;
        }
        match out.iter_mut().find(|(known, _)| known == alias) {
            Some(slot) => key.clone_into(&mut slot.1),
            None => out.push((alias.to_owned(), key.clone())),
        }
    }
    out
}

/// Resolves what a config says: an alias first, then `provider/model`; a bare name that is no alias belongs to anthropic
/// (the gateway warns about it).
#[must_use]
pub fn resolve(raw: &str, aliases: &[(String, String)]) -> Option<ModelRef> {
    let raw = trim(raw);
    if raw.is_empty() {
        return None;
    }
    if raw.contains('/') {
        return parse(raw);
    }
    match aliased(raw, aliases) {
        Some(key) => parse(key),
        None => Some(ModelRef { provider: "anthropic".to_owned(), model: raw.to_owned() }),
    }
}

fn aliased<'a>(raw: &str, aliases: &'a [(String, String)]) -> Option<&'a str> {
    let wanted = trim(raw).to_lowercase();
    let found = aliases.iter().rev().find(|(alias, _)| trim(alias).to_lowercase() == wanted);
    found.map(|(_, key)| key.as_str())
}

/// True for what names a model and no provider, and is no alias.
#[must_use]
pub fn is_bare(raw: &str, aliases: &[(String, String)]) -> bool {
    !trim(raw).is_empty() && !raw.contains('/') && aliased(raw, aliases).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let aliases = vec![("Fast".to_owned(), "anthropic/claude-haiku-4-5".to_owned())];
        for (raw, want) in [
            ("fast", Some("anthropic/claude-haiku-4-5")),
            (" Z.AI/glm-5 ", Some("zai/glm-5")),
            ("anthropic/Opus-4.6", Some("anthropic/claude-opus-4-6")),
            ("openrouter/a/b", Some("openrouter/a/b")),
            ("claude-x", Some("anthropic/claude-x")),
            ("/x", None),
            ("x/", None),
            (" ", None),
        ] {
            assert_eq!(resolve(raw, &aliases).map(|r| r.to_string()).as_deref(), want, "{raw}");
        }
        assert!(is_bare("claude-x", &aliases) && !is_bare(" FAST ", &aliases) && !is_bare("a/b", &aliases));
        assert_eq!(parse("fast").map(|r| r.to_string()).as_deref(), Some("openai/fast"));
    }

    #[test]
    fn built_in_aliases_fill_gaps_only() {
        let models = [
            ("anthropic/claude-opus-4-6".to_owned(), None),
            ("google/gemini-3-pro-preview".to_owned(), Some(String::new())),
            ("openai/gpt-5-mini".to_owned(), Some("mini".to_owned())),
        ];
        let aliases = aliases(&models);
        assert_eq!(aliases.iter().map(|(a, _)| a.as_str()).collect::<Vec<_>>(), ["opus", "mini"]);
    }
}
