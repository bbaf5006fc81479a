//! The gateway's config: the parts that decide about credentials and models, and what the gateway would refuse in them.
//!
//! The gateway refuses unknown keys everywhere; we know the whole list of its root and of the parts read here, so we say so
//! there, and only for the version whose list this is (`strict`).

use super::config_document::{Document, problem};
use super::config_schema as schema;
use super::installation::Family;
use super::javascript::trim;
use super::json5::{Node, Value};
use super::model_ref;
use super::provider_id::normalize_agent;
use crate::domain::{Finding, Secret};

/// An entry of `auth.profiles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredProfile {
    /// Profile id.
    pub id: String,
    /// Provider as spelled.
    pub provider: String,
    /// `api_key`, `oauth` or `token`.
    pub mode: String,
    /// Trimmed; `None` if blank.
    pub email: Option<String>,
}

/// A model and what to use when it fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelChoice {
    /// Trimmed; `None` if blank.
    pub primary: Option<String>,
    /// `None` if the key is not there.
    pub fallbacks: Option<Vec<String>>,
}

/// An agent of `agents.list` (or `agents.entries` of later versions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEntry {
    /// Its id, normalised.
    pub id: String,
    /// Whether it is the default one.
    pub default: bool,
    /// Its directory as written.
    pub agent_dir: Option<String>,
    /// Its own model.
    pub model: ModelChoice,
}

/// An entry of `models.providers`.
pub struct ModelProvider {
    /// The key as spelled.
    pub id: String,
    /// `baseUrl`
    pub base_url: Option<String>,
    /// `api`: whose requests it understands (`openai-completions`, `anthropic-messages`, …).
    pub api: Option<String>,
    /// `apiKey`, trimmed; `None` if blank.
    pub api_key: Option<Secret>,
    /// `auth`
    pub auth: Option<String>,
}

/// An entry of `secrets.providers` whose source is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// Its name.
    pub name: String,
    /// The file.
    pub path: String,
}

/// The parts of the config that matter here.
#[derive(Default)]
pub struct GatewayConfig {
    /// `auth.profiles`
    pub auth_profiles: Vec<DeclaredProfile>,
    /// `auth.order`: provider as spelled → ids.
    pub auth_order: Vec<(String, Vec<String>)>,
    /// `agents.defaults.model`
    pub model: ModelChoice,
    /// `agents.defaults.imageModel`
    pub image_model: ModelChoice,
    /// `agents.defaults.models`: key → `alias` as written.
    pub models: Vec<(String, Option<String>)>,
    /// The agents, in order, no id twice.
    pub agents: Vec<AgentEntry>,
    /// `models.providers`
    pub providers: Vec<ModelProvider>,
    /// `env.shellEnv.enabled`
    pub shell_env: bool,
    /// `env.shellEnv.timeoutMs`
    pub shell_timeout_ms: Option<u64>,
    /// `secrets.providers` that are files.
    pub secret_files: Vec<SecretFile>,
    /// `gateway.port`
    pub gateway_port: Option<u16>,
    /// `gateway.bind`
    pub gateway_bind: Option<String>,
    /// `gateway.auth` asks something of those who connect: a token, a password, or a proxy that does.
    pub gateway_guarded: bool,
    /// `meta.lastTouchedVersion`
    pub last_touched_version: Option<String>,
    /// `session.store`: where sessions are kept, if not in the usual place; `{agentId}` stands for the agent.
    pub session_store: Option<String>,
    /// `session.mainKey`: what the main session of an agent is called.
    pub main_session: Option<String>,
}

