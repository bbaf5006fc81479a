//! One file per owner of credentials: it knows where the owner keeps them and what its fields mean.
//!
//! A source reads, never writes, never asks a provider, never runs a program of the owner. It converts units at its door and
//! says what it found odd as findings. Adding a source means one file and one line in [`all`].

pub mod aider;
pub mod amp;
pub mod antigravity;
pub mod aws;
pub mod azure;
mod bases;
pub mod claude_code;
pub mod cline;
pub mod cliproxyapi;
mod closed;
mod cloud;
pub mod codebuff;
pub mod codex;
pub mod compose;
pub mod continue_dev;
pub mod copilot;
pub mod crush;
pub mod cursor;
pub mod databricks;
pub mod declared;
pub mod devin;
pub mod dotenv;
pub mod env;
pub mod factory;
pub mod gcloud;
pub mod gemini;
pub mod gh;
pub mod goose;
pub mod grok;
pub mod hermes;
pub mod huggingface;
pub mod iflow;
mod json;
mod keyring;
pub mod kimi;
pub mod kiro;
pub mod litellm;
pub mod llm;
pub mod llxprt;
mod login;
mod mcp;
mod models;
pub mod mounted;
pub mod netrc;
pub mod ollama;
pub mod opencode;
pub mod opensoul;
pub mod parked;
pub mod pi;
mod project;
pub mod qwen;
pub mod receivers;
mod reference;
mod retired;
mod sqlite;
pub mod startup;
#[cfg(test)]
mod testing;
mod variables;
pub mod vscode;
pub mod zed;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::config::{Chat, Declared, Receiver};
use crate::domain::{Condition, Credential, Environment, Finding, FingerprintKey, Owner, Secret, SourceReport, Time};
use crate::engine::observation::Demand;
use crate::formats::bearer;
use crate::formats::installation::{Family, Installation};
use crate::formats::secret_shape::is_placeholder;
use crate::formats::shell::word as shell_word;

/// What a source may look at.
pub struct Scene<'a> {
    /// The process environment (for `HOME` and the owners' own variables).
    pub env: &'a Environment,
    /// Working directory of an interactive command: a `.env` there may hold provider keys. `None` in the monitor.
    pub cwd: Option<&'a Path>,
    /// The family whose state directory is chosen where no variable names one and it exists.
    pub preferred: Option<Family>,
    /// The root of what belongs to the whole machine (`/etc`); `None` where only a home is looked at.
    pub machine: Option<&'a Path>,
    /// Whether our own environment is a source: interactive commands, or `[sources] env = true`.
    pub env_is_source: bool,
    /// Extra `.env` files from `monitor.toml`.
    pub dotenv: &'a [PathBuf],
    /// Folders of secrets, one file for each, from `monitor.toml`.
    pub secrets: &'a [PathBuf],
    /// Settings of LiteLLM proxies from `monitor.toml`.
    pub litellm: &'a [PathBuf],
    /// `[[declared]]` of `monitor.toml`.
    pub declared: &'a [Declared],
    /// `[[receivers]]` of `monitor.toml`.
    pub receivers: &'a [Receiver],
    /// `[chat]` of `monitor.toml`.
    pub chat: Option<&'a Chat>,
    /// The instant of this observation.
    pub now: Time,
    /// Key of the fingerprints.
    pub key: &'a FingerprintKey,
}

impl<'a> Scene<'a> {
    /// What a command of a person sees of the gateway's own places: nothing of the machine, nothing of `monitor.toml`.
    #[must_use]
    pub fn of_gateway(
        (env, cwd): (&'a Environment, Option<&'a Path>),
        preferred: Option<Family>,
        key: &'a FingerprintKey,
        now: Time,
    ) -> Self {
        Self {
            env,
            cwd,
            preferred,
            machine: None,
            env_is_source: true,
            dotenv: &[],
            secrets: &[],
            litellm: &[],
            declared: &[],
            receivers: &[],
            chat: None,
            now,
            key,
        }
    }
}

/// Said of what [`is_placeholder`] finds.
const PLACEHOLDER: &str = "a placeholder stands there, which nobody has filled in";

/// A credential with its secret held apart.
pub struct Found {
    /// The facts.
    pub credential: Box<Credential>,
    /// The secret, for a probe of this very cycle; `None` when there is none or nobody may use it.
    pub secret: Option<Secret>,
}

impl Found {
    /// It has its secret from another place, where that one is to be replaced ([`Owner::Secondhand`]).
    fn secondhand(mut self) -> Self {
        self.credential.owner = Owner::Secondhand;
        self
    }

    /// Nothing that only stands in the place of a key works, and none is sent to a provider.
    fn unless_placeholder(mut self) -> Self {
        if self.secret.as_ref().is_some_and(|secret| is_placeholder(secret.expose())) {
            self.secret = None;
            self.credential.fingerprint = None;
            self.credential.condition = Condition::Absent(PLACEHOLDER.to_owned());
        }
        self
    }

    /// Shown and never used: whoever would ask with this secret would ask at the wrong place, and `why` says so.
    fn unasked(mut self, why: impl Into<String>) -> Self {
        self.secret = None;
        self.credential.notes.push(why.into());
        self
    }
}

