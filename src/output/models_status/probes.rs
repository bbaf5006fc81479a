//! The `probes` block: what `--probe` found, or why a target was not asked.

use serde::Serialize;

use super::{Input, Number, default_model};
use crate::domain::Selection;
use crate::formats::auth_store::Profile;
use crate::formats::eligibility::has_secret;
use crate::formats::provider_id::normalize;

/// The options as they count.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    pub profile_ids: Vec<String>,
    pub timeout_ms: Number,
    pub concurrency: Number,
    pub max_tokens: Number,
}

/// The block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Probes {
    pub started_at: i64,
    pub finished_at: i64,
    pub duration_ms: i64,
    pub total_targets: usize,
    pub options: Options,
    pub results: Vec<Probed>,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "as the original")]
pub struct Probed {
    pub provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    pub label: String,
    pub source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Which provider's secret is to be asked about; `None` where there is nothing to ask.
    #[serde(skip)]
    pub ask: Option<String>,
}

const UNASKED: &str = "Not asked: there is no free, documented way, or its requests go to another place.";

/// Every target, with the reason why it is not asked.
#[must_use]
pub fn plan(input: &Input<'_>, options: Options, at_ms: i64) -> Probes {
    let wanted = options.provider.as_deref().map(normalize);
    let mut results = Vec::new();
    let mut total = 0;
    for row in input.rows.iter().filter(|row| wanted.as_ref().is_none_or(|id| *id == row.id)) {
        let model = model(input, &row.id);
        let base = |label: String, source: &'static str| Probed {
            provider: row.label.clone(),
            model: model.clone(),
            profile_id: None,
            label,
            source,
            mode: None,
            status: "unknown",
            reason_code: None,
            error: None,
            latency_ms: None,
            ask: None,
        };
        let mut push = |mut target: Probed, refused: Option<(&'static str, &'static str)>| {
            match refused {
                Some((code, error)) => (target.reason_code, target.error) = (Some(code), Some(error.to_owned())),
                None if target.model.is_none() => {
                    (target.status, target.reason_code) = ("no_model", Some("no_model"));
                    target.error = Some("No model available for probe".to_owned());
                }
                None => {
                    total += 1;
                    target.ask = Some(row.id.clone());
                    (target.reason_code, target.error) = (Some("unverifiable"), Some(UNASKED.to_owned()));
                }
            }
            results.push(target);
        };
        let members = super::members(input, &row.id);
        for n in members {
            let shown = &input.view.profiles[*n];
            let profile = shown.profile;
            if !options.profile_ids.is_empty() && !options.profile_ids.contains(&profile.id) {
                continue;
            }
            let mut target = base(super::display_label(input, profile).into_owned(), "profile");
            target.profile_id = Some(profile.id.clone());
            target.mode = Some(profile.kind.word());
            let listed = explicit(input, &row.id).is_none_or(|list| list.contains(&profile.id));
            let refused = match (&shown.selection, listed) {
                (_, false) => Some(("excluded_by_auth_order", "Excluded by auth.order for this provider.")),
                (Selection::Excluded(_), _) => {
                    Some((code(profile, input.now_ms), "Auth profile credentials are missing or expired."))
                }
                _ => None,
            };
            push(target, refused);
        }
        if members.is_empty() && options.profile_ids.is_empty() {
            if let Some(env) = &row.env {
                let mut target = base("env".to_owned(), "env");
                target.mode = Some(if env.oauth { "oauth" } else { "api_key" });
                push(target, None);
            } else if row.present {
                let mut target = base("models.json".to_owned(), "models.json");
                target.mode = Some("api_key");
                push(target, None);
            }
        }
    }
    Probes { started_at: at_ms, finished_at: at_ms, duration_ms: 0, total_targets: total, options, results }
}

fn explicit<'a>(input: &'a Input<'_>, provider: &str) -> Option<&'a [String]> {
    let configured = || crate::formats::eligibility::find_order(&input.config.auth_order, provider);
    input.view.stored_order(provider).or_else(configured)
}

fn code(profile: &Profile, now_ms: f64) -> &'static str {
    if profile.unresolved.is_some() {
        "unresolved_ref"
    } else if !has_secret(profile) {
        "missing_credential"
    } else if profile.expires.as_date().is_some_and(|at| now_ms >= at) {
        "expired"
    } else {
        "ineligible_profile"
    }
}

/// The model that a probe of a provider would name: the first configured one.
fn model(input: &Input<'_>, provider: &str) -> Option<String> {
    let (_, default) = default_model(input.config, input.agent);
    let aliases = input.config.aliases();
    let texts = input.config.model_texts(input.agent);
    let configured = texts.into_iter().chain(input.config.models.iter().map(|(key, _)| key.as_str()));
    let configured = configured.filter_map(|text| crate::formats::model_ref::resolve(text, &aliases));
    std::iter::once(default).chain(configured).find(|r| r.provider == provider).map(|r| r.to_string())
}
