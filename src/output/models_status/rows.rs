//! Which providers the document has rows for.

use std::collections::BTreeMap;

use super::provider_of;
use crate::formats::eligibility::View;
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::{EnvKey, LayeredEnv};
use crate::formats::javascript::trim;
use crate::formats::model_ref::{DEFAULT_MODEL, DEFAULT_PROVIDER};
use crate::formats::provider_env::ALWAYS_LOOKED_UP;
use crate::formats::provider_id::normalize;

/// A key in the environment, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvValue {
    /// `env: NAME` and the like.
    pub source: String,
    /// A login's token.
    pub oauth: bool,
}

impl EnvValue {
    pub(super) fn value(&self) -> String {
        if self.oauth { "OAuth (env)".to_owned() } else { super::masked(true) }
    }

    fn of(key: &EnvKey<'_>) -> Self {
        Self { source: key.source(), oauth: key.is_oauth() }
    }
}

/// One provider of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As it is shown.
    pub label: String,
    /// Normalised.
    pub id: String,
    /// A configured model needs it.
    pub in_use: bool,
    /// It has a profile, or a key in the environment or the config.
    pub present: bool,
    /// Its key in the environment.
    pub env: Option<EnvValue>,
}

/// The rows, by name.
#[must_use]
pub fn rows(config: &GatewayConfig, env: &LayeredEnv, view: &View<'_>, agent: Option<&str>, compat: bool) -> Vec<Row> {
    // Label → in use. In compat every spelling is a row; otherwise the first spelling of each provider is.
    let mut labels: BTreeMap<String, bool> = BTreeMap::new();
    let mut spelled: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |name: &str, in_use: bool| {
        let name = trim(name);
        if name.is_empty() {
            return;
        }
        let label =
            if compat { name } else { spelled.entry(normalize(name)).or_insert_with(|| name.to_owned()).as_str() };
        match labels.get_mut(label) {
            Some(used) => *used |= in_use,
            None => {
                labels.insert(label.to_owned(), in_use);
            }
        }
    };
    let mut last = "";
    for shown in &view.profiles {
        if shown.profile.provider != last {
            add(&shown.profile.provider, false);
            last = &shown.profile.provider;
        }
    }
    let texts = config.model_texts(agent);
    let own = agent.and_then(|id| config.agent(id)).and_then(|a| a.model.primary.as_ref());
    let fallback =
        (own.is_none() && config.model.primary.is_none()).then(|| format!("{DEFAULT_PROVIDER}/{DEFAULT_MODEL}"));
    for text in fallback.iter().map(String::as_str).chain(texts) {
        if let Some(provider) = provider_of(text, config, compat) {
            add(&provider, true);
        }
    }
    for (key, _) in &config.models {
        if let Some(provider) = provider_of(key, config, compat) {
            add(&provider, false);
        }
    }
    for entry in &config.providers {
        add(&entry.id, false);
    }
    let extra = if compat { None } else { Some("amazon-bedrock") };
    for provider in ALWAYS_LOOKED_UP.iter().copied().chain(extra).filter(|p| env.key(p).is_some()) {
        add(provider, false);
    }
    let mut rows: Vec<Row> = labels
        .into_iter()
        .map(|(label, in_use)| {
            let id = normalize(&label);
            let key = env.key(&id).filter(|_| !(compat && id == "amazon-bedrock"));
            let present = view.provider(&id).is_some()
                || key.is_some()
                || config.provider(&label).is_some_and(|p| p.api_key.is_some());
            Row { env: key.map(|k| EnvValue::of(&k)), in_use, present, id, label }
        })
        .collect();
    rows.sort_by(|a, b| crate::output::collate::compare(&a.label, &b.label));
    rows
}
