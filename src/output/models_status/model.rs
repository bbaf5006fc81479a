//! The document itself. Field order is that of the original; what it does not have stands after what it has.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Input;
use super::profiles::store_label;
use crate::domain::State;
use crate::formats::eligibility::View;

/// The whole document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the contract; their meanings are those of the original")]
pub struct ModelsStatus<'a> {
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
    pub auth: Auth<'a>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Auth<'a> {
    pub store_path: String,
    pub shell_env_fallback: ShellEnvFallback,
    #[serde(rename = "providersWithOAuth")]
    pub providers_with_oauth: Vec<String>,
    pub missing_providers_in_use: Vec<String>,
    pub providers: Vec<Provider<'a>>,
    pub unusable_profiles: Vec<Unusable>,
    pub oauth: OauthBlock<'a>,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Provider<'a> {
    pub provider: String,
    pub effective: EffectiveKind,
    pub profiles: Counts<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models_json: Option<Source>,
    /// Addition: what would be used now, in which order, and why.
    pub selection: Selected<'a>,
}

/// What a request to a provider would use. Its name stands after the original's, so that documents of both sort alike.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selected<'a> {
    /// A configured model needs the provider.
    pub in_use: bool,
    /// What a request would meet.
    pub state: Option<State>,
    /// Profiles in the order in which the gateway takes them.
    pub order: Order<'a>,
    /// Where the order comes from.
    pub order_from: Option<&'static str>,
    /// What would be used now.
    pub chosen: Option<Chosen>,
    /// Why that.
    pub why: String,
}

/// Ids of profiles, in the order of `places`; made into texts when they are written.
pub struct Order<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) places: &'a [usize],
}

impl<'a> Order<'a> {
    /// The ids.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        let view = self.view;
        self.places.iter().map(|place| view.profiles[*place].profile.id.as_str())
    }
}

impl Serialize for Order<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// `labels` of a provider; made when they are written.
pub struct Labels<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) members: &'a [usize],
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.input.view;
        serializer.collect_seq(self.members.iter().map(|place| store_label(self.input, &view.profiles[*place])))
    }
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Counts<'a> {
    pub count: usize,
    pub oauth: usize,
    pub token: usize,
    pub api_key: usize,
    pub labels: Labels<'a>,
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
fn each<S: Serializer>(profiles: &[Rc<ProfileHealth<'_>>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(profiles.iter().map(AsRef::as_ref))
}

/// `auth.oauth`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct OauthBlock<'a> {
    pub warn_after_ms: u64,
    #[serde(serialize_with = "each")]
    pub profiles: Vec<Rc<ProfileHealth<'a>>>,
    pub providers: Vec<ProviderHealth<'a>>,
}

/// One profile.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ProfileHealth<'a> {
    pub profile_id: &'a str,
    pub provider: &'a str,
    pub r#type: &'static str,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<Number>,
    pub source: &'static str,
    pub label: Cow<'a, str>,
    /// `expiresAt`, if it is a number.
    #[serde(skip)]
    pub expires_ms: Option<f64>,
    /// Addition: what to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'a str>,
    /// Addition: our own judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Addition: why.
    pub why: Cow<'a, [String]>,
    /// The date that counts in our judgement.
    #[serde(skip)]
    pub ends: Option<crate::domain::Time>,
}

/// One provider, rolled up.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct ProviderHealth<'a> {
    pub provider: &'a str,
    pub status: &'static str,
    #[serde(serialize_with = "each")]
    pub profiles: Vec<Rc<ProfileHealth<'a>>>,
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
