//! What the logins of clouds have in common: they serve much else beside models, so that alone their being there does not mean
//! that anybody misses them when they end.

use serde_json::Value;

use super::{Harvest, Scene};
use crate::files;

/// A cloud, by the marks of its use for models.
pub(super) struct Cloud {
    /// The gateways' names for its models.
    pub providers: &'static [&'static str],
    /// Variables that tools are switched over to it with.
    pub switches: &'static [&'static str],
}

pub(super) const AWS: Cloud = Cloud { providers: &["amazon-bedrock"], switches: &["CLAUDE_CODE_USE_BEDROCK"] };
pub(super) const GOOGLE: Cloud = Cloud {
    providers: &["google-vertex", "google-vertex-anthropic"],
    switches: &["CLAUDE_CODE_USE_VERTEX", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"],
};
pub(super) const AZURE: Cloud = Cloud {
    providers: &["azure", "azure-openai", "azure-openai-responses", "azure-cognitive-services", "microsoft-foundry"],
    switches: &["CLAUDE_CODE_USE_FOUNDRY"],
};

/// Said of the others.
const UNUSED: &str = "nothing here says that models are called with it: it counts as unused";

impl Cloud {
    /// Marks what was found since `first` as unused, unless a gateway's model, our environment or Claude Code's settings say
    /// that models are called through this cloud. Its end is then information, and wakes nobody.
    pub fn judge_use(&self, first: usize, scene: &Scene<'_>, harvest: &mut Harvest) {
        if harvest.found.len() == first || self.used(scene, harvest) {
            return;
        }
        for found in &mut harvest.found[first..] {
            found.credential.declared_in_use = Some(false);
            found.credential.notes.push(UNUSED.to_owned());
        }
    }

    fn used(&self, scene: &Scene<'_>, harvest: &Harvest) -> bool {
        self.providers.iter().any(|provider| harvest.demand.providers.contains(*provider))
            || self.switches.iter().any(|name| scene.env.get(name).is_some_and(is_on_word))
            || claude_env(scene).is_some_and(|env| self.switches.iter().any(|name| env.get(*name).is_some_and(is_on)))
    }
}

/// The switch that has Claude Code call models through a cloud, with no key and no login of Anthropic's.
pub(super) fn of_claude_code(is_on: impl Fn(&str) -> bool) -> Option<&'static str> {
    let all = [&AWS, &GOOGLE, &AZURE].into_iter().flat_map(|cloud| cloud.switches).copied();
    all.filter(|name| name.starts_with("CLAUDE_CODE_")).find(|name| is_on(name))
}

/// Whether a switch in a settings file is on.
pub(super) fn is_on(value: &Value) -> bool {
    match value {
        Value::String(text) => is_on_word(text),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(flag) => *flag,
        _ => false,
    }
}

/// Whether a switch in an environment is on.
pub(super) fn is_on_word(value: &str) -> bool {
    !matches!(value.trim().to_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

/// The variables that Claude Code sets for itself.
fn claude_env(scene: &Scene<'_>) -> Option<serde_json::Map<String, Value>> {
    let home = || scene.env.home().join(".claude");
    let dir = scene.env.get("CLAUDE_CONFIG_DIR").map_or_else(home, |dir| scene.env.expand(dir));
    match serde_json::from_str::<Value>(&files::text(&dir.join("settings.json"))).ok()?.get_mut("env")?.take() {
        Value::Object(env) => Some(env),
        _ => None,
    }
}
