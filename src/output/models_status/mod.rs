//! `models status`: the original's document, with its names, meanings and order of fields, plus what it does not say: the
//! state of each profile, the order, what would be used now and why, and what is damaged.
//!
//! A pure function of what was read and judged. `Compat`: the rows and the "missing" list exactly as OpenSoul 0.2 makes them
//! (`--scope store`); otherwise one row for each provider however it is spelled, aliases resolved, Bedrock seen.

mod model;
pub mod probes;
mod profiles;
mod rows;
pub mod text;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

pub use model::*;
pub use rows::{Row, rows};

use crate::domain::{Assessed, Owner, Place, ProviderSummary, Snapshot};
use crate::engine::check::CheckResult;
use crate::engine::order::{Basis, Besides, Effective};
use crate::formats::auth_store::{Profile, ProfileType};
use crate::formats::eligibility::View;
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::Installation;
use crate::formats::model_ref::{self, DEFAULT_MODEL, DEFAULT_PROVIDER, ModelRef};
use crate::formats::provider_id::normalize;
use profiles::{health, label, masked, unusable};

/// Everything the document is made of.
pub struct Input<'a> {
    /// The gateway.
    pub installation: &'a Installation,
    /// Its config; a default one if it has none.
    pub config: &'a GatewayConfig,
    /// The agent's view.
    pub view: &'a View<'a>,
    /// The agent, if one was named.
    pub agent: Option<&'a str>,
    /// Rows and "missing" as OpenSoul 0.2.
    pub compat: bool,
    /// The rows, from [`rows`].
    pub rows: &'a [Row],
    /// The judgement of everything in the view.
    pub snapshot: &'a Snapshot,
    /// The answer of `--check`.
    pub check: &'a CheckResult,
    /// Home directory, shown as `~`.
    pub home: &'a Path,
    /// Now, in milliseconds.
    pub now_ms: f64,
    /// Look-ups.
    pub index: Index<'a>,
}

/// Look-ups over what an [`Input`] is made of, so that large stores cost no more than they must.
pub struct Index<'a> {
    emails: HashMap<&'a str, &'a str>,
    labels: HashMap<&'a str, &'a str>,
    summaries: HashMap<&'a str, &'a ProviderSummary>,
}

impl<'a> Index<'a> {
    /// Builds them.
    #[must_use]
    pub fn new(config: &'a GatewayConfig, rows: &'a [Row], snapshot: &'a Snapshot) -> Self {
        let emails = config.auth_profiles.iter().filter_map(|d| Some((d.id.as_str(), d.email.as_deref()?)));
        Self {
            emails: emails.collect(),
            labels: rows.iter().rev().map(|row| (row.id.as_str(), row.label.as_str())).collect(),
            summaries: snapshot.providers.iter().map(|p| (p.provider.as_str(), p)).collect(),
        }
    }
}

/// The default model of an agent (`None`: the gateway's defaults) as the config says it and as it resolves.
#[must_use]
pub fn default_model(config: &GatewayConfig, agent: Option<&str>) -> (String, ModelRef) {
    let own = agent.and_then(|id| config.agent(id)).and_then(|a| a.model.primary.as_ref());
    let text = own.or(config.model.primary.as_ref());
    let resolved = text.and_then(|text| model_ref::resolve(text, &config.aliases()));
    let resolved = resolved.unwrap_or(ModelRef { provider: DEFAULT_PROVIDER.into(), model: DEFAULT_MODEL.into() });
    (text.cloned().unwrap_or_else(|| resolved.to_string()), resolved)
}

