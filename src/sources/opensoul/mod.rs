//! The gateways of the OpenSoul family: every state directory, every agent, every store.
//!
//! Reads only: never writes, renames, imports, copies or creates, not even side files of a database. What a gateway would
//! import at its next start is shown as if it had been, and said.

mod credentials;
mod environment;
pub mod locate;
mod secrets;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::{Found, Harvest, Scene, Source};
use crate::cores::{self, THINKING, WAITING};
use crate::domain::{Finding, FingerprintKey, Place, Severity, SourceReport, Span};
use crate::files;
use crate::formats::config_document::{self, problem};
use crate::formats::eligibility::{Shown, View};
use crate::formats::gateway_config::{self, GatewayConfig};
use crate::formats::installation::{AgentStore, Installation};
use crate::formats::provider_id::normalize;
use crate::formats::{model_ref, provider_env};
use credentials::Prints;
use locate::Home;

/// See the module.
pub struct OpenSoul;

impl Source for OpenSoul {
    fn name(&self) -> &'static str {
        "opensoul"
    }

    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest) {
        let installations = installations(scene, Sweep::All);
        let none = GatewayConfig::default();
        for installation in &installations {
            let before = harvest.found.len();
            let config = installation.config.as_ref().unwrap_or(&none);
            let there = installation.state_dir.symlink_metadata().is_ok();
            let found = cores::for_each(WAITING, &installation.agents, |agent| {
                own_credentials(installation, there, agent, config, scene)
            });
            // With room for what other sources add.
            harvest.found.reserve(found.iter().map(Vec::len).sum::<usize>() + 256);
            harvest.found.extend(found.into_iter().flatten());
            harvest.findings.extend(installation.agents.iter().flat_map(|agent| agent.findings.iter().cloned()));
            harvest.found.extend(config_credentials(installation, config, scene.key));
            harvest.findings.extend(installation.config_problems.iter().cloned());
            // What is wrong with `.env` files is said by their own source.
            let shell = installation.env.problems.iter().filter(|p| p.id == environment::LOGIN_SHELL);
            harvest.findings.extend(shell.cloned());
            demand(config, harvest);
            let stores = installation.agents.iter().map(|a| a.store_path.clone());
            harvest.reports.push(SourceReport {
                source: installation.family.word().to_owned(),
                looked: std::iter::once(installation.config_path.clone())
                    .chain(stores)
                    .chain(installation.beside.iter().cloned())
                    .collect(),
                up: installation.agents.iter().all(|a| a.trouble.is_none()) && installation.config_problems.is_empty(),
                hidden: false,
                credentials: harvest.found.len() - before,
            });
        }
        harvest.installations.extend(installations);
    }
}

/// Which agents to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep<'a> {
    /// Every agent of every installation.
    All,
    /// Only main, and this one if it is named, of the chosen installation.
    Chosen(Option<&'a str>),
}

/// Reads the installations. Never fails: what cannot be read is a finding in its place.
#[must_use]
pub fn installations(scene: &Scene<'_>, sweep: Sweep<'_>) -> Vec<Installation> {
    let homes = locate::homes(scene.env, scene.preferred).into_iter();
    homes.filter(|home| home.chosen || sweep == Sweep::All).map(|home| installation(scene, home, sweep)).collect()
}

