//! The parsed pieces of one gateway's state directory (OpenSoul family). Pure data: `sources::opensoul` reads the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::javascript::trim;
use super::provider_env;
use crate::domain::{Finding, Time};

/// Which of the gateways that share this layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `~/.opensoul`
    OpenSoul,
    /// `~/.openclaw`
    OpenClaw,
    /// `~/.clawdbot`
    Clawdbot,
    /// `~/.moltbot`
    Moltbot,
}

impl Family {
    /// The word that begins credential ids; also the name of the gateway's program.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenSoul => "opensoul",
            Self::OpenClaw => "openclaw",
            Self::Clawdbot => "clawdbot",
            Self::Moltbot => "moltbot",
        }
    }

    /// The family that somebody asks for who starts us by the name of its program, through a link of their own.
    #[must_use]
    pub fn of_program(name: &str) -> Option<Self> {
        [Self::OpenClaw, Self::Clawdbot, Self::Moltbot].into_iter().find(|family| family.word() == name)
    }
}

/// Where a variable that the gateway sees comes from, first wins (`facts` §6 of the original).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The process environment.
    Process,
    /// A `.env` in the working directory: provider keys only.
    CwdDotenv(PathBuf),
    /// `<state dir>/.env`.
    StateDotenv(PathBuf),
    /// `env` in the gateway's config.
    Config,
    /// The login shell (`env.shellEnv`).
    LoginShell,
}

/// The variables as the gateway would see them.
#[derive(Clone, Default)]
pub struct LayeredEnv {
    /// Name → value and where it came from.
    pub vars: BTreeMap<String, (String, Layer)>,
    /// Whether the login shell is asked at all.
    pub login_shell: bool,
    /// The names that it gave.
    pub from_login_shell: Vec<String>,
    /// What was wrong with its files or the login shell. The `dotenv` source says the same about the files.
    pub problems: Vec<Finding>,
    /// Whether Google's application default credentials are there, with a project and a location.
    pub gcloud_adc: bool,
}

/// A provider key in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvKey<'a> {
    /// The variable; `None` for Google's application default credentials.
    pub name: Option<&'a str>,
    /// Where it came from.
    pub layer: &'a Layer,
}

impl LayeredEnv {
    /// The trimmed value; blank counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(|(value, _)| trim(value)).filter(|v| !v.is_empty())
    }

    /// Sets a variable unless it is there (`.env` files: an empty one counts as there).
    pub fn set_absent(&mut self, name: &str, value: &str, layer: &Layer) {
        if !self.vars.contains_key(name) {
            self.vars.insert(name.to_owned(), (value.to_owned(), layer.clone()));
        }
    }

    /// Sets a variable unless it holds something (config and login shell).
    pub fn set_blank(&mut self, name: &str, value: &str, layer: &Layer) {
        if self.get(name).is_none() {
            self.vars.insert(name.to_owned(), (value.to_owned(), layer.clone()));
        }
    }

    /// The key that the gateway finds for a normalised provider: the first name that is set.
    #[must_use]
    pub fn key(&self, provider: &str) -> Option<EnvKey<'_>> {
        if provider == "google-vertex" {
            return self.gcloud_adc.then_some(EnvKey { name: None, layer: &Layer::Process });
        }
        if provider == "amazon-bedrock" {
            let name = match self.aws() {
                "env: AWS_BEARER_TOKEN_BEDROCK" => "AWS_BEARER_TOKEN_BEDROCK",
                "env: AWS_PROFILE" => "AWS_PROFILE",
                "aws-sdk default chain" => return None,
                _ => "AWS_ACCESS_KEY_ID",
            };
            return self.vars.get(name).map(|(_, layer)| EnvKey { name: Some(name), layer });
        }
        let name = provider_env::gateway_names(provider).iter().find(|name| self.get(name).is_some())?;
        self.vars.get(*name).map(|(_, layer)| EnvKey { name: Some(name), layer })
    }

    /// Where the AWS chain finds something, in the gateway's words.
    #[must_use]
    pub fn aws(&self) -> &'static str {
        if self.get("AWS_BEARER_TOKEN_BEDROCK").is_some() {
            "env: AWS_BEARER_TOKEN_BEDROCK"
        } else if self.get("AWS_ACCESS_KEY_ID").is_some() && self.get("AWS_SECRET_ACCESS_KEY").is_some() {
            "env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY"
        } else if self.get("AWS_PROFILE").is_some() {
            "env: AWS_PROFILE"
        } else {
            "aws-sdk default chain"
        }
    }
}

impl EnvKey<'_> {
    /// The gateway's word for the place: `env: NAME`, `shell env: NAME`, `gcloud adc`.
    #[must_use]
    pub fn source(&self) -> String {
        match (self.name, self.layer) {
            (None, _) => "gcloud adc".to_owned(),
            (Some(name), Layer::LoginShell) => format!("shell env: {name}"),
            (Some(name), _) => format!("env: {name}"),
        }
    }

    /// True for a login's token rather than a key.
    #[must_use]
    pub fn is_oauth(&self) -> bool {
        self.name.is_some_and(|name| name.contains("OAUTH"))
    }
}

impl std::fmt::Debug for LayeredEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LayeredEnv({} variables)", self.vars.len())
    }
}

/// One gateway on this machine.
pub struct Installation {
    /// Which.
    pub family: Family,
    /// Its state directory.
    pub state_dir: PathBuf,
    /// The one that the gateway's own rules choose (CONTRACTS §4); the others are read too.
    pub chosen: bool,
    /// Its config file, whether or not it exists.
    pub config_path: PathBuf,
    /// The config, if it exists and is valid.
    pub config: Option<super::gateway_config::GatewayConfig>,
    /// What is wrong with the config file.
    pub config_problems: Vec<Finding>,
    /// Files besides the config and the stores that were looked for, whether or not they exist.
    pub beside: Vec<PathBuf>,
    /// One entry for each agent that has a directory or is configured; `main` always, and first.
    pub agents: Vec<AgentStore>,
    /// The variables as the gateway would see them if it were started from here.
    pub env: LayeredEnv,
    /// True if it keeps its credentials in SQLite (OpenClaw 2026.6 and later): JSON stores must never be made there.
    pub sqlite: bool,
}

/// Why a whole store could not be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is there and cannot be read.
    Unreadable,
    /// It was read and is not a store.
    Unparsable,
}

/// One agent's own credentials; [`super::eligibility::View`] shows them as its gateway merges them over main's.
#[derive(Default)]
pub struct AgentStore {
    /// Agent id.
    pub agent: String,
    /// Its directory.
    pub agent_dir: PathBuf,
    /// The file that was read (or would be).
    pub store_path: PathBuf,
    /// When that file was last changed.
    pub modified: Option<Time>,
    /// What it holds.
    pub store: super::auth_store::AuthStore,
    /// Profiles that the gateway would import from elsewhere: id → file.
    pub imported: BTreeMap<String, PathBuf>,
    /// What was wrong with it.
    pub findings: Vec<Finding>,
    /// Set if the whole store is lost.
    pub trouble: Option<Trouble>,
}

impl Installation {
    /// The agent over whose store the others are merged.
    #[must_use]
    pub fn main(&self) -> Option<&AgentStore> {
        self.agents.first()
    }

    /// An agent's store.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<&AgentStore> {
        self.agents.iter().find(|a| a.agent == id)
    }
}