/// Builds the document.
#[must_use]
pub fn build<'a>(input: &'a Input<'a>) -> ModelsStatus<'a> {
    let Input { installation, config, view, .. } = *input;
    let (default_model, resolved) = default_model(config, input.agent);
    let entry = input.agent.and_then(|id| config.agent(id));
    let own_fallbacks = entry.and_then(|a| a.model.fallbacks.as_ref());
    let fallbacks = own_fallbacks.or(config.model.fallbacks.as_ref()).cloned().unwrap_or_default();
    let source = |own: bool| if own { "agent" } else { "defaults" };
    let aliases = config.aliases();
    ModelsStatus {
        config_path: installation.config_path.display().to_string(),
        agent_id: input.agent.map(str::to_owned),
        agent_dir: view.agent.agent_dir.display().to_string(),
        default_model,
        resolved_default: resolved.to_string(),
        fallbacks,
        image_model: config.image_model.primary.clone(),
        image_fallbacks: config.image_model.fallbacks.clone().unwrap_or_default(),
        model_config: input.agent.map(|_| ModelConfig {
            default_source: source(entry.is_some_and(|a| a.model.primary.is_some())),
            fallbacks_source: source(own_fallbacks.is_some()),
        }),
        aliases: Ordered(aliases),
        allowed: config.models.iter().map(|(key, _)| key.clone()).collect(),
        auth: auth(input),
        check: Check { exit_code: input.check.code, because: input.check.reasons.clone() },
        findings: findings(input),
    }
}

fn auth<'a>(input: &'a Input<'a>) -> Auth<'a> {
    let Input { installation, view, .. } = *input;
    let assessed: HashMap<&str, &Assessed> = input
        .snapshot
        .credentials
        .iter()
        .filter(|a| a.credential.owner == Owner::GatewayStore)
        .map(|a| (a.credential.profile.as_str(), a))
        .collect();
    let providers: Vec<Provider<'_>> =
        input.rows.iter().filter(|row| row.present).map(|row| provider(input, row)).collect();
    let counted = |p: &Provider<'_>| {
        let env = usize::from(p.env.as_ref().is_some_and(|e| e.value == "OAuth (env)"));
        p.profiles.oauth + p.profiles.token + env
    };
    let with_oauth = providers.iter().filter(|p| counted(p) > 0);
    let labels: BTreeSet<&str> = input.rows.iter().map(|row| row.label.as_str()).collect();
    let mut healths: Vec<Rc<ProfileHealth<'_>>> = Vec::with_capacity(view.profiles.len());
    // One look-up for each provider, not for each of its profiles.
    let spellings: Vec<Option<&str>> =
        view.providers.iter().map(|provider| input.index.labels.get(provider.id.as_str()).copied()).collect();
    for shown in &view.profiles {
        // OpenSoul 0.2 loses a provider that is spelled with blanks around it.
        let spelling = spellings[shown.provider].filter(|_| !input.compat);
        let name = spelling.unwrap_or(shown.profile.provider.as_str());
        if input.compat && !labels.contains(name) {
            continue;
        }
        healths.push(Rc::new(health(input, shown, name, assessed.get(shown.profile.id.as_str()).copied())));
    }
    healths.sort_by(|a, b| {
        let providers = if a.provider == b.provider {
            std::cmp::Ordering::Equal
        } else {
            super::collate::compare(a.provider, b.provider)
        };
        providers.then_with(|| super::collate::compare(a.profile_id, b.profile_id))
    });
    Auth {
        store_path: view.agent.store_path.display().to_string(),
        shell_env_fallback: ShellEnvFallback {
            enabled: installation.env.login_shell,
            applied_keys: installation.env.from_login_shell.clone(),
        },
        providers_with_oauth: with_oauth.map(|p| format!("{} ({})", p.provider, counted(p))).collect(),
        missing_providers_in_use: input
            .rows
            .iter()
            .filter(|r| r.in_use && !r.present)
            .map(|r| r.label.clone())
            .collect(),
        unusable_profiles: unusable(view, input.now_ms),
        oauth: OauthBlock { warn_after_ms: 86_400_000, providers: rollups(input, &healths), profiles: healths },
        providers,
        probes: None,
    }
}

fn members<'a>(input: &'a Input<'_>, id: &str) -> &'a [usize] {
    input.view.provider(id).map(|p| p.members.as_slice()).unwrap_or_default()
}