fn installation(scene: &Scene<'_>, home: Home, sweep: Sweep<'_>) -> Installation {
    let mut env = environment::files(scene.env, scene.cwd, &home.state_dir);
    let Config { config, problems: mut config_problems, included } = config(&home, &mut env);
    environment::google(&mut env, &scene.env.home());
    let settings = config.as_ref();
    // In the monitor there is no working directory, and no shell is run.
    let may_run = scene.cwd.is_some() && home.chosen;
    let enabled = settings.is_some_and(|c| c.shell_env);
    environment::login_shell(&mut env, scene.env, enabled, settings.and_then(|c| c.shell_timeout_ms), may_run);
    let none = GatewayConfig::default();
    let settings = settings.unwrap_or(&none);
    let shared = home.state_dir.join("state/openclaw.sqlite");
    let version = settings.last_touched_version.as_deref().is_some_and(gateway_config::is_sqlite_version);
    let mut sqlite = version || shared.symlink_metadata().is_ok();
    let oauth_dir = scene.env.get("OPENSOUL_OAUTH_DIR").or_else(|| scene.env.get("OPENCLAW_OAUTH_DIR"));
    let place = store::Shared {
        env: scene.env,
        oauth_dir: oauth_dir.map_or_else(|| home.state_dir.join("credentials"), |dir| scene.env.expand(dir)),
        shared,
        now: scene.now,
    };
    let dirs = agent_dirs(scene, &home, settings, sweep, &mut config_problems);
    let in_sqlite = |agent: &AgentStore| agent.store_path.extension().is_some_and(|e| e == "sqlite");
    let mut agents: Vec<AgentStore> = Vec::with_capacity(dirs.len());
    if let Some(((id, dir), others)) = dirs.split_first() {
        let main = store::read(id, dir.clone(), &place, None);
        let read =
            cores::for_each(WAITING, others, |(id, dir)| store::read(id, dir.clone(), &place, Some(&main.store)));
        agents.push(main);
        agents.extend(read);
    }
    for agent in &mut agents {
        sqlite |= in_sqlite(agent);
        secrets::resolve(&mut agent.store, &env, settings, scene.env, sqlite);
    }
    for agent in agents.iter_mut().filter(|_| sqlite) {
        store::legacy_json(agent, home.family.word(), &home.state_dir);
    }
    config_problems.extend(no_directory_of_agents(&home));
    let mut beside = included;
    beside.extend(settings.secret_files.iter().map(|file| scene.env.expand(&file.path)));
    // A new agent is a new directory here.
    beside.push(home.state_dir.join("agents"));
    let is_store = |path: &PathBuf| agents.first().is_some_and(|main| main.store_path == *path);
    beside.extend(store::beside_all(&place).into_iter().filter(|path| !is_store(path)));
    let mut seen = HashSet::new();
    beside.retain(|path| seen.insert(path.clone()));
    // Two agents may have one directory. By its bytes: comparing a thousand of them part by part is dear.
    let mut dirs = HashSet::new();
    let alone = agents.iter().filter(|agent| dirs.insert(agent.agent_dir.as_os_str()));
    beside.extend(alone.flat_map(store::beside));
    Installation {
        family: home.family,
        state_dir: home.state_dir,
        chosen: home.chosen,
        config_path: home.config_path,
        config,
        config_problems,
        beside,
        agents,
        env,
        sqlite,
    }
}

/// No agent has a store where a file is in the way of all.
fn no_directory_of_agents(home: &Home) -> Option<Finding> {
    let dir = home.state_dir.join("agents");
    let facts = std::fs::metadata(&dir).ok().filter(|facts| !facts.is_dir());
    facts.map(|_| {
        let message = "a file is where the gateway keeps the directories of its agents: none has a store";
        Finding::new("config.unreadable", Severity::Critical, message, "Move the file away.").at(Place::file(dir))
    })
}

/// What came of the config.
#[derive(Default)]
struct Config {
    config: Option<GatewayConfig>,
    problems: Vec<Finding>,
    /// The files that it includes.
    included: Vec<PathBuf>,
}