/// Makes a config of a document whose variables are replaced. Problems are what the gateway refuses; all of them.
#[must_use]
pub fn interpret(document: &Document, strict: bool) -> (GatewayConfig, Vec<Finding>) {
    let root = &document.root;
    let mut config = GatewayConfig::default();
    if !matches!(root.value, Value::Object(_)) {
        let message = format!("the gateway's config is {} instead of an object", root.kind());
        return (config, vec![problem(document.files.place(root), message, "make it an object: { … }")]);
    }
    let problems = schema::check(document, strict);
    read_auth(root, &mut config);
    read_agents(root, &mut config);
    read_providers(root, &mut config);
    let at = |path: &[&str]| path.iter().try_fold(root, |node, key| node.get(key));
    let text = |path: &[&str]| at(path).and_then(Node::as_str).map(str::to_owned);
    config.shell_env = at(&["env", "shellEnv", "enabled"]).and_then(Node::as_bool) == Some(true);
    config.shell_timeout_ms = at(&["env", "shellEnv", "timeoutMs"]).and_then(Node::as_f64).and_then(whole);
    config.gateway_port =
        at(&["gateway", "port"]).and_then(Node::as_f64).and_then(whole).and_then(|n| u16::try_from(n).ok());
    config.gateway_bind = text(&["gateway", "bind"]);
    let mode = text(&["gateway", "auth", "mode"]);
    // A secret may be written as a reference, which is an object.
    let has = |name: &str| {
        at(&["gateway", "auth", name])
            .is_some_and(|node| node.as_str().map_or(node.kind() == "an object", |t| !trim(t).is_empty()))
    };
    config.gateway_guarded = match mode.as_deref() {
        Some("none") => false,
        Some("trusted-proxy") => true,
        Some("token") => has("token"),
        Some("password") => has("password"),
        _ => has("token") || has("password"),
    };
    config.last_touched_version = text(&["meta", "lastTouchedVersion"]);
    config.session_store = text(&["session", "store"]);
    config.main_session = text(&["session", "mainKey"]);
    for (name, entry) in at(&["secrets", "providers"]).map(Node::entries).unwrap_or_default() {
        if let (Some("file"), Some(path)) =
            (entry.get("source").and_then(Node::as_str), entry.get("path").and_then(Node::as_str))
        {
            config.secret_files.push(SecretFile { name: name.clone(), path: path.to_owned() });
        }
    }
    (config, problems)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a small whole number")]
fn whole(n: f64) -> Option<u64> {
    (n.fract() == 0.0 && (0.0..=9e15).contains(&n)).then_some(n as u64)
}

fn text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::as_str).map(|t| trim(t).to_owned()).filter(|t| !t.is_empty())
}