fn provider<'a>(input: &'a Input<'a>, row: &Row) -> Provider<'a> {
    let Input { installation, config, view, .. } = *input;
    let members = members(input, &row.id);
    let count = |kind: ProfileType| members.iter().filter(|n| view.profiles[**n].profile.kind == kind).count();
    let env = row.env.as_ref().map(|env| Source { value: env.value(), source: env.source.clone() });
    let custom = config.provider(&row.label).filter(|p| p.api_key.is_some());
    let models_path = view.agent.agent_dir.join("models.json");
    let models_json = custom
        .map(|_| Source { value: masked(true), source: format!("models.json: {}", short(&models_path, input.home)) });
    let effective = if !members.is_empty() {
        EffectiveKind { kind: "profiles", detail: short(&view.agent.store_path, input.home) }
    } else if let Some(env) = &env {
        EffectiveKind { kind: "env", detail: env.value.clone() }
    } else if models_json.is_some() {
        EffectiveKind { kind: "models.json", detail: masked(true) }
    } else {
        EffectiveKind { kind: "missing", detail: "missing".to_owned() }
    };
    let besides = Besides {
        auth_mode: config.provider(&row.id).and_then(|p| p.auth.as_deref()),
        environment: row.env.is_some(),
        models_json: models_json.is_some(),
        aws: installation.env.aws(),
    };
    let (chosen, why) = choice(input, row, besides);
    let places = view.provider(&row.id).map(|p| p.order.as_slice()).unwrap_or_default();
    let summary = input.index.summaries.get(row.id.as_str());
    Provider {
        provider: row.label.clone(),
        effective,
        profiles: Counts {
            count: members.len(),
            oauth: count(ProfileType::Oauth),
            token: count(ProfileType::Token),
            api_key: count(ProfileType::ApiKey),
            labels: Labels { input, members },
        },
        env,
        models_json,
        selection: Selected {
            in_use: row.in_use,
            state: summary.map(|s| s.state),
            order: Order { view, places },
            order_from: view.provider(&row.id).map(|p| basis(p.basis)),
            chosen,
            why,
        },
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::StoreOrder => "the store's order",
        Basis::ConfigOrder => "auth.order",
        Basis::ConfigProfiles => "auth.profiles, least recently used first",
        Basis::RoundRobin => "round robin: logins, tokens, keys; least recently used first",
    }
}

fn choice(input: &Input<'_>, row: &Row, besides: Besides<'_>) -> (Option<Chosen>, String) {
    let Input { view, config, .. } = *input;
    let chosen = |kind, profile_id, source| Some(Chosen { kind, profile_id, source });
    match view.effective(&row.id, config, besides, input.now_ms) {
        Effective::Profile(n) => {
            let shown = &view.profiles[n];
            let aside = shown.usage.and_then(|u| u.unusable_until()).filter(|until| input.now_ms < *until);
            let from = view.provider(&row.id).map_or("", |p| basis(p.basis));
            let why = match aside {
                Some(_) => format!("the gateway has set all of them aside, and this one returns first ({from})"),
                None => format!("first in the order ({from})"),
            };
            (chosen("profile", Some(shown.profile.id.clone()), None), why)
        }
        Effective::Environment => {
            let why = match members(input, &row.id).len() {
                0 => "no profile is stored".to_owned(),
                n => format!("none of the {n} stored profiles can be used"),
            };
            (chosen("env", None, row.env.as_ref().map(|e| e.source.clone())), why)
        }
        Effective::ModelsJson => {
            (chosen("models.json", None, None), "no profile and no key in the environment can be used".to_owned())
        }
        Effective::Aws(source) => (chosen("aws-sdk", None, Some(source.to_owned())), "the AWS chain".to_owned()),
        Effective::Nothing => {
            let codex = row.id == "openai" && view.provider("openai-codex").is_some();
            let why = match members(input, &row.id).len() {
                _ if codex => "nothing for openai; the stored openai-codex login serves only openai-codex models",
                0 => "nothing is stored for it",
                _ => "none of its profiles can be used, and there is no key in the environment or the config",
            };
            (None, why.to_owned())
        }
    }
}

