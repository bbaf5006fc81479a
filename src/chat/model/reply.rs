//! What `/model` answers, and what the session's entry is afterwards.

use std::path::Path;

use super::choose::{Choice, Models};
use super::directive::Directive;
use crate::engine::order::{Besides, Effective};
use crate::formats::auth_store::{Profile, ProfileType};
use crate::formats::eligibility::{View, has_secret};
use crate::formats::gateway_config::GatewayConfig;
use crate::formats::installation::LayeredEnv;
use crate::formats::model_ref::{self, ModelRef};
use crate::formats::provider_id::normalize;
use crate::formats::sessions::{self, Entry, PinnedBy};
use crate::net::redact;
use crate::output::models_status::{default_model, short};

/// What there is.
pub struct Scene<'a> {
    /// The gateway's config.
    pub config: &'a GatewayConfig,
    /// The agent.
    pub agent: &'a str,
    /// Its credentials.
    pub view: &'a View<'a>,
    /// The variables that the gateway would see.
    pub env: &'a LayeredEnv,
    /// The session.
    pub entry: &'a Entry,
    /// Shown as `~`.
    pub home: &'a Path,
    /// Now, in milliseconds.
    pub now_ms: i64,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// The session as it is to be, if it is to be another.
    pub entry: Option<Entry>,
    /// What was wanted is not possible.
    pub refused: bool,
}

/// The aliases that `/alias` may be.
#[must_use]
pub fn aliases(config: &GatewayConfig) -> Vec<String> {
    config.aliases().into_iter().map(|(alias, _)| alias).collect()
}

/// Answers a command that was found in a line.
#[must_use]
pub fn answer(scene: &Scene<'_>, directive: &Directive) -> Answer {
    let table = Table::of(scene);
    let raw = directive.model.as_deref().unwrap_or_default().trim();
    let text = match raw.to_lowercase().as_str() {
        "" | "status" | "list" if directive.profile.is_some() => return no(NO_MODEL.to_owned()),
        "" => table.summary(),
        "status" => table.status(),
        "list" => table.list(),
        _ => return table.switch(raw, directive.profile.as_deref()),
    };
    Answer { text, entry: None, refused: false }
}

fn no(text: String) -> Answer {
    Answer { text, entry: None, refused: true }
}

/// Answers `/models` and `/models PROVIDER`.
#[must_use]
pub fn models(scene: &Scene<'_>, provider: Option<&str>) -> String {
    let table = Table::of(scene);
    match provider.map(normalize).filter(|provider| !provider.is_empty()) {
        None => table.list(),
        Some(provider) => table.models_of(&provider),
    }
}

const NO_MODEL: &str = "Auth profile override requires a model selection.";

/// The models of one agent.
struct Table<'s, 'a> {
    scene: &'s Scene<'a>,
    default: ModelRef,
    aliases: Vec<(String, String)>,
    allowed: Vec<ModelRef>,
}

impl<'s, 'a> Table<'s, 'a> {
    fn of(scene: &'s Scene<'a>) -> Self {
        let (_, default) = default_model(scene.config, Some(scene.agent));
        let aliases = scene.config.aliases();
        let mut table = Self { scene, default, aliases, allowed: Vec::new() };
        let mut allowed: Vec<ModelRef> =
            scene.config.models.iter().filter_map(|(key, _)| model_ref::resolve(key, &table.aliases)).collect();
        if !allowed.is_empty() && !allowed.contains(&table.default) {
            allowed.push(table.default.clone());
        }
        table.allowed = allowed;
        table
    }