fn strings(node: &Node) -> Vec<String> {
    node.items().iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

fn choice(node: Option<&Node>) -> ModelChoice {
    match node {
        Some(node) if node.as_str().is_some() => ModelChoice { primary: text(Some(node)), fallbacks: None },
        Some(node) => ModelChoice { primary: text(node.get("primary")), fallbacks: node.get("fallbacks").map(strings) },
        None => ModelChoice::default(),
    }
}

fn read_auth(root: &Node, config: &mut GatewayConfig) {
    let Some(auth) = root.get("auth") else { return };
    for (id, entry) in auth.get("profiles").map(Node::entries).unwrap_or_default() {
        let field = |name: &str| entry.get(name).and_then(Node::as_str).unwrap_or_default().to_owned();
        config.auth_profiles.push(DeclaredProfile {
            id: id.clone(),
            provider: field("provider"),
            mode: field("mode"),
            email: text(entry.get("email")),
        });
    }
    for (provider, ids) in auth.get("order").map(Node::entries).unwrap_or_default() {
        config.auth_order.push((provider.clone(), strings(ids)));
    }
}

fn read_agents(root: &Node, config: &mut GatewayConfig) {
    let Some(agents) = root.get("agents") else { return };
    if let Some(defaults) = agents.get("defaults") {
        config.model = choice(defaults.get("model"));
        config.image_model = choice(defaults.get("imageModel"));
        for (key, entry) in defaults.get("models").map(Node::entries).unwrap_or_default() {
            config.models.push((key.clone(), entry.get("alias").and_then(Node::as_str).map(str::to_owned)));
        }
    }
    let listed = agents.get("list").map(Node::items).unwrap_or_default().iter();
    let listed = listed.filter_map(|entry| Some((entry.get("id").and_then(Node::as_str)?, entry)));
    let keyed = agents.get("entries").map(Node::entries).unwrap_or_default().iter().map(|(id, e)| (id.as_str(), e));
    let mut known = std::collections::HashSet::new();
    for (id, entry) in listed.chain(keyed) {
        let id = normalize_agent(id);
        if known.insert(id.clone()) {
            config.agents.push(AgentEntry {
                id,
                default: entry.get("default").and_then(Node::as_bool) == Some(true),
                agent_dir: text(entry.get("agentDir")),
                model: choice(entry.get("model")),
            });
        }
    }
}

fn read_providers(root: &Node, config: &mut GatewayConfig) {
    let providers = root.get("models").and_then(|m| m.get("providers")).map(Node::entries).unwrap_or_default();
    for (id, entry) in providers {
        config.providers.push(ModelProvider {
            id: id.clone(),
            base_url: text(entry.get("baseUrl")),
            api: text(entry.get("api")),
            api_key: text(entry.get("apiKey")).map(Secret::new),
            auth: text(entry.get("auth")),
        });
    }
}

impl GatewayConfig {
    /// The entry of `models.providers` for a provider: spelled exactly so, else normalised alike.
    #[must_use]
    pub fn provider(&self, provider: &str) -> Option<&ModelProvider> {
        let wanted = super::provider_id::normalize(provider);
        let exact = self.providers.iter().find(|p| p.id == provider);
        exact.or_else(|| self.providers.iter().find(|p| super::provider_id::normalize(&p.id) == wanted))
    }

    /// The entry of an agent.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<&AgentEntry> {
        self.agents.iter().find(|a| a.id == id)
    }

    /// The agent that the gateway takes when nobody names one.
    #[must_use]
    pub fn default_agent(&self) -> &str {
        self.agents.iter().find(|a| a.default).or(self.agents.first()).map_or("main", |a| a.id.as_str())
    }

    /// Alias → model key.
    #[must_use]
    pub fn aliases(&self) -> Vec<(String, String)> {
        model_ref::aliases(&self.models)
    }

    /// The declared profile of an id.
    #[must_use]
    pub fn declared(&self, id: &str) -> Option<&DeclaredProfile> {
        self.auth_profiles.iter().find(|p| p.id == id)
    }

    /// Whether any model is named at all, by the defaults or by an agent.
    #[must_use]
    pub fn names_a_model(&self) -> bool {
        let named = |c: &ModelChoice| c.primary.is_some() || c.fallbacks.as_ref().is_some_and(|f| !f.is_empty());
        named(&self.model) || named(&self.image_model) || self.agents.iter().any(|a| named(&a.model))
    }

    /// Every model text that one agent (`None`: the defaults) may use, as written: default, fallbacks, image models.
    #[must_use]
    pub fn model_texts(&self, agent: Option<&str>) -> Vec<&str> {
        let own = agent.and_then(|id| self.agent(id)).map(|a| &a.model);
        let primary = own.and_then(|m| m.primary.as_ref()).or(self.model.primary.as_ref());
        let fallbacks = own.and_then(|m| m.fallbacks.as_ref()).or(self.model.fallbacks.as_ref());
        let image = &self.image_model;
        primary
            .into_iter()
            .chain(fallbacks.into_iter().flatten())
            .chain(image.primary.as_ref())
            .chain(image.fallbacks.iter().flatten())
            .map(String::as_str)
            .collect()
    }
}

/// True if we know every key that this gateway knows: only then is another one a problem.
#[must_use]
pub fn is_strict(family: Family, document: &Document) -> bool {
    let version = document.root.get("meta").and_then(|meta| meta.get("lastTouchedVersion")).and_then(Node::as_str);
    family == Family::OpenSoul && !version.is_some_and(is_sqlite_version)
}

/// True if the gateway that wrote this config keeps credentials in SQLite: version 2026.6 and later.
#[must_use]
pub fn is_sqlite_version(version: &str) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split(['.', '-']).map(str::parse::<u32>);
    let year = parts.next().and_then(Result::ok);
    let month = parts.next().and_then(Result::ok);
    matches!((year, month), (Some(y), Some(m)) if (y, m) >= (2026, 6) && y < 3000)
}

#[cfg(test)]
#[path = "gateway_config_tests.rs"]
mod tests;