fn rollups<'a>(input: &'a Input<'a>, healths: &[Rc<ProfileHealth<'a>>]) -> Vec<ProviderHealth<'a>> {
    let mut out: Vec<ProviderHealth<'_>> = input
        .rows
        .iter()
        .map(|row| ProviderHealth {
            provider: &row.label,
            status: "missing",
            profiles: Vec::new(),
            expires_at: None,
            remaining_ms: None,
        })
        .collect();
    let at: HashMap<&str, usize> = out.iter().enumerate().map(|(n, p)| (p.provider, n)).collect();
    // Sorted by provider, so one look-up finds the row of many.
    for those in healths.chunk_by(|one, next| one.provider == next.provider) {
        if let Some(n) = those.first().and_then(|health| at.get(health.provider)) {
            out[*n].profiles.extend(those.iter().map(Rc::clone));
        }
    }
    for provider in &mut out {
        provider.status = rollup(&provider.profiles);
        let dates = provider.profiles.iter().filter(|p| p.r#type != "api_key").filter_map(|p| p.expires_ms);
        if let Some(soonest) = dates.min_by(f64::total_cmp) {
            provider.expires_at = Some(Number(soonest));
            provider.remaining_ms = Some(Number(soonest - input.now_ms));
        }
    }
    out
}

fn rollup(profiles: &[Rc<ProfileHealth<'_>>]) -> &'static str {
    let expirable = || profiles.iter().filter(|p| p.r#type != "api_key");
    if profiles.is_empty() {
        "missing"
    } else if expirable().next().is_none() {
        "static"
    } else if expirable().any(|p| matches!(p.status, "expired" | "missing")) {
        "expired"
    } else if expirable().any(|p| p.status == "expiring") {
        "expiring"
    } else {
        "ok"
    }
}

/// The exit code of OpenSoul 0.2: any token or login expired or missing, or a provider in use without anything: 1; any that
/// ends within 24 hours: 2.
#[must_use]
pub fn store_check(status: &ModelsStatus<'_>) -> CheckResult {
    let stored = || status.auth.oauth.profiles.iter().filter(|p| p.r#type != "api_key" || p.status == "missing");
    let missing = status.auth.missing_providers_in_use.iter().map(|p| format!("{p}: no credential"));
    let dead = stored().filter(|p| matches!(p.status, "expired" | "missing"));
    let reasons: Vec<String> = missing.chain(dead.map(|p| format!("{} is {}", p.profile_id, p.status))).collect();
    if !reasons.is_empty() {
        return CheckResult { code: 1, reasons, unseen: false };
    }
    let soon = stored().filter(|p| p.status == "expiring");
    let reasons: Vec<String> = soon.map(|p| format!("{} ends within 24 hours", p.profile_id)).collect();
    CheckResult { code: if reasons.is_empty() { 0 } else { 2 }, reasons, unseen: false }
}

fn findings(input: &Input<'_>) -> Vec<FindingView> {
    let view = |f: &crate::domain::Finding| {
        let Place { path, line, column, key } = f.place.clone();
        FindingView {
            id: f.id.clone(),
            severity: f.severity.word(),
            message: f.message.clone(),
            path: path.map(|p| short(&p, input.home)),
            line,
            column,
            key,
            fix: f.fix.clone(),
        }
    };
    input.snapshot.findings.iter().map(view).collect()
}

/// A path with the home directory written `~`.
#[must_use]
pub fn short(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) if home.parent().is_some() => format!("~/{}", rest.display()),
        _ => path.display().to_string(),
    }
}

/// The provider of a model text, as the original finds it (`compat`: aliases count as the default provider).
fn provider_of(text: &str, config: &GatewayConfig, compat: bool) -> Option<String> {
    let found = if compat { model_ref::parse(text) } else { model_ref::resolve(text, &config.aliases()) };
    found.map(|r| normalize(&r.provider))
}

fn email<'a>(input: &'a Input<'_>, profile: &'a Profile) -> Option<&'a str> {
    input.index.emails.get(profile.id.as_str()).copied().or(profile.email.as_deref())
}

fn display_label<'a>(input: &'a Input<'a>, profile: &'a Profile) -> Cow<'a, str> {
    label(&profile.id, email(input, profile))
}