/// Reads the config, applies what it sets to the environment, and says everything that the gateway would refuse.
fn config(home: &Home, env: &mut crate::formats::installation::LayeredEnv) -> Config {
    let path = &home.config_path;
    let refused = |problems: Vec<Finding>| Config { problems, ..Config::default() };
    if home.state_dir.is_symlink() && !home.state_dir.exists() {
        let fix = "Mount what it leads to, or make the link anew.";
        let message = "the gateway's state directory is a link to nothing";
        let finding = Finding::new("config.unreadable", Severity::Critical, message, fix);
        return refused(vec![finding.at(Place::file(&home.state_dir))]);
    }
    if home.state_dir.exists() && !home.state_dir.is_dir() {
        let fix = "Correct OPENSOUL_STATE_DIR (or OPENCLAW_STATE_DIR), or move the file away.";
        let message = "the gateway's state directory is a file";
        let finding = Finding::new("config.unreadable", Severity::Critical, message, fix);
        return refused(vec![finding.at(Place::file(&home.state_dir))]);
    }
    let text = match files::read(path, files::LIMIT) {
        Ok(None) => return Config::default(),
        Ok(Some(contents)) => contents.text,
        Err(trouble) => {
            let mut finding = trouble.finding(path, "make it a readable file of this user");
            finding.id = "config.unreadable".to_owned();
            if trouble.unparsable {
                finding.id = config_document::INVALID.to_owned();
            }
            finding.severity = Severity::Critical;
            finding.message = format!("the gateway's config {}", trouble.why);
            return refused(vec![finding]);
        }
    };
    let mut included = Vec::new();
    let mut load = |path: &Path| {
        included.push(path.to_owned());
        match files::read(path, files::LIMIT) {
            Ok(Some(contents)) => Ok(contents.text.as_str().to_owned()),
            Ok(None) => Err("does not exist".to_owned()),
            Err(trouble) => Err(trouble.why),
        }
    };
    let mut document = match config_document::read(path, text.as_str().to_owned(), &mut load) {
        Ok(document) => document,
        Err(problems) => return Config { problems, included, ..Config::default() },
    };
    environment::config(env, &document.env_entries());
    let mut problems = document.substitute(&|name| env.get(name).map(str::to_owned));
    let (config, refused) = gateway_config::interpret(&document, gateway_config::is_strict(home.family, &document));
    problems.extend(refused);
    Config { config: problems.is_empty().then_some(config), problems, included }
}

/// Agents and their directories, main first. Two agents in one directory make the gateway refuse its config.
fn agent_dirs(
    scene: &Scene<'_>,
    home: &Home,
    config: &GatewayConfig,
    sweep: Sweep<'_>,
    problems: &mut Vec<Finding>,
) -> Vec<(String, PathBuf)> {
    let dir_of = |id: &str| match config.agent(id).and_then(|a| a.agent_dir.as_ref()) {
        Some(dir) => scene.env.expand(dir),
        None => home.state_dir.join("agents").join(id).join("agent"),
    };
    let mut used: BTreeSet<PathBuf> = BTreeSet::new();
    for agent in &config.agents {
        let dir = dir_of(&agent.id);
        if !used.insert(dir.clone()) {
            let message = format!("agent {} shares its directory {} with another agent", agent.id, dir.display());
            let place = Place::file(&home.config_path).key("agents.list");
            problems.push(problem(place, message, "give each agent an agentDir of its own"));
        }
    }
    let usual = home.state_dir.join("agents/main/agent");
    let overriding = locate::agent_dir_override(scene.env).filter(|_| home.chosen);
    // The variable's directory stands in for main where one agent is shown; where all are, main is main.
    let (main, elsewhere) = match sweep {
        Sweep::Chosen(_) => (overriding.unwrap_or(usual), None),
        Sweep::All => (usual, overriding),
    };
    let mut dirs = vec![("main".to_owned(), main)];
    let mut known = BTreeSet::from(["main".to_owned()]);
    let named: Vec<String> = match sweep {
        Sweep::Chosen(agent) => agent.map(str::to_owned).into_iter().collect(),
        Sweep::All => {
            let listed = config.agents.iter().map(|a| a.id.clone());
            listed.chain(locate::agents_on_disk(&home.state_dir)).collect()
        }
    };
    for id in named {
        if known.insert(id.clone()) {
            let dir = dir_of(&id);
            dirs.push((id, dir));
        } else if id == "main" && sweep == Sweep::Chosen(Some("main")) {
            // Asked for by name, main is the agent of the config, whatever stands in for it otherwise.
            dirs[0].1 = dir_of("main");
        }
    }
    if let Some(dir) = elsewhere.filter(|dir| dirs.iter().all(|(_, known)| known != dir)) {
        dirs.push((locate::AGENT_OF_VARIABLE.to_owned(), dir));
    }
    dirs
}

