//! The document itself. Field order is that of the original; what it does not have stands after what it has.

use std::rc::Rc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::domain::State;

/// The whole document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the contract; their meanings are those of the original")]
pub struct ModelsStatus {
    pub config_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    pub agent_dir: String,
    pub default_model: String,
    pub resolved_default: String,
    pub fallbacks: Vec<String>,
    pub image_model: Option<String>,
    pub image_fallbacks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config: Option<ModelConfig>,
    pub aliases: Ordered,
    pub allowed: Vec<String>,
    pub auth: Auth,
    pub check: Check,
    pub findings: Vec<FindingView>,
}

/// What `--check` answers and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its exit code.
    pub exit_code: u8,
    /// Why, one reason a line; none if it is 0.
    pub because: Vec<String>,
}

/// A map that keeps its order.
#[derive(Clone, Debug)]
pub struct Ordered(pub Vec<(String, String)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A number as JavaScript prints it: whole ones without a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 9e15 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Where the models of a named agent come from.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ModelConfig {
    pub default_source: &'static str,
    pub fallbacks_source: &'static str,
}

/// `auth`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Auth {
    pub store_path: String,
    pub shell_env_fallback: ShellEnvFallback,
    #[serde(rename = "providersWithOAuth")]
    pub providers_with_oauth: Vec<String>,
    pub missing_providers_in_use: Vec<String>,
    pub providers: Vec<Provider>,
    pub unusable_profiles: Vec<Unusable>,
    pub oauth: OauthBlock,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<super::probes::Probes>,
}

/// The login shell.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ShellEnvFallback {
    pub enabled: bool,
    pub applied_keys: Vec<String>,
}

/// One row of `auth.providers`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Provider {
    pub provider: String,
    pub effective: EffectiveKind,
    pub profiles: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models_json: Option<Source>,
    /// Addition: what would be used now, in which order, and why.
    pub selection: Selected,
}

/// What a request to a provider would use. Its name stands after the original's, so that documents of both sort alike.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected {
    /// A configured model needs the provider.
    pub in_use: bool,
    /// What a request would meet.
    pub state: Option<State>,
    /// Profiles in the order in which the gateway takes them.
    pub order: Vec<String>,
    /// Where the order comes from.
    pub order_from: Option<&'static str>,
    /// What would be used now.
    pub chosen: Option<Chosen>,
    /// Why that.
    pub why: String,
}

/// What would be used now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// `profile`, `env`, `models.json`, `aws-sdk`.
    pub kind: &'static str,
    /// The profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// Where it is, if it is no profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// `effective`
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as the original")]
pub struct EffectiveKind {
    pub kind: &'static str,
    pub detail: String,
}

/// `profiles` of a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Counts {
    pub count: usize,
    pub oauth: usize,
    pub token: usize,
    pub api_key: usize,
    pub labels: Vec<String>,
}

/// A masked value and where it is.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as the original")]
pub struct Source {
    pub value: String,
    pub source: String,
}

/// A profile that the gateway has set aside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Unusable {
    pub profile_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub until: Number,
    pub remaining_ms: Number,
}

/// Profiles stand in two places of the document, and in memory once.
fn each<S: Serializer>(profiles: &[Rc<ProfileHealth>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(profiles.iter().map(AsRef::as_ref))
}

/// `auth.oauth`
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct OauthBlock {
    pub warn_after_ms: u64,
    #[serde(serialize_with = "each")]
    pub profiles: Vec<Rc<ProfileHealth>>,
    pub providers: Vec<ProviderHealth>,
}

/// One profile.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ProfileHealth {
    pub profile_id: String,
    pub provider: String,
    pub r#type: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<Number>,
    pub source: &'static str,
    pub label: String,
    /// `expiresAt`, if it is a number.
    #[serde(skip)]
    pub expires_ms: Option<f64>,
    /// Addition: what to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Addition: our own judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Addition: why.
    pub why: Vec<String>,
    /// The date that counts in our judgement.
    #[serde(skip)]
    pub ends: Option<crate::domain::Time>,
}

/// One provider, rolled up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ProviderHealth {
    pub provider: String,
    pub status: &'static str,
    #[serde(serialize_with = "each")]
    pub profiles: Vec<Rc<ProfileHealth>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<Number>,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "as domain::Finding")]
pub struct FindingView {
    pub id: String,
    pub severity: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub fix: String,
}