/// What all sources found together.
#[derive(Default)]
pub struct Harvest {
    /// Credentials, in no particular order.
    pub found: Vec<Found>,
    /// What was odd.
    pub findings: Vec<Finding>,
    /// How reading went, one for each source that looked anywhere.
    pub reports: Vec<SourceReport>,
    /// What the gateways' models need.
    pub demand: Demand,
    /// The gateways themselves, for `gateway` and `doctor`.
    pub installations: Vec<Installation>,
}

impl Harvest {
    /// What our own configuration names, at no place of its own; where there is none, nobody has looked.
    fn take(&mut self, source: &str, found: Vec<Found>) {
        if !found.is_empty() {
            let credentials = found.len();
            self.found.extend(found);
            let (source, looked) = (source.to_owned(), Vec::new());
            self.reports.push(SourceReport { source, looked, up: true, hidden: false, credentials });
        }
    }

    /// Notes that `source` looked at one more place.
    fn report(&mut self, source: &str, place: PathBuf, up: bool, credentials: usize) {
        match self.reports.iter_mut().find(|report| report.source == source) {
            Some(report) => {
                report.looked.push(place);
                report.up &= up;
                report.credentials += credentials;
            }
            None => {
                self.reports.push(SourceReport {
                    source: source.to_owned(),
                    looked: vec![place],
                    up,
                    hidden: false,
                    credentials,
                });
            }
        }
    }
}

/// An owner of credentials.
pub trait Source {
    /// The source's word, as in credential ids and in `opensoul_source_up{source}`.
    fn name(&self) -> &'static str;
    /// Reads everything it knows of into `harvest`. Never fails: what cannot be read is a finding and a report that is not up.
    fn read(&self, scene: &Scene<'_>, harvest: &mut Harvest);
}

/// Every source.
#[must_use]
pub fn all() -> Vec<Box<dyn Source>> {
    vec![
        Box::new(opensoul::OpenSoul),
        Box::new(claude_code::ClaudeCode),
        Box::new(codex::Codex),
        Box::new(antigravity::Antigravity),
        Box::new(cliproxyapi::CliProxyApi),
        Box::new(codebuff::Codebuff),
        Box::new(copilot::Copilot),
        Box::new(copilot::CopilotCli),
        Box::new(gemini::Gemini),
        Box::new(gh::Gh),
        Box::new(hermes::Hermes),
        Box::new(iflow::Iflow),
        Box::new(kimi::KimiCli),
        Box::new(kimi::KimiCode),
        Box::new(llxprt::Llxprt),
        Box::new(opencode::Opencode),
        Box::new(opencode::Kilo),
        Box::new(pi::Pi),
        Box::new(qwen::Qwen),
        Box::new(aider::Aider),
        Box::new(amp::Amp),
        Box::new(aws::Aws),
        Box::new(aws::AwsSso),
        Box::new(azure::Azure),
        Box::new(databricks::Databricks),
        Box::new(gcloud::Gcloud),
        Box::new(cline::Cline),
        Box::new(continue_dev::Continue),
        Box::new(crush::Crush),
        Box::new(cursor::CursorApp),
        Box::new(cursor::CursorCli),
        Box::new(devin::Devin),
        Box::new(devin::Windsurf),
        Box::new(factory::Factory),
        Box::new(goose::Goose),
        Box::new(grok::Grok),
        Box::new(huggingface::HuggingFace),
        Box::new(kiro::AmazonQ),
        Box::new(kiro::KiroCli),
        Box::new(kiro::KiroIde),
        Box::new(litellm::LiteLlm),
        Box::new(llm::Llm),
        Box::new(netrc::Netrc),
        Box::new(ollama::Ollama),
        Box::new(vscode::VsCode),
        Box::new(zed::Zed),
        Box::new(parked::Caam),
        Box::new(parked::ClaudeSwap),
        Box::new(env::Env),
        Box::new(dotenv::Dotenv),
        Box::new(mounted::Mounted),
        Box::new(compose::Compose),
        Box::new(startup::Startup),
        Box::new(declared::Declared),
        Box::new(receivers::Receivers),
    ]
}

/// Reads every source.
#[must_use]
pub fn harvest(scene: &Scene<'_>) -> Harvest {
    let mut harvest = Harvest::default();
    for source in all() {
        source.read(scene, &mut harvest);
    }
    closed::tell(scene, &mut harvest);
    retire(&mut harvest.found, scene.now);
    distinct(&mut harvest.found);
    harvest
}

/// Marks what belongs to services that have ended ([`Condition::Retired`](crate::domain::Condition::Retired)).
pub fn retire(found: &mut [Found], now: Time) {
    for found in found {
        retired::mark(found, now);
    }
}

/// Two entries that their owner gave one name (in an older and a newer file) are still two.
fn distinct(found: &mut [Found]) {
    // A gateway's ids name the agent and the profile, of which there is one each.
    let mut seen = HashSet::new();
    for found in found.iter_mut().filter(|found| found.credential.owner != Owner::GatewayStore) {
        let id = &mut found.credential.id;
        let name = id.0.clone();
        let mut more = 2;
        while !seen.insert(id.0.clone()) {
            id.0 = format!("{name}#{more}");
            more += 1;
        }
    }
}

/// A secret that says itself when it ends: nobody renews that one, a person replaces it.
fn decode(credential: &mut Credential, secret: &Secret) {
    if let Some(bearer) = bearer::read(secret) {
        bearer.apply(credential);
    }
}

#[cfg(test)]
mod tests;