/// What is in an agent's own store, with its place in that agent's order. `there`: whether the installation is.
fn own_credentials(
    installation: &Installation,
    there: bool,
    agent: &AgentStore,
    config: &GatewayConfig,
    scene: &Scene<'_>,
) -> Vec<Found> {
    let view = View::new(installation, agent, config, now_ms(scene));
    let own = view.profiles.iter().filter(|shown| shown.own);
    let store = credentials::Owning::from(agent);
    let one = |shown: &Shown<'_>| {
        let prints = credentials::prints(shown.profile, scene.key);
        credentials::profile(installation, &store, shown, &view.providers[shown.provider].id, prints)
    };
    let mut found: Vec<Found> = own.map(one).collect();
    found.extend(credentials::dropped(installation, agent));
    for Found { credential, .. } in &mut found {
        // A gateway would mirror it; where none was ever installed nobody uses it from here. And one that is not the chosen one is
        // mostly what a move to a new name left behind, unless it says itself that it still runs.
        let runs = credential.activity.last_used.is_some_and(|used| scene.now - used <= Span::days(30));
        if !there || !(installation.chosen || runs) {
            credential.declared_in_use = Some(false);
        }
    }
    // The judgement sorts all of them: here, where it is shared out, it is cheaper.
    found.sort_by(|one, other| one.credential.id.cmp(&other.credential.id));
    found
}

/// Keys in the gateway's config: `models.providers` and `env`.
fn config_credentials(installation: &Installation, config: &GatewayConfig, key: &FingerprintKey) -> Vec<Found> {
    let providers = config.providers.iter().filter_map(|entry| {
        let secret = entry.api_key.as_ref()?;
        Some(credentials::config_key(installation, &entry.id, &normalize(&entry.id), secret, key))
    });
    let env = &installation.env;
    let own = env.vars.iter().filter(|(_, (value, layer))| {
        use crate::formats::installation::Layer;
        matches!(layer, Layer::Config | Layer::LoginShell) && !value.trim().is_empty()
    });
    let variables = own.filter_map(|(name, (_, layer))| {
        let provider = provider_env::provider_of(name)?;
        let found = crate::formats::installation::EnvKey { name: Some(name), layer };
        Some(credentials::env_key(installation, provider, &found, key))
    });
    providers.chain(variables).collect()
}

/// Everything that one agent's gateway could use: its merged profiles, and for each of `providers` the key in its
/// environment and in its config.
#[must_use]
pub fn credentials_of(
    installation: &Installation,
    view: &View<'_>,
    providers: &[String],
    key: &FingerprintKey,
) -> Vec<Found> {
    let none = GatewayConfig::default();
    let config = installation.config.as_ref().unwrap_or(&none);
    let own = credentials::Owning::from(view.agent);
    let main = credentials::Owning::from(installation.main().unwrap_or(view.agent));
    // Only the hashing is shared out: memory that other threads ask for costs a system call for each page.
    let prints = cores::for_each(THINKING, &view.profiles, |shown| credentials::prints(shown.profile, key));
    let one = |(shown, prints): (&Shown<'_>, Prints)| {
        let owner = if shown.own { &own } else { &main };
        credentials::profile(installation, owner, shown, &view.providers[shown.provider].id, prints)
    };
    let mut found: Vec<Found> = view.profiles.iter().zip(prints).map(one).collect();
    found.extend(credentials::dropped(installation, view.agent));
    for provider in providers {
        if let Some(variable) = installation.env.key(provider) {
            found.push(credentials::env_key(installation, provider, &variable, key));
        }
        if let Some((entry, secret)) = config.provider(provider).and_then(|e| Some((e, e.api_key.as_ref()?))) {
            found.push(credentials::config_key(installation, &entry.id, provider, secret, key));
        }
    }
    found
}

/// The providers that a config's models need, for the defaults and for every agent.
fn demand(config: &GatewayConfig, harvest: &mut Harvest) {
    harvest.demand.models_configured |= config.names_a_model();
    let aliases = config.aliases();
    let agents = config.agents.iter().map(|a| Some(a.id.as_str()));
    for agent in std::iter::once(None).chain(agents) {
        for text in config.model_texts(agent) {
            harvest.demand.providers.extend(model_ref::resolve(text, &aliases).map(|r| r.provider));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
fn now_ms(scene: &Scene<'_>) -> f64 {
    scene.now.timestamp_millis() as f64
}