    fn models(&self) -> Models<'_> {
        Models { default: &self.default, aliases: &self.aliases, allowed: &self.allowed }
    }

    /// What is shown: what the config allows, else what it names.
    fn shown(&self) -> Vec<ModelRef> {
        if !self.allowed.is_empty() {
            return self.allowed.clone();
        }
        let mut all = vec![self.default.clone()];
        let named = self.scene.config.model_texts(Some(self.scene.agent)).into_iter();
        for model in named.filter_map(|text| model_ref::resolve(text, &self.aliases)) {
            if !all.contains(&model) {
                all.push(model);
            }
        }
        all
    }

    /// By provider, in the order in which they are first named.
    fn by_provider(&self) -> Vec<(String, Vec<ModelRef>)> {
        let mut groups: Vec<(String, Vec<ModelRef>)> = Vec::new();
        for model in self.shown() {
            match groups.iter_mut().find(|(provider, _)| *provider == model.provider) {
                Some((_, models)) => models.push(model),
                None => groups.push((model.provider.clone(), vec![model])),
            }
        }
        groups
    }

    fn current(&self) -> ModelRef {
        let chosen = sessions::chosen(self.scene.entry).model;
        let chosen = chosen.and_then(|(provider, model)| {
            let provider = provider.unwrap_or_else(|| self.default.provider.clone());
            model_ref::parse(&format!("{provider}/{model}"))
        });
        let allowed = |model: &ModelRef| self.allowed.is_empty() || self.allowed.contains(model);
        chosen.filter(allowed).unwrap_or_else(|| self.default.clone())
    }

    fn labelled(&self, model: &ModelRef) -> String {
        let models = self.models();
        let aliases: Vec<&str> = models.aliases_of(model).collect();
        if aliases.is_empty() { model.to_string() } else { format!("{model} ({})", aliases.join(", ")) }
    }

    fn summary(&self) -> String {
        format!(
            "Current: {}\n{}\n\nSwitch: /model <provider/model>\nBrowse: /models (providers) or /models <provider> (models)\nMore: /model status",
            self.current(),
            self.credential_line(&self.current()),
        )
    }

    fn list(&self) -> String {
        let mut lines = vec!["Providers:".to_owned()];
        let mut number = 0;
        for (provider, models) in self.by_provider() {
            lines.push(format!("- {provider} ({})", models.len()));
            for model in models {
                number += 1;
                let mark = if model == self.current() { " ← current" } else { "" };
                lines.push(format!("  {number}. {}{mark}", self.labelled(&model)));
            }
        }
        lines.extend([
            String::new(),
            "Use: /models <provider>".to_owned(),
            "Switch: /model <provider/model>".to_owned(),
        ]);
        lines.join("\n")
    }

    fn models_of(&self, provider: &str) -> String {
        let groups = self.by_provider();
        let Some((_, models)) = groups.iter().find(|(known, _)| known == provider) else {
            let known: Vec<String> = groups.iter().map(|(known, _)| format!("- {known}")).collect();
            return format!(
                "Unknown provider: {provider}\n\nAvailable providers:\n{}\n\nUse: /models <provider>",
                known.join("\n")
            );
        };
        let mut lines = vec![format!("Models ({provider}): {}", models.len())];
        lines.extend(models.iter().map(|model| format!("- {}", self.labelled(model))));
        lines.extend([String::new(), "Switch: /model <provider/model>".to_owned()]);
        lines.join("\n")
    }

    fn status(&self) -> String {
        let Scene { config, view, home, .. } = self.scene;
        let current = self.current();
        let mut lines = vec![
            format!("Current: {current}"),
            format!("Default: {}", self.default),
            format!("Agent: {}", self.scene.agent),
            format!("Auth file: {}", short(&view.agent.store_path, home)),
            self.credential_line(&current),
        ];
        for (provider, models) in self.by_provider() {
            let entry = config.provider(&provider);
            let endpoint =
                entry.and_then(|entry| entry.base_url.as_deref()).map_or_else(|| "default".to_owned(), redact::url);
            let api =
                entry.and_then(|entry| entry.api.as_deref()).map(|api| format!(" api: {api}")).unwrap_or_default();
            lines.push(String::new());
            lines.push(format!("[{provider}] endpoint: {endpoint}{api} auth: {}", self.auth(&provider)));
            lines.extend(models.iter().map(|model| format!("  • {}", self.labelled(model))));
        }
        lines.join("\n")
    }

    /// Which credential a turn would use now, and why: the very order of `models status`.
    fn credential_line(&self, model: &ModelRef) -> String {
        let Scene { config, view, env, entry, now_ms, .. } = self.scene;
        let mut trial = (*entry).clone();
        let pinned = sessions::chosen(entry).profile;
        let taken = sessions::begin_turn(&mut trial, view, &model.provider, false, *now_ms);
        let by = match (&taken, &pinned) {
            (Some(taken), Some((pin, PinnedBy::User))) if taken == pin => "pinned for this session",
            (Some(taken), Some((pin, PinnedBy::Gateway))) if taken == pin => "the gateway keeps it for this session",
            _ => "the gateway's order",
        };
        if let Some(taken) = taken {
            return format!(
                "Credential: {taken} ({by}{})",
                self.flags_of(&taken).map(|flags| format!(", {flags}")).unwrap_or_default()
            );
        }
        let key = env.key(&model.provider);
        let own = config.provider(&model.provider);
        let besides = Besides {
            auth_mode: own.and_then(|own| own.auth.as_deref()),
            environment: key.is_some(),
            models_json: own.is_some_and(|own| own.api_key.is_some()),
            aws: env.aws(),
        };
        match view.effective(&model.provider, config, besides, self.now()) {
            Effective::Profile(n) => format!("Credential: {} (the gateway's order)", view.profiles[n].profile.id),
            Effective::Environment => {
                format!("Credential: {}", key.map_or_else(|| "environment".to_owned(), |key| key.source()))
            }
            Effective::ModelsJson => "Credential: the key in models.providers of the config".to_owned(),
            Effective::Aws(source) => format!("Credential: {source}"),
            Effective::Nothing => format!("Credential: none that {} would take", model.provider),
        }
    }

    fn now(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let now = self.scene.now_ms as f64;
        now
    }

    /// Every profile of a provider that the gateway would take, in its order; else what it has besides.
    fn auth(&self, provider: &str) -> String {
        let Scene { config, view, env, .. } = self.scene;
        let order = view.order_preferring(provider, None);
        if !order.is_empty() {
            let labels: Vec<String> = order
                .iter()
                .enumerate()
                .map(|(place, n)| {
                    let profile = view.profiles[*n].profile;
                    let mut flags: Vec<String> = if place == 0 { vec!["next".to_owned()] } else { Vec::new() };
                    flags.extend(self.flags_of(&profile.id));
                    let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
                    let kind = match profile.kind {
                        ProfileType::ApiKey => "key:…",
                        ProfileType::Token => "token:…",
                        ProfileType::Oauth => "OAuth",
                    };
                    format!("{}={kind}{flags}", profile.id)
                })
                .collect();
            return format!(
                "{} (auth-profiles.json: {})",
                labels.join(", "),
                short(&view.agent.store_path, self.scene.home)
            );
        }
        if let Some(key) = env.key(provider) {
            return format!("{} ({})", if key.is_oauth() { "OAuth (env)" } else { "…" }, key.source());
        }
        if config.provider(provider).is_some_and(|entry| entry.api_key.is_some()) {
            return "… (models.json)".to_owned();
        }
        "missing".to_owned()
    }

    fn profile(&self, id: &str) -> Option<&'a Profile> {
        self.scene.view.profiles.iter().find(|shown| shown.profile.id == id).map(|shown| shown.profile)
    }

    /// Set aside, and when it ends or has ended.
    fn flags_of(&self, id: &str) -> Option<String> {
        let shown = self.scene.view.profiles.iter().find(|shown| shown.profile.id == id)?;
        let now = self.now();
        let mut flags = Vec::new();
        let usage = shown.usage;
        let later = |at: Option<f64>| at.filter(|at| at.is_finite() && *at > now);
        if let Some(until) = later(usage.and_then(|usage| usage.disabled_until)) {
            let reason = usage.and_then(|usage| usage.disabled_reason.as_deref()).map(|reason| format!(":{reason}"));
            flags.push(format!("disabled{} {}", reason.unwrap_or_default(), until_words(until - now)));
        } else if let Some(until) = later(usage.and_then(|usage| usage.cooldown_until)) {
            flags.push(format!("cooldown {}", until_words(until - now)));
        }
        if shown.profile.kind != ProfileType::ApiKey
            && let Some(at) = shown.profile.expires.as_date()
        {
            flags.push(if at <= now { "expired".to_owned() } else { format!("exp {}", until_words(at - now)) });
        }
        (!flags.is_empty()).then(|| flags.join(", "))
    }

    fn switch(&self, raw: &str, profile: Option<&str>) -> Answer {
        let Choice { model, is_default, alias } = match self.models().choose(raw) {
            Ok(choice) => choice,
            Err(text) => return no(text),
        };
        if let Some(id) = profile {
            match self.profile(id) {
                None => return no(format!("Auth profile \"{id}\" not found.")),
                // As spelled in the store: so does the gateway.
                Some(found) if found.provider != model.provider => {
                    return no(format!("Auth profile \"{id}\" is for {}, not {}.", found.provider, model.provider));
                }
                Some(_) => {}
            }
        }
        let label = alias.map_or_else(|| model.to_string(), |alias| format!("{alias} ({model})"));
        let mut text =
            if is_default { format!("Model reset to default ({label}).") } else { format!("Model set to {label}.") };
        if let Some(id) = profile {
            text.push_str(&format!(" Auth profile set to {id}."));
        }
        let mut entry = self.scene.entry.clone();
        let changed = sessions::choose(&mut entry, &model.provider, &model.model, is_default, profile);
        for note in profile.iter().flat_map(|id| self.notes(id, &model, &entry)) {
            text.push('\n');
            text.push_str(&note);
        }
        Answer { text, entry: changed.then_some(entry), refused: false }
    }

    /// What the gateway's own answer keeps to itself: that the pinned credential does not work now, or that the pin will not hold.
    fn notes(&self, id: &str, model: &ModelRef, entry: &Entry) -> Vec<String> {
        let mut notes = Vec::new();
        let now = self.now();
        let found = self.profile(id);
        if found.is_some_and(|profile| !has_secret(profile)) {
            notes.push(format!("Note: there is nothing in {id} that could be sent."));
        } else if let Some(flags) = self.flags_of(id) {
            let expired = found.and_then(|profile| profile.expires.as_date()).is_some_and(|at| at <= now);
            let aside = flags.starts_with("cooldown") || flags.starts_with("disabled");
            if expired || aside {
                notes.push(format!("Note: {id} does not work now ({flags})."));
            }
        }
        let turn = |is_new: bool| {
            sessions::begin_turn(&mut entry.clone(), self.scene.view, &model.provider, is_new, self.scene.now_ms)
        };
        match (turn(false), turn(true)) {
            (Some(first), _) if first != id => {
                notes.push(format!(
                    "Note: the gateway drops this pin at once, because {id} is not in its order; it takes {first}."
                ));
            }
            (None, _) => {
                notes.push(format!("Note: the gateway would take none of the profiles of {} now.", model.provider))
            }
            (Some(_), Some(next)) if next != id => {
                notes.push(format!("Note: the pin holds for this session; a new session begins with {next}."));
            }
            _ => {}
        }
        notes
    }
}

/// `5m`, `7h`, `3d`, in the gateway's way.
fn until_words(ms: f64) -> String {
    let minutes = (ms.max(0.0) / 60_000.0).round();
    let hours = (minutes / 60.0).round();
    if minutes < 1.0 {
        "soon".to_owned()
    } else if minutes < 60.0 {
        format!("{minutes}m")
    } else if hours < 48.0 {
        format!("{hours}h")
    } else {
        format!("{}d", (hours / 24.0).round())
    }
}
